"""The search space of a tuning: which options are varied, and between which values.

A range is written `low..high`, values to choose among `a,b,c`. Without either, each option's own
range serves, and where it has no upper bound, the neighbourhood of what the recipe says.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args, get_origin

from workbench.errors import UsageError
from workbench.experiments.algorithm import KnownAlgorithm
from workbench.experiments.plan import Plan
from workbench.learning.learner import Learner
from workbench.plugin.options import AtLeast, Between, Option, convert_options
from workbench.plugin.registry import registry

BACKBONE = "backbone"  # the one axis that is no option
LOG_FROM = 10  # a range whose ends are this far apart in ratio is searched in the logarithm
AROUND = {float: 10.0, int: 4}  # the factor on either side of a value without an upper bound


class Axis(NamedTuple):
    """One option that is varied: a range of numbers, or values to choose among."""

    name: str
    values: tuple[Any, ...] = ()  # to choose among; () for a range
    low: float = 0.0
    high: float = 0.0
    whole: bool = False  # whole numbers only

    @property
    def logarithmic(self) -> bool:
        """Whether the range is searched in the logarithm."""
        return self.low > 0 and self.high / self.low >= LOG_FROM

    def __str__(self) -> str:
        if self.values:
            return f"{self.name}={','.join(map(str, self.values))}"
        return f"{self.name}={self.low:g}..{self.high:g}"


def typed_space(algorithm: str, over: Sequence[str]) -> tuple[Axis, ...]:
    """Return the axes that a user typed: "inner_lr=1e-3..1", "backbone=conv4,resnet12".

    Raises:
        UsageError: a text is no axis, or its option is unknown or takes no such values.
    """
    axes: dict[str, Axis] = {}
    for text in over:
        name, equals, values = text.partition("=")
        if not equals or not values:
            raise UsageError(
                f"{text!r} is no range; write OPTION=LOW..HIGH or OPTION=A,B, "
                "for instance: --over inner_lr=1e-3..1 inner_steps=1,5"
            )
        if name in axes:
            raise UsageError(f"--over names {name} twice; name it once")
        axes[name] = _typed_axis(algorithm, name, values)
    return tuple(axes.values())


def _typed_axis(algorithm: str, name: str, text: str) -> Axis:
    if name == BACKBONE:
        return _choice(name, _apart(text), text)
    known = KnownAlgorithm(algorithm).all
    ends = text.split("..")
    if len(ends) != 2:
        values = [convert_options(algorithm, {name: each}, known)[name] for each in _apart(text)]
        return _choice(name, values, text)
    low, high = (convert_options(algorithm, {name: end}, known)[name] for end in ends)
    kind = _kind(known[name])
    if kind is None or low is None or high is None:
        raise UsageError(
            f"{name} of {algorithm} is no number, so it has no range; "
            f"name values instead: --over {name}={','.join(ends)}"
        )
    if low >= high:
        raise UsageError(
            f"The range {name}={text} is empty; write the lower end first: --over {name}=LOW..HIGH"
        )
    return Axis(name, (), low, high, kind is int)


def _apart(text: str) -> list[str]:
    """Return the values of a list. A comma before `key=` belongs to a spec: "conv4:width=32"."""
    return re.split(r",(?![A-Za-z_]\w*=)", text)


def _choice(name: str, values: Iterable[Any], text: str) -> Axis:
    different = tuple(dict.fromkeys(values))
    if len(different) < 2:
        raise UsageError(
            f"{name}={text} leaves nothing to choose; "
            "name several values or a range, or put it behind the name of the method"
        )
    if name == BACKBONE:
        for spec in different:
            registry().find("backbones", spec.partition(":")[0])
    return Axis(name, different)


def own_space(plan: Plan) -> tuple[Axis, ...]:
    """Return the axes of a method's own options and of its learning rate.

    Options that the user typed, and those that are chosen at test anyway, are not varied. Nor are
    switches and texts: they have no range, and often name another method.

    Raises:
        UsageError: nothing is left.
    """
    known = KnownAlgorithm(plan.algorithm)
    values = dict(plan.options)
    if plan.settings.steps and known.target.losses is not Learner.losses:
        values["lr"] = plan.settings.lr
    axes = []
    for name, value in values.items():
        if name not in plan.typed and name not in plan.selects:
            axis = own_axis(known.all[name], value)
            if axis is not None:
                axes.append(axis)
    if not axes:
        raise UsageError(
            f"{plan.label} has no option with a range of its own; name some: "
            f"--over OPTION=LOW..HIGH, see: mlw info {plan.algorithm}"
        )
    return tuple(axes)


def own_axis(option: Option, value: Any) -> Axis | None:
    """Return the range of an option around the value that a recipe gives it; None without one."""
    if get_origin(option.type) is Literal:
        choices = get_args(option.type)
        return Axis(option.name, choices) if len(choices) > 1 else None
    kind = _kind(option)
    if kind is None or not isinstance(value, int | float) or isinstance(value, bool):
        return None
    if isinstance(option.bound, Between):
        low, high = option.bound.low, option.bound.high
    elif value > 0:
        low, high = value / AROUND[kind], value * AROUND[kind]
    else:
        return None  # nothing says how large it may be
    if kind is int:
        low, high = math.ceil(low), math.floor(high)
    if isinstance(option.bound, AtLeast):
        low = max(low, kind(option.bound.value))
    return Axis(option.name, (), low, high, kind is int) if low < high else None


def _kind(option: Option) -> type[int] | type[float] | None:
    """Return int or float for an option that is a number; None may be allowed beside it."""
    for kind in (int, float):
        if option.type is kind or kind in get_args(option.type):
            return kind
    return None


def in_words(axes: Iterable[Axis]) -> str:
    """Return the axes as they are typed after `--over`."""
    return " ".join(map(str, axes))


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without the backbone, which is no option."""
    return {name: value for name, value in values.items() if name != BACKBONE}

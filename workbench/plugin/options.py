"""The grammar `NAME[:key=value,...]`, and its check against a constructor's signature.

The first `:` ends the name; a comma separates only where `word=` follows; the first `=` ends the
key. So values may hold colons and commas: `vit:weights=/a,b/c:1.pt` has one option.

Constructors: parameters before `*` are filled by the workbench by name (`backbone`, `ways`, ...);
those after it are the user's options, `Annotated[type, "help"]` with a default; `Annotated[type, "help",
AtLeast(1)]` or `Above(0)` bounds a number from below.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from workbench.errors import PluginError, UsageError

TOGETHER = " + "  # joins the specs of data sets that are trained on at once


class Spec(NamedTuple):
    """A name and its options as typed."""

    name: str
    options: dict[str, str]

    def __str__(self) -> str:
        return (
            self.name
            + (":" if self.options else "")
            + ",".join(f"{k}={v}" for k, v in self.options.items())
        )


def parse_spec(text: str) -> Spec:
    """Read `NAME[:key=value,...]`.

    Raises:
        UsageError: no name, nothing behind the colon, a key without a value, or a key given twice.
    """
    name, colon, rest = text.partition(":")
    if not name:
        raise UsageError(f"{text!r} has no name before the colon; write NAME:key=value")
    if colon and not rest:
        raise UsageError(f"{text!r} ends in a colon; write {name} or {name}:key=value")
    options: dict[str, str] = {}
    for part in re.split(r",(?=[A-Za-z_]\w*=)", rest) if rest else []:
        key, equals, value = part.partition("=")
        if not equals or not key.isidentifier():
            raise UsageError(
                f"{part!r} in {text!r} is not key=value; write for instance {name}:key=value,other=value"
            )
        if key in options:
            raise UsageError(f"{key!r} is given twice in {text!r}")
        options[key] = value
    return Spec(name, options)


class AtLeast(NamedTuple):
    """A bound of an option that is a number: this, or more."""

    value: float

    def holds(self, number: float) -> bool:
        return number >= self.value

    def __str__(self) -> str:
        return f"at least {self.value:g}"


class Above(NamedTuple):
    """A bound of an option that is a number: more than this."""

    value: float

    def holds(self, number: float) -> bool:
        return number > self.value

    def __str__(self) -> str:
        return f"above {self.value:g}"


@dataclass(frozen=True)
class Option:
    """One keyword-only constructor parameter or settings field."""

    name: str
    type: Any
    default: Any
    help: str
    bound: AtLeast | Above | None = None

    @property
    def type_name(self) -> str:
        """As people write it: `int`, `float or none`, `max|stride`."""
        return " or ".join(_type_name(choice) for choice in _choices(self.type))

    def convert(self, value: Any, owner: str) -> Any:
        """The value in the option's type; text is parsed, other values are checked.

        Raises:
            UsageError: it does not fit; the message names the type, or the bound.
        """
        for choice in _choices(self.type):
            try:
                converted = _convert(choice, value)
            except (ValueError, TypeError, KeyError):
                continue
            self.check(converted, owner)
            return converted
        where = f"{owner}:{self.name}" if owner else self.name
        raise UsageError(
            f"{where}={value} does not fit: {self.name} is {self.type_name} ({self.help})"
        )

    def check(self, value: Any, owner: str = "") -> None:
        """Raise `UsageError` if a number is beyond the bound; what is no number is."""
        if value is not None and self.bound and not self.bound.holds(value):
            where = f"{owner}:{self.name}" if owner else self.name
            raise UsageError(f"{where}={value:g} cannot be: it must be {self.bound} ({self.help})")


def options_of(target: type) -> dict[str, Option]:
    """The user's options of a class, in the order of its signature.

    Raises:
        PluginError: an option lacks its annotation, its help or its default.
    """
    hints = get_type_hints(target.__init__, include_extras=True)  # type: ignore[misc]
    options = {}
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        hint = hints.get(name)
        if get_origin(hint) is not Annotated or parameter.default is parameter.empty:
            raise PluginError(
                f"The option {name!r} of {target.__name__} must be written Annotated[type, 'help'] with a default"
            )
        options[name] = option_of(name, hint, parameter.default)
    return options


def option_of(name: str, hint: Any, default: Any) -> Option:
    """The option that `Annotated[type, "help"]` or `Annotated[type, "help", bound]` describes."""
    kind, text, *bound = get_args(hint)
    return Option(name, kind, default, text, *bound[:1])


def filled_of(target: type) -> tuple[str, ...]:
    """The parameters before `*`, which the workbench fills by name."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)
    return tuple(
        name for name, p in inspect.signature(target).parameters.items() if p.kind in kinds
    )


def convert_options(
    owner: str, given: Mapping[str, Any], options: Mapping[str, Option]
) -> dict[str, Any]:
    """Convert what was given to the options' types.

    Raises:
        UsageError: an option that `owner` does not have (nearest and all valid ones named), or a
            value that does not fit.
    """
    for key in given:
        if key not in options:
            nearest = get_close_matches(key, options, n=1, cutoff=0.5)
            guess = f" Did you mean {nearest[0]}?" if nearest else ""
            valid = (
                ", ".join(f"{option.name} ({option.type_name})" for option in options.values())
                or "none"
            )
            raise UsageError(
                f"{owner or 'The training'} has no option {key!r}.{guess} Its options: {valid}."
            )
    return {key: options[key].convert(value, owner) for key, value in given.items()}


def option_text(value: Any) -> str:
    """A value as it is written in a spec."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def canonical_spec(name: str, options: Mapping[str, Any], known: Mapping[str, Option]) -> str:
    """The one spec of a thing: options in order, those at their default left out."""
    differing = {
        key: option_text(value)
        for key, value in sorted(options.items())
        if value != known[key].default
    }
    return str(Spec(name, differing))


def _choices(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _type_name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(str(value) for value in get_args(kind))
    return "none" if kind is type(None) else str(kind.__name__)


def _convert(kind: Any, value: Any) -> Any:
    if get_origin(kind) is Literal:
        return {str(choice): choice for choice in get_args(kind)}[str(value)]
    if kind is type(None):
        return {None: None, "none": None}[value]
    if isinstance(value, str) and kind is not str:
        return _BOOLEANS[value.lower()] if kind is bool else kind(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise TypeError
    return value


_BOOLEANS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}

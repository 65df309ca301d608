"""From what was typed to what will be trained: a `Plan`, complete and in plain values.

Precedence: the spec's own keys, then flags, then the recipe, then the defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from workbench.errors import UsageError
from workbench.learning.learner import Learner
from workbench.learning.settings import TrainSettings, settings_options
from workbench.plugin.options import (
    canonical_spec,
    convert_options,
    filled_of,
    option_text,
    options_of,
    parse_spec,
)
from workbench.plugin.recipes import recipe_settings
from workbench.plugin.registry import Registration, registry
from workbench.tasks.protocols.build import TRAINING_PROTOCOLS, build_protocol
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import ClassIndex, TaskProtocol
from workbench.tasks.splits import Data, scarcest

NONE = "none"  # of a setting that names runs


@dataclass(frozen=True)
class Plan:
    """All that decides a trained learner, apart from code and data themselves."""

    algorithm: str
    options: dict[str, Any]  # all of the algorithm's, defaults too
    typed: str  # those that the user typed behind the name, canonically: "first_order=true"
    backbone: str  # a spec of what differs from the defaults, or "" where the algorithm takes none
    data: str
    settings: TrainSettings
    ways: int | None  # of the learner itself, where it has a fixed number
    val_ways: int
    val_shots: int
    val_queries: int
    seed: int
    init: Plan | str = ""  # whose weights it starts from: what is trained first, or a run folder
    teachers: tuple[Plan | str, ...] = ()  # trained first, one for each training data set
    selects: dict[str, Any] = field(
        default_factory=dict
    )  # options of the test, and the values to choose among

    @property
    def episodic(self) -> bool:
        """Whether training draws tasks."""
        return self.settings.train_ways is not None

    @property
    def protocol(self) -> TaskProtocol | None:
        """How training tasks are drawn; None where there are none."""
        settings = self.settings
        if settings.train_ways is None or settings.train_shots is None:
            return None
        numbers = settings.train_ways, settings.train_shots, settings.train_queries
        return build_protocol(settings.train_protocol, *numbers)

    @property
    def val_protocol(self) -> TaskProtocol:
        """How validation tasks are drawn: as those of the test, unless training tasks have no fixed form."""
        if self.protocol is not None and self.protocol.ways == 0:
            return self.protocol
        return WayShot(self.val_ways, self.val_shots, self.val_queries)


def make_plan(
    algorithm: str,
    data: Data,
    *,
    ways: int,
    shots: int,
    backbone: str | None = None,
    recipe: str = "quick",
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    spelled_out: bool = False,
) -> Plan:
    """Plan a training for evaluation at `ways` and `shots`.

    Args:
        algorithm: a spec, `maml:inner_steps=5,lr=1e-4`; keys are options and training settings.
        settings: training settings given as flags.
        spelled_out: whether `algorithm` says all that matters, so that its plugin need have no such recipe.

    Raises:
        UsageError: a name, key or value that cannot be.
        DataError: the data has no training classes, or too few of anything.
    """
    spec = parse_spec(algorithm)
    entry = registry().find("algorithms", spec.name)
    target = entry.load()
    options, training = options_of(target), settings_options()
    typed = convert_options(spec.name, spec.options, options | training)
    flags = convert_options("", settings or {}, training)
    from_recipe = dict(
        recipe_settings(entry, recipe, data.name, ways, shots, spelled_out=spelled_out)
    )
    recipe_backbone = from_recipe.pop("backbone", None)
    from_recipe = convert_options(
        f"the {recipe} recipe of {spec.name}", from_recipe, options | training
    )
    chosen = from_recipe | flags | typed
    defaults = {name: option.default for name, option in options.items()}
    train = [domain.classes for domain in data.domains("train")]
    plan_settings = TrainSettings(
        **{key: value for key, value in chosen.items() if key in training}
    )
    fitted = _fit(plan_settings, target, train, ways, shots, given=flags | typed, name=spec.name)
    val_ways, val_shots, val_queries = data.validation(
        *(ways, shots) if target.episodic else (5, 5)
    )
    network = _backbone(entry, target, backbone, recipe_backbone)

    def first(algorithm: str, data: Data) -> Plan | str:
        """What is trained before, with the same flags and the same backbone; or the run folder that it is."""
        if not registry().knows("algorithms", parse_spec(algorithm).name):
            return algorithm
        passed = {
            key: value for key, value in (settings or {}).items() if key not in ("init", "teachers")
        }
        asked: dict[str, Any] = {
            "ways": ways,
            "shots": shots,
            "recipe": recipe,
            "seed": seed,
            "settings": passed,
        }
        asked["spelled_out"] = bool(parse_spec(algorithm).options)
        return make_plan(algorithm, data, backbone=network or None, **asked)

    plan = Plan(
        algorithm=spec.name,
        options=defaults | {key: value for key, value in chosen.items() if key in options},
        typed=",".join(f"{key}={option_text(typed[key])}" for key in sorted(typed)),
        backbone=network,
        data=data.label,
        settings=fitted,
        ways=ways if "ways" in filled_of(target) else None,
        val_ways=val_ways,
        val_shots=val_shots,
        val_queries=val_queries,
        seed=seed,
        init="" if fitted.init == NONE else first(fitted.init, data),
        teachers=_teachers(fitted.teachers, data, first),
        selects={key: values for key, values in target.selects.items() if key not in chosen},
    )
    if plan.protocol:
        for name, _, classes in data.domains("train"):
            plan.protocol.check(classes, f"the training classes of {name}")
    return plan


def _teachers(
    text: str, data: Data, first: Callable[[str, Data], Plan | str]
) -> tuple[Plan | str, ...]:
    """A teacher for each data set: one algorithm trained on each alone, or a run folder each."""
    given = [] if text == NONE else text.split("+")
    if len(given) == 1 and registry().knows("algorithms", parse_spec(text).name):
        given *= len(data.each)
    if given and len(given) != len(data.each):
        raise UsageError(
            f"teachers={text} names {len(given)} runs for {len(data.each)} training data sets, {data.label}; "
            "name one for each, joined by +, or one algorithm"
        )
    return tuple(first(teacher, member) for teacher, member in zip(given, data.each, strict=False))


def _backbone(entry: Registration, target: type, typed: str | None, recipe: str | None) -> str:
    """The backbone's spec, canonically: what the recipe says for it, and what the user says over that."""
    if "backbone" not in filled_of(target):
        return ""
    if typed is None and recipe is None:
        raise UsageError(
            f"{entry.name} has no recipe that names a backbone; add --backbone NAME, see: mlw list backbones"
        )
    given, default = parse_spec(typed or recipe or ""), parse_spec(recipe or typed or "")
    backbone = registry().find("backbones", given.name).load()
    known = options_of(backbone)
    options = default.options | given.options if default.name == given.name else given.options
    resolved = convert_options(given.name, options, known)
    return canonical_spec(given.name, resolved, known)


def _fit(
    settings: TrainSettings,
    target: type[Learner],
    train: Sequence[ClassIndex],
    ways: int,
    shots: int,
    *,
    given: Mapping[str, Any],
    name: str,
) -> TrainSettings:
    """Resolve "as at test", and fit what a recipe (not the user) asks of too small a data set to it."""
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    if not target.episodic:
        return TrainSettings(**values | {"train_ways": None, "train_shots": None})
    form = build_protocol(settings.train_protocol, 5, 1, 1)
    if parse_spec(settings.train_protocol).name not in TRAINING_PROTOCOLS:
        raise UsageError(
            f"train_protocol={settings.train_protocol} is for tests; train by {', '.join(TRAINING_PROTOCOLS)}"
        )
    if form.ways == 0 and "ways" in filled_of(target):
        raise UsageError(
            f"{name} has a fixed number of ways, and {settings.train_protocol} draws tasks of any number"
        )
    if form.ways == 0 or len(train) > 1:
        values["stack"] = 1  # hardly two tasks have one form, or come from one data set
    if "ways" in filled_of(target):
        if given.get("train_ways") not in (None, ways):
            raise UsageError(
                f"{name} has a fixed number of ways: it cannot train at {given['train_ways']} ways for {ways} at test"
            )
        values["train_ways"] = ways
    fewest, least = scarcest(train)
    values["train_ways"] = values["train_ways"] or ways
    if "train_ways" not in given:
        values["train_ways"] = min(values["train_ways"], max(fewest, ways))
    if (
        values["train_shots"] is None
    ):  # as at test, but of classes too small for these shots half are queries
        kept = (
            values["train_queries"]
            if "train_queries" in given
            else min(values["train_queries"], least // 2)
        )
        values["train_shots"] = min(shots, max(least - kept, 1))
    if "train_queries" not in given:
        values["train_queries"] = min(
            values["train_queries"], max(least - values["train_shots"], 1)
        )
    return TrainSettings(**values)

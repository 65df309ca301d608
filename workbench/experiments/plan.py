"""From what was typed to what will be trained: a `Plan`, complete and in plain values.

Precedence: the spec's own keys, then flags, then the recipe, then the defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from workbench.errors import PluginError, UsageError
from workbench.learning.learner import Backbone, Learner, uses_batch_statistics
from workbench.learning.training import TrainSettings, settings_options
from workbench.plugin import options as specs
from workbench.plugin import recipes
from workbench.plugin.registry import Entry, registry
from workbench.tasks import protocols
from workbench.tasks.sampling import Classes, TaskProtocol
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
    selects: dict[str, Any] = field(default_factory=dict)  # options of the test, and the values to choose among

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
        return protocols.choose(settings.train_protocol, *numbers)

    @property
    def val_protocol(self) -> TaskProtocol:
        """How validation tasks are drawn: as those of the test, unless training tasks have no fixed form."""
        if self.protocol is not None and self.protocol.ways == 0:
            return self.protocol
        return protocols.WayShot(self.val_ways, self.val_shots, self.val_queries)


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
    spec = specs.parse(algorithm)
    entry = registry().find("algorithms", spec.name)
    target = entry.load()
    options, training = specs.options_of(target), settings_options()
    typed = specs.resolve(spec.name, spec.options, options | training)
    flags = specs.resolve("", settings or {}, training)
    from_recipe = dict(recipes.settings(entry, recipe, data.name, ways, shots, spelled_out=spelled_out))
    recipe_backbone = from_recipe.pop("backbone", None)
    from_recipe = specs.resolve(f"the {recipe} recipe of {spec.name}", from_recipe, options | training)
    chosen = from_recipe | flags | typed
    defaults = {name: option.default for name, option in options.items()}
    train = [domain.classes for domain in data.domains("train")]
    plan_settings = TrainSettings(**{key: value for key, value in chosen.items() if key in training})
    fitted = _fit(plan_settings, target, train, ways, shots, given=flags | typed, name=spec.name)
    val_ways, val_shots, val_queries = data.validation(*(ways, shots) if target.episodic else (5, 5))
    network = _backbone(entry, target, backbone, recipe_backbone)

    def first(algorithm: str, data: Data) -> Plan | str:
        """What is trained before, with the same flags and the same backbone; or the run folder that it is."""
        if not registry().knows("algorithms", specs.parse(algorithm).name):
            return algorithm
        passed = {key: value for key, value in (settings or {}).items() if key not in ("init", "teachers")}
        asked: dict[str, Any] = {"ways": ways, "shots": shots, "recipe": recipe, "seed": seed, "settings": passed}
        asked["spelled_out"] = bool(specs.parse(algorithm).options)
        return make_plan(algorithm, data, backbone=network or None, **asked)

    plan = Plan(
        algorithm=spec.name,
        options=defaults | {key: value for key, value in chosen.items() if key in options},
        typed=",".join(f"{key}={specs.as_text(typed[key])}" for key in sorted(typed)),
        backbone=network,
        data=data.label,
        settings=fitted,
        ways=ways if "ways" in specs.filled_of(target) else None,
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


def _teachers(text: str, data: Data, first: Callable[[str, Data], Plan | str]) -> tuple[Plan | str, ...]:
    """A teacher for each data set: one algorithm trained on each alone, or a run folder each."""
    given = [] if text == NONE else text.split("+")
    if len(given) == 1 and registry().knows("algorithms", specs.parse(text).name):
        given *= len(data.each)
    if given and len(given) != len(data.each):
        raise UsageError(
            f"teachers={text} names {len(given)} runs for {len(data.each)} training data sets, {data.label}; "
            "name one for each, joined by +, or one algorithm"
        )
    return tuple(first(teacher, member) for teacher, member in zip(given, data.each, strict=False))


def build_learner(plan: Plan, data: Data, *, teachers: Sequence[Learner] = (), seen: bool | None = None) -> Learner:
    """Build the learner of a plan, its first weights drawn from the plan's seed.

    Args:
        teachers: trained learners, one for each training data set, while it is trained.
        seen: whether the tasks to come are of a data set that it was trained on; None while it is trained.

    Raises:
        UsageError: the backbone uses batch statistics in a method that embeds each image on its own.
    """
    torch.manual_seed(plan.seed)
    target = registry().find("algorithms", plan.algorithm).load()
    fill: dict[str, Any] = {
        "ways": plan.ways,
        "classes": tuple(len(domain.classes.counts) for domain in data.domains("train")),
        "domains": tuple(domain.name for domain in data.domains("train")),
        "image_shape": data.image_shape,
        "teachers": tuple(teachers),
        "seen": seen,
    }
    if plan.backbone:
        fill["backbone"] = build_backbone(plan.backbone, data.image_shape)
    learner: Learner = _built(plan.algorithm, target, _filled(plan.algorithm, target, fill) | plan.options)
    if target.embeds() and not learner.transductive and uses_batch_statistics(learner):
        raise UsageError(
            f"{plan.algorithm} embeds each image on its own, and {plan.backbone} normalises by the batch; "
            f"type --backbone {specs.parse(plan.backbone).name}"
        )
    return learner


def build_backbone(text: str, image_shape: tuple[int, int, int]) -> Backbone:
    """Build a backbone from its spec."""
    spec = specs.parse(text)
    target = registry().find("backbones", spec.name).load()
    options = specs.resolve(spec.name, spec.options, specs.options_of(target))
    module: Backbone = _built(text, target, _filled(spec.name, target, {"image_shape": image_shape}) | options)
    if module.dim < 1:
        raise UsageError(
            f"Images of {' x '.join(map(str, image_shape))} are too small for {text}; choose a larger size"
        )
    return module


def _built(name: str, target: type[Any], arguments: Mapping[str, Any]) -> Any:
    """Call a constructor; a value that it cannot take is the user's to change, not a traceback."""
    try:
        return target(**arguments)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise UsageError(
            f"{name} cannot be built: {str(error).splitlines()[0]}; see: mlw info {name.partition(':')[0]}"
        ) from error


def _filled(name: str, target: type, values: Mapping[str, Any]) -> dict[str, Any]:
    wanted = specs.filled_of(target)
    if unknown := [key for key in wanted if key not in values]:
        raise PluginError(
            f"{name} wants {', '.join(unknown)} filled in, and the workbench has: {', '.join(sorted(values))}; "
            "options of the user's stand behind a * in the constructor"
        )
    return {key: values[key] for key in wanted}


def _backbone(entry: Entry, target: type, typed: str | None, recipe: str | None) -> str:
    """The backbone's spec, canonically: what the recipe says for it, and what the user says over that."""
    if "backbone" not in specs.filled_of(target):
        return ""
    if typed is None and recipe is None:
        raise UsageError(
            f"{entry.name} has no recipe that names a backbone; add --backbone NAME, see: mlw list backbones"
        )
    given, default = specs.parse(typed or recipe or ""), specs.parse(recipe or typed or "")
    backbone = registry().find("backbones", given.name).load()
    known = specs.options_of(backbone)
    options = default.options | given.options if default.name == given.name else given.options
    resolved = specs.resolve(given.name, options, known)
    return specs.canonical(given.name, resolved, known)


def _fit(
    settings: TrainSettings,
    target: type[Learner],
    train: Sequence[Classes],
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
    form = protocols.choose(settings.train_protocol, 5, 1, 1)
    if specs.parse(settings.train_protocol).name not in protocols.TRAINING:
        raise UsageError(
            f"train_protocol={settings.train_protocol} is for tests; train by {', '.join(protocols.TRAINING)}"
        )
    if form.ways == 0 and "ways" in specs.filled_of(target):
        raise UsageError(f"{name} has a fixed number of ways, and {settings.train_protocol} draws tasks of any number")
    if form.ways == 0 or len(train) > 1:
        values["stack"] = 1  # hardly two tasks have one form, or come from one data set
    if "ways" in specs.filled_of(target):
        if given.get("train_ways") not in (None, ways):
            raise UsageError(
                f"{name} has a fixed number of ways: it cannot train at {given['train_ways']} ways for {ways} at test"
            )
        values["train_ways"] = ways
    fewest, least = scarcest(train)
    values["train_ways"] = values["train_ways"] or ways
    if "train_ways" not in given:
        values["train_ways"] = min(values["train_ways"], max(fewest, ways))
    if values["train_shots"] is None:  # as at test, but of classes too small for these shots half are queries
        kept = values["train_queries"] if "train_queries" in given else min(values["train_queries"], least // 2)
        values["train_shots"] = min(shots, max(least - kept, 1))
    if "train_queries" not in given:
        values["train_queries"] = min(values["train_queries"], max(least - values["train_shots"], 1))
    return TrainSettings(**values)

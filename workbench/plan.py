"""From what was typed to what will be trained: a `Plan`, complete and in plain values.

Precedence: the spec's own keys, then flags, then the recipe, then the defaults.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

import numpy as np
import torch

from workbench import folders, protocols, recipes, specs
from workbench.download import open_dataset, part_here
from workbench.drawing import Classes, TaskProtocol
from workbench.errors import DataError, PluginError, UsageError
from workbench.images import Table
from workbench.learner import Backbone, Learner, uses_batch_statistics
from workbench.manifest import overlaps_of
from workbench.plugins import Entry, registry
from workbench.source import Domain
from workbench.specs import TOGETHER
from workbench.train import TrainSettings, settings_options

NONE = "none"  # of a setting that names runs


@dataclass(frozen=True)
class Data:
    """A data set with its options chosen, opened; or several together, to train on."""

    label: str  # its spec, without what is default: "omniglot:split=lake"; of several: "aircraft + dtd"
    name: str
    tables: dict[str, Table]  # by split; none of several
    part: str = ""  # of what is published, where not all of it is here: "4,000 of 27,000 images"
    members: tuple[Data, ...] = ()  # of several
    overlaps: Mapping[str, bool] = field(default_factory=dict)  # with data that backbones are pre-trained on

    @property
    def each(self) -> tuple[Data, ...]:
        """The single data sets."""
        return self.members or (self,)

    @property
    def fingerprint(self) -> str:
        """Of the content, all splits."""
        if self.members:
            return hashlib.sha256("".join(member.fingerprint for member in self.members).encode()).hexdigest()
        return next(iter(self.tables.values())).fingerprint

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        if self.members:
            return self.members[0].image_shape
        shape = next(iter(self.tables.values())).images.shape
        return int(shape[1]), int(shape[2]), int(shape[3])

    def table(self, split: str) -> Table:
        """The images of a split.

        Raises:
            DataError: it has no such split.
        """
        if split not in self.tables:
            hints = {"train": f"; train on another: mlw compare ALGORITHM --train-on NAME --on {self.label}"}
            if list(self.tables) == ["train"]:
                hints["test"] = "; all its classes train, so test on another data set"
            raise DataError(
                f"{self.label} has no {split} classes; its splits: {', '.join(self.tables)}{hints.get(split, '')}"
            )
        return self.tables[split]

    def domains(self, split: str) -> list[Domain]:
        """What a source is made of: the data sets that have such a split. Raises `DataError` if none has."""
        found = [data for data in self.each if split in data.tables] or list(self.each[:1])
        return [Domain(data.label, data.table(split).images, data.classes(split)) for data in found]

    def classes(self, split: str) -> Classes:
        """What tasks of a split of a single data set are drawn from. Raises `DataError` as `table` does."""
        table = self.table(split)
        if table.groups is None:
            return Classes(table.starts)
        number = {name: place for place, name in enumerate(table.names)}
        groups = tuple(np.array([number[name] for name in group]) for group in table.groups.members)
        return Classes(table.starts, groups, table.groups.whole)

    @property
    def validates(self) -> bool:
        """Whether there are validation classes."""
        return any("val" in data.tables for data in self.each)

    def validation(self, ways: int, shots: int) -> tuple[int, int, int]:
        """Ways, shots and queries of validation tasks: as asked for and 15, or the most that the classes give."""
        if not self.validates:
            return ways, shots, 0
        fewest, least = _least([domain.classes for domain in self.domains("val")])
        ways, shots = min(ways, fewest), min(shots, max(least - 1, 1))
        return ways, shots, max(min(15, least - shots), 1)

    @property
    def parts(self) -> list[str]:
        """The data sets of which only a part is here: "eurosat: 4,000 of 27,000 images"."""
        return [f"{data.label}: {data.part}" for data in self.each if data.part]

    def fitting(
        self, split: str, ways: int | None, shots: int, queries: int | None, *, usual: int = 5
    ) -> tuple[int, int]:
        """Ways and queries: as asked for, else the usual and 15, or the most that the classes of a split give."""
        counts = self.classes(split).counts
        return ways or min(usual, len(counts)), queries or max(min(15, int(counts.min()) - shots), 1)


@cache
def open_data(text: str) -> Data:
    """Open a data set by its spec, preparing it where needed; several, joined by " + ", to train on.

    Raises:
        UsageError: an unknown name or option.
        DataError: it is not downloaded; the message says what to type.
    """
    if TOGETHER in text:
        return _together([open_data(each) for each in text.split(TOGETHER)])
    choice = folders.choose(text)
    label = _canonical(choice.name, choice.options, choice.known)
    overlaps = overlaps_of(choice.dataset)
    return Data(
        label, choice.name, open_dataset(choice.name, choice.dataset), part_here(choice.dataset), overlaps=overlaps
    )


def same_form(whose: str, shape: Sequence[int], data: Data) -> None:
    """Refuse a data set whose images have not this shape, (channels, height, width)."""
    if tuple(shape) != data.image_shape:
        wanted, found = (" x ".join(map(str, each)) for each in (shape, data.image_shape))
        channels = f",channels={shape[0]}" if shape[0] != data.image_shape[0] else ""
        raise UsageError(
            f"{whose} {wanted}, and those of {data.label} are {found}; choose one form, "
            f"for instance {data.name}:size={shape[-1]}{channels}"
        )


def refuse_leak(train: Data, test: Data) -> None:
    """Refuse to judge on classes that were trained on, which two splits of one data set may share."""
    for member in train.each:
        if member.name != test.name or member.label == test.label:
            continue
        if shared := sorted(set(member.table("train").names) & set(test.table("test").names)):
            raise UsageError(
                f"{member.label} trains on {len(shared)} of the test classes of {test.label}, {shared[0]} for "
                "instance; train on another data set or test on another"
            )


def _together(members: Sequence[Data]) -> Data:
    """Several data sets to train on at once."""
    first = members[0]
    for member in members:
        member.table("train")
        same_form(f"The images of {first.label} are", first.image_shape, member)
    label, name = TOGETHER.join(member.label for member in members), "+".join(member.name for member in members)
    return Data(label, name, {}, members=tuple(members))


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
) -> Plan:
    """Plan a training for evaluation at `ways` and `shots`.

    Args:
        algorithm: a spec, `maml:inner_steps=5,lr=1e-4`; keys are options and training settings.
        settings: training settings given as flags.

    Raises:
        UsageError: a name, key or value that cannot be.
        DataError: the data has no training classes, or too few of anything.
    """
    spec = specs.parse(algorithm)
    entry = registry().find("algorithms", spec.name)
    target = entry.load()
    options, training = specs.options_of(target), settings_options()
    typed = specs.resolve(spec.name, spec.options, options | training)
    flags = specs.resolve("the training", settings or {}, training)
    from_recipe = dict(recipes.settings(entry, recipe, data.name, ways, shots))
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
    return _canonical(given.name, resolved, known)


def _least(domains: Sequence[Classes]) -> tuple[int, int]:
    """The fewest classes of a domain, and the fewest images of a class."""
    return min(len(classes.counts) for classes in domains), min(int(classes.counts.min()) for classes in domains)


def _canonical(name: str, options: Mapping[str, Any], known: Mapping[str, specs.Option]) -> str:
    """The one spec of a thing: options in order, those at their default left out."""
    differing = {key: specs.as_text(value) for key, value in sorted(options.items()) if value != known[key].default}
    return str(specs.Spec(name, differing))


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
    values["train_ways"] = values["train_ways"] or ways
    values["train_shots"] = values["train_shots"] or shots
    if "train_ways" not in given:
        values["train_ways"] = min(values["train_ways"], max(_least(train)[0], ways))
    if "train_queries" not in given:
        left = _least(train)[1] - values["train_shots"]
        values["train_queries"] = min(values["train_queries"], max(left, 1))
    return TrainSettings(**values)

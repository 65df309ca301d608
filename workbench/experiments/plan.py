"""From what was typed to what will be trained: a `Plan`, complete and in plain values.

Precedence: the keys of the spec, then flags, then the recipe, then the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from workbench.errors import UsageError
from workbench.learning.settings import TrainSettings, settings_options
from workbench.plugin import recipes
from workbench.plugin.options import (
    Option,
    Spec,
    canonical_spec,
    convert_options,
    filled_parameters,
    option_text,
    options_of,
    parse_spec,
)
from workbench.plugin.registry import Registration, registry
from workbench.tasks.protocols.build import build_protocol
from workbench.tasks.protocols.names import TRAINING_PROTOCOLS
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import TaskProtocol
from workbench.tasks.splits import TrainingData, joined_label, smallest

NONE = "none"  # of a setting that names runs


@dataclass(frozen=True)
class Plan:
    """All that decides a trained learner, apart from code and data themselves."""

    algorithm: str
    options: dict[str, Any]  # all of the algorithm's, defaults too
    typed: dict[str, str]  # those that the user typed after the name, settings too
    backbone: str  # the spec without defaults; "" where the algorithm takes no backbone
    data: tuple[str, ...]  # the specs of the training data sets
    settings: TrainSettings
    ways: int | None  # of the learner itself, where it has a fixed number
    val_ways: int
    val_shots: int
    val_queries: int
    seed: int
    init: Plan | str = ""  # whose weights it starts from: what is trained first, or a run folder
    teachers: tuple[Plan | str, ...] = ()  # trained first, one for each training data set
    selects: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # values to choose among

    @property
    def label(self) -> str:
        """The algorithm as typed: "maml:first_order=true"."""
        return str(Spec(self.algorithm, self.typed))

    @property
    def data_label(self) -> str:
        """The training data for people: "aircraft + dtd"."""
        return joined_label(self.data)

    @property
    def episodic(self) -> bool:
        """Whether training draws tasks."""
        return self.settings.train_ways is not None

    @property
    def protocol(self) -> TaskProtocol | None:
        """How training tasks are drawn; None where training draws none."""
        settings = self.settings
        if settings.train_ways is None or settings.train_shots is None:
            return None
        return build_protocol(
            settings.train_protocol,
            settings.train_ways,
            settings.train_shots,
            settings.train_queries,
        )

    @property
    def val_protocol(self) -> TaskProtocol:
        """How validation tasks are drawn: as test tasks, unless training tasks vary in shape."""
        drawn = self.protocol
        if drawn is not None and drawn.ways is None:
            return drawn
        return WayShot(self.val_ways, self.val_shots, self.val_queries)


@dataclass(frozen=True)
class TrainingRequest:
    """What a user asks of a training, beside the algorithm and the data."""

    ways: int = 5  # of test tasks
    shots: int = 1  # of test tasks
    backbone: str | None = None  # None: the recipe's
    recipe: str = "quick"
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)  # training settings given as flags
    recipe_optional: bool = False  # the spec says all that matters, so no recipe is needed


class _Known:
    """An algorithm, and the options and settings that a spec of it may set."""

    def __init__(self, name: str):
        self.registration = registry().find("algorithms", name)
        self.target = self.registration.load()
        self.options = options_of(self.target)
        self.settings = settings_options()
        self.filled = filled_parameters(self.target)

    @property
    def all(self) -> dict[str, Option]:
        return {**self.options, **self.settings}


def make_plan(algorithm: str, data: TrainingData, request: TrainingRequest) -> Plan:
    """Plan a training for evaluation at the ways and shots of a request.

    Args:
        algorithm: a spec, `maml:inner_steps=5,lr=1e-4`; keys are options and training settings.

    Raises:
        UsageError: an unknown name, key or value.
        DataError: the data has no training classes, or too few of anything.
    """
    spec = parse_spec(algorithm)
    known = _Known(spec.name)
    typed = convert_options(spec.name, spec.options, known.all)
    flags = convert_options("", request.settings, known.settings)
    recipe, recipe_backbone = _recipe(known, data, request)
    chosen = {**recipe, **flags, **typed}
    settings = _fit(known, chosen, {**flags, **typed}, data, request)
    backbone = _backbone(known, request.backbone, recipe_backbone)
    before = replace(request, backbone=backbone or None)
    val_ways, val_shots, val_queries = _validation_shape(known, data, request)
    plan = Plan(
        algorithm=spec.name,
        options=_all_options(known, chosen),
        typed={key: option_text(typed[key]) for key in sorted(typed)},
        backbone=backbone,
        data=data.labels,
        settings=settings,
        ways=request.ways if "ways" in known.filled else None,
        val_ways=val_ways,
        val_shots=val_shots,
        val_queries=val_queries,
        seed=request.seed,
        init=_init(settings.init, data, before),
        teachers=_teachers(settings.teachers, data, before),
        selects=_selects(known, chosen),
    )
    _check_training_tasks(plan, data)
    return plan


def _recipe(
    known: _Known, data: TrainingData, request: TrainingRequest
) -> tuple[dict[str, Any], str | None]:
    """Return what the recipe sets, and its backbone."""
    given = dict(
        recipes.recipe_settings(
            known.registration,
            request.recipe,
            data.name,
            request.ways,
            request.shots,
            optional=request.recipe_optional,
        )
    )
    backbone = given.pop("backbone", None)
    owner = f"the {request.recipe} recipe of {known.registration.name}"
    return convert_options(owner, given, known.all), backbone


def _all_options(known: _Known, chosen: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for name, option in known.options.items():
        values[name] = chosen.get(name, option.default)
    return values


def _selects(known: _Known, chosen: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Return the options that are still to be chosen at test, and their values."""
    selects = {}
    for name, values in known.target.selects.items():
        if name not in chosen:
            selects[name] = tuple(values)
    return selects


def _validation_shape(
    known: _Known, data: TrainingData, request: TrainingRequest
) -> tuple[int, int, int]:
    if known.target.episodic:
        return data.validation_shape(request.ways, request.shots)
    return data.validation_shape(5, 5)  # one training serves all ways and shots


def _check_training_tasks(plan: Plan, data: TrainingData) -> None:
    protocol = plan.protocol
    if protocol is None:
        return
    for domain in data.domains("train"):
        protocol.check(domain.classes, f"the training classes of {domain.name}")


# --- what is trained first


def _first(algorithm: str, data: TrainingData, request: TrainingRequest) -> Plan | str:
    """Plan what is trained first, with the same flags; or return the run folder that is named."""
    spec = parse_spec(algorithm)
    if not registry().knows("algorithms", spec.name):
        return algorithm
    settings = dict(request.settings)
    settings.pop("init", None)
    settings.pop("teachers", None)
    passed = replace(request, settings=settings, recipe_optional=bool(spec.options))
    return make_plan(algorithm, data, passed)


def _init(text: str, data: TrainingData, request: TrainingRequest) -> Plan | str:
    if text == NONE:
        return ""
    return _first(text, data, request)


def _teachers(text: str, data: TrainingData, request: TrainingRequest) -> tuple[Plan | str, ...]:
    """Return a teacher for each data set: one algorithm trained on each, or a run folder each."""
    if text == NONE:
        return ()
    given = text.split("+")
    count = len(data.members)
    if len(given) == 1 and registry().knows("algorithms", parse_spec(text).name):
        given = given * count
    if len(given) != count:
        raise UsageError(
            f"teachers={text} names {len(given)} runs for {count} training data sets, "
            f"{data.label}; name one for each, joined by +, or one algorithm"
        )
    teachers = []
    for name, member in zip(given, data.members, strict=True):
        teachers.append(_first(name, TrainingData((member,)), request))
    return tuple(teachers)


# --- the backbone


def _backbone(known: _Known, typed: str | None, recipe: str | None) -> str:
    """Return the canonical spec: what the recipe says for a backbone, and over that the user."""
    if "backbone" not in known.filled:
        return ""
    wanted = typed or recipe
    if wanted is None:
        raise UsageError(
            f"{known.registration.name} has no recipe that names a backbone; "
            "add --backbone NAME, see: mlw list backbones"
        )
    given = parse_spec(wanted)
    options = dict(given.options)
    if recipe is not None and parse_spec(recipe).name == given.name:
        options = {**parse_spec(recipe).options, **options}
    options_known = options_of(registry().find("backbones", given.name).load())
    resolved = convert_options(given.name, options, options_known)
    return canonical_spec(given.name, resolved, options_known)


# --- training tasks that the data can give


def _fit(
    known: _Known,
    chosen: Mapping[str, Any],
    given: Mapping[str, Any],
    data: TrainingData,
    request: TrainingRequest,
) -> TrainSettings:
    """Resolve "as at test", and fit what a recipe asks for to data that are too small for it.

    Args:
        chosen: options and settings, those of the recipe too.
        given: those that the user gave; they are not changed.
    """
    training = {key: value for key, value in chosen.items() if key in known.settings}
    settings = TrainSettings(**training)
    if not known.target.episodic:
        return replace(settings, train_ways=None, train_shots=None)
    varies = _check_protocol(known.registration, settings, known.filled)
    indices = [domain.classes for domain in data.domains("train")]
    fewest_classes, fewest_images = smallest(indices)
    stack = settings.stack
    if varies or len(indices) > 1:
        stack = 1  # few tasks have the same shape or come from the same data set
    ways = _training_ways(known, settings, given, request.ways, fewest_classes)
    shots, queries = _training_images(settings, given, request.shots, fewest_images)
    return replace(settings, stack=stack, train_ways=ways, train_shots=shots, train_queries=queries)


def _check_protocol(
    registration: Registration, settings: TrainSettings, filled: tuple[str, ...]
) -> bool:
    """Refuse a protocol that cannot train this algorithm; return whether its tasks vary."""
    name = settings.train_protocol
    varies = build_protocol(name, 5, 1, 1).ways is None
    if parse_spec(name).name not in TRAINING_PROTOCOLS:
        raise UsageError(
            f"train_protocol={name} is for tests only; train with {', '.join(TRAINING_PROTOCOLS)}"
        )
    if varies and "ways" in filled:
        raise UsageError(
            f"{registration.name} has a fixed number of ways, and {name} draws tasks of any number"
        )
    return varies


def _training_ways(
    known: _Known,
    settings: TrainSettings,
    given: Mapping[str, Any],
    test_ways: int,
    fewest_classes: int,
) -> int:
    if "ways" in known.filled:
        if given.get("train_ways") not in (None, test_ways):
            raise UsageError(
                f"{known.registration.name} has a fixed number of ways: it cannot train at "
                f"{given['train_ways']} ways for {test_ways} at test"
            )
        wanted = test_ways
    else:
        wanted = settings.train_ways or test_ways
    if "train_ways" in given:
        return wanted
    return min(wanted, max(fewest_classes, test_ways))


def _training_images(
    settings: TrainSettings, given: Mapping[str, Any], test_shots: int, fewest_images: int
) -> tuple[int, int]:
    """Return shots and queries of training tasks."""
    shots = settings.train_shots
    queries = settings.train_queries
    fixed = "train_queries" in given
    if shots is None:  # as at test; if classes are too small for that, half of them are queries
        kept = queries if fixed else min(queries, fewest_images // 2)
        shots = min(test_shots, max(fewest_images - kept, 1))
    if not fixed:
        queries = min(queries, max(fewest_images - shots, 1))
    return shots, queries

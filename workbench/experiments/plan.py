"""From what was typed to what will be trained: a `Plan`, complete and in plain values.

Precedence: the keys of the spec, then flags, then the recipe, then the defaults.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from workbench.errors import DataError, UnknownName, UsageError
from workbench.experiments.algorithm import KnownAlgorithm
from workbench.experiments.training_tasks import fit_settings
from workbench.learning.settings import TrainSettings
from workbench.plugin import recipes
from workbench.plugin.options import (
    Spec,
    canonical_spec,
    convert_options,
    option_text,
    options_of,
    parse_spec,
)
from workbench.plugin.registry import Registration, registry
from workbench.tasks.protocols.build import build_protocol
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import TaskProtocol, TaskShape
from workbench.tasks.splits import TrainingData, joined_label

NONE = "none"  # of a setting that names runs


# flags of the tasks of a test; those of training tasks begin with --train-
TEST_FLAG = re.compile(r"--(ways|shots|queries)\b")


@dataclass(frozen=True)
class Plan:
    """All that decides a trained learner, apart from code and data themselves."""

    algorithm: str
    options: dict[str, Any]  # all of the algorithm's, defaults too
    typed: dict[str, str]  # those that the user typed after the name, settings too
    backbone: str  # the spec without defaults; "" where the algorithm has no backbone
    data: tuple[str, ...]  # the specs of the training data sets
    settings: TrainSettings
    ways: int | None  # of the learner itself, where it has a fixed number
    validation: TaskShape  # of validation tasks
    seed: int
    init: Plan | str = ""  # whose weights it starts from: what is trained first, or a run folder
    teachers: tuple[Plan | str, ...] = ()  # trained first, one for each training data set
    selects: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # values to choose among
    # where the settings come from decides nothing: two plans that differ only in this are equal
    recipe: str = field(default="", compare=False)
    recipe_steps: int | None = field(default=None, compare=False)  # what recipe or default says

    @property
    def label(self) -> str:
        """The algorithm as typed: "maml:first_order=true"."""
        return str(Spec(self.algorithm, self.typed))

    def decisive(self) -> dict[str, Any]:
        """Return what decides the learner, in plain values, without where it comes from."""
        values: dict[str, Any] = {}
        for each in fields(self):
            if each.compare:
                values[each.name] = getattr(self, each.name)
        values["settings"] = asdict(self.settings)
        values["init"] = _decisive(self.init)
        values["teachers"] = [_decisive(teacher) for teacher in self.teachers]
        return values

    def without_seed(self) -> Plan:
        """Return the plan that trainings with other seeds share. Starts that are named stay."""
        teachers = tuple(_without_seed(teacher) for teacher in self.teachers)
        return replace(self, seed=0, init=_without_seed(self.init), teachers=teachers)

    @property
    def data_label(self) -> str:
        """The training data for people: "aircraft + dtd"."""
        return joined_label(self.data)

    @property
    def episodic(self) -> bool:
        """Whether training draws tasks."""
        return self.settings.train_ways is not None

    @cached_property
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

    @cached_property
    def val_protocol(self) -> TaskProtocol:
        """How validation tasks are drawn: as test tasks, unless training tasks vary in shape."""
        drawn = self.protocol
        if drawn is not None and drawn.ways is None:
            return drawn
        return WayShot(*self.validation)


def _decisive(first: Plan | str) -> dict[str, Any] | str:
    if isinstance(first, Plan):
        return first.decisive()
    return first


def _without_seed(first: Plan | str) -> Plan | str:
    if isinstance(first, Plan):
        return first.without_seed()
    return first


@dataclass(frozen=True)
class TrainingRequest:
    """What a user asks of a training, besides the algorithm and the data."""

    ways: int = 5  # of test tasks
    shots: int = 1  # of test tasks
    backbone: str | None = None  # None: the recipe's
    recipe: str = "quick"
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)  # training settings given as flags
    recipe_optional: bool = False  # the spec says all that matters, so no recipe is needed


def make_plan(algorithm: str, data: TrainingData, request: TrainingRequest) -> Plan:
    """Plan a training for evaluation at the ways and shots of a request.

    Args:
        algorithm: a spec, `maml:inner_steps=5,lr=1e-4`; keys are options and training settings.

    Raises:
        UsageError: an unknown name, key or value.
        DataError: the data has no training classes, or too few of anything.
    """
    spec = parse_spec(algorithm)
    known, typed, flags = _given(spec, request)
    known.check_recipes()  # before hours of training, not where a table looks for a number
    recipe, recipe_backbone = _recipe(known, data, request)
    chosen = {**recipe, **flags, **typed}
    settings = fit_settings(known, chosen, {**flags, **typed}, data, request.ways, request.shots)
    _check_precision(known, settings.precision)
    backbone = _backbone(known, request.backbone, recipe_backbone)
    before = replace(request, backbone=backbone or None)
    plan = Plan(
        algorithm=spec.name,
        options=_all_options(known, chosen),
        typed={key: option_text(typed[key]) for key in sorted(typed)},
        backbone=backbone,
        data=data.labels,
        settings=settings,
        ways=request.ways if "ways" in known.filled else None,
        validation=_validation_shape(known, data, request),
        seed=request.seed,
        init=_init(settings.init, data, before),
        teachers=_teachers(settings.teachers, data, before),
        selects=_selects(known, chosen),
        recipe=request.recipe,
        recipe_steps=_recipe_steps(known, recipe),
    )
    _check_training_tasks(plan, data)
    return plan


def check_request(algorithm: str, request: TrainingRequest) -> None:
    """Refuse what no data set could make right, before one is opened.

    Raises:
        UsageError: an unknown name, key or value.
    """
    known, _, _ = _given(parse_spec(algorithm), request)
    recipes.check_recipe_name(request.recipe)
    if request.backbone is not None:
        _backbone(known, request.backbone, None)


def _given(
    spec: Spec, request: TrainingRequest
) -> tuple[KnownAlgorithm, dict[str, Any], dict[str, Any]]:
    """Return the algorithm, and what is set after its name and by flags."""
    known = KnownAlgorithm(spec.name)
    typed = convert_options(spec.name, spec.options, known.all)
    flags = convert_options("", request.settings, known.settings)
    return known, typed, flags


def _recipe(
    known: KnownAlgorithm, data: TrainingData, request: TrainingRequest
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


def _recipe_steps(known: KnownAlgorithm, recipe: Mapping[str, Any]) -> int | None:
    """Return for how many steps the recipe trains; None for a method without recipes."""
    if not known.has_recipes:
        return None
    steps: int = recipe.get("steps", known.settings["steps"].default)
    return steps


def _check_precision(known: KnownAlgorithm, precision: str) -> None:
    """Refuse a precision in which the algorithm is wrong."""
    supported = known.target.precisions
    if precision not in supported:
        raise UsageError(
            f"{known.registration.name} does not compute in {precision}, which is too coarse for "
            f"it; use --precision {supported[0]}"
        )


def _all_options(known: KnownAlgorithm, chosen: Mapping[str, Any]) -> dict[str, Any]:
    values = {}
    for name, option in known.options.items():
        values[name] = chosen.get(name, option.default)
    return values


def _selects(known: KnownAlgorithm, chosen: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """Return the options that are still to be chosen at test, and their values."""
    selects = {}
    for name, values in known.target.selects.items():
        if name not in chosen:
            selects[name] = tuple(values)
    return selects


def _validation_shape(
    known: KnownAlgorithm, data: TrainingData, request: TrainingRequest
) -> TaskShape:
    if known.target.episodic:
        return data.validation_shape(request.ways, request.shots)
    return data.validation_shape(5, 5)  # one training serves all ways and shots


def _check_training_tasks(plan: Plan, data: TrainingData) -> None:
    protocol = plan.protocol
    if protocol is None:
        return
    for domain in data.domains("train"):
        try:
            protocol.check(domain.classes, f"the training classes of {domain.name}")
        except DataError as error:  # its hint is for the tasks of a test
            raise DataError(TEST_FLAG.sub(r"--train-\1", str(error))) from error


# --- what is trained first


def _plan_earlier(algorithm: str, data: TrainingData, request: TrainingRequest) -> Plan | str:
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
    return _plan_earlier(text, data, request)


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
        teachers.append(_plan_earlier(name, TrainingData((member,)), request))
    return tuple(teachers)


# --- the backbone


def _backbone(known: KnownAlgorithm, typed: str | None, recipe: str | None) -> str:
    """Return the canonical spec: what the recipe says for a backbone, and over that the user.

    A method whose recipe says `none` has no backbone, whatever the others of a comparison have.
    """
    if "backbone" not in known.filled or recipe == NONE:
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
    options_known = options_of(_find_backbone(given.name).load())
    resolved = convert_options(given.name, options, options_known)
    return canonical_spec(given.name, resolved, options_known)


def _find_backbone(name: str) -> Registration:
    """Return the registration of a backbone.

    Raises:
        UnknownName: there is none; the message says which backbones take a name as their option.
    """
    try:
        return registry().find("backbones", name)
    except UnknownName as error:
        known = registry().entries("backbones")
        takes_a_name = [each for each in known if "name" in options_of(known[each].load())]
        if not takes_a_name:
            raise
        hints = " or ".join(f"{each}:name={name}" for each in takes_a_name)
        hint = f"For a network that another backbone wraps, write {hints}."
        raise UnknownName("backbone", name, known, hint) from error

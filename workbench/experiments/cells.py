"""What a comparison consists of: its cells, planned and checked before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from workbench.data.opening import (
    OpenDataset,
    open_dataset,
    open_datasets,
    tell_grave_notes,
)
from workbench.errors import DataError, UnknownName, UsageError
from workbench.experiments.evaluate_run import refuse_changes_before
from workbench.experiments.lineage import learned_from
from workbench.experiments.plan import Plan, TrainingRequest, check_request, make_plan
from workbench.plugin.options import Spec, parse_spec
from workbench.plugin.registry import DEFAULT_DATASET
from workbench.progress import Report
from workbench.tasks.leaks import refuse_leak
from workbench.tasks.settings import EvaluationSettings, EvaluationTasks, evaluation_tasks
from workbench.tasks.splits import (
    TrainingData,
    require_same_shape,
    require_training_classes,
    training_data,
)


@dataclass(frozen=True)
class Comparison:
    """What is compared: algorithms x backbones x data sets x ways x shots x training seeds."""

    algorithms: tuple[str, ...]  # specs
    on: tuple[str, ...] = (DEFAULT_DATASET,)  # test data sets, specs
    train_on: tuple[str, ...] = ()  # trained on at once; empty: each of `on` its own
    leave_one_out: bool = False  # train for each of `on` on all the others
    evaluations: tuple[EvaluationSettings, ...] = (EvaluationSettings(),)  # ways x shots
    backbones: tuple[str | None, ...] = (None,)  # None: the recipe's
    recipe: str = "quick"
    seeds: int = 1  # trainings of each cell
    settings: Mapping[str, Any] = field(default_factory=dict)  # of training, for all algorithms
    baselines: tuple[str, ...] = ()  # algorithms or labels; empty: see `results.baselines`


class Cell(NamedTuple):
    """One cell of a comparison: what is trained, on what, and on what it is evaluated."""

    plan: Plan
    train: TrainingData
    tasks: EvaluationTasks


class _Place(NamedTuple):
    """A test data set, and what is trained on for it."""

    test: OpenDataset
    train: TrainingData


class _Tested(NamedTuple):
    """Test tasks, and what is trained on for them."""

    tasks: EvaluationTasks
    train: TrainingData


def plan_cells(
    comparison: Comparison,
    out: Path,
    note: Callable[[str], None],
    report: Report | None = None,
) -> list[Cell]:
    """Plan and check all cells; `report` shows how data sets are prepared.

    Raises:
        UsageError, DataError: a cell cannot be trained or evaluated. Only ways and shots for which
            one of several data sets is too small are left out, with a note.
    """
    for algorithm, backbone in product(comparison.algorithms, comparison.backbones):
        settings = comparison.settings
        request = TrainingRequest(backbone=backbone, recipe=comparison.recipe, settings=settings)
        check_request(algorithm, request)
    tested = _tested(_places(comparison, note, report), comparison.evaluations, note)
    cells = _each_once(_cells(comparison, tested, out, note))
    _check_baselines(comparison.baselines, cells)
    return cells


def _cells(
    comparison: Comparison,
    tested: Sequence[_Tested],
    out: Path,
    note: Callable[[str], None],
) -> Iterator[Cell]:
    axes = (tested, comparison.algorithms, comparison.backbones, range(comparison.seeds))
    for (tasks, train), algorithm, backbone, seed in product(*axes):
        request = TrainingRequest(
            ways=tasks.shape.ways,
            shots=tasks.shape.shots,
            backbone=backbone,
            recipe=comparison.recipe,
            seed=seed,
            settings=comparison.settings,
        )
        plan = make_plan(algorithm, train, request)
        whose = f"The images of {train.label} are"
        require_same_shape(whose, train.image_shape, tasks.dataset, train.labels)
        split = tasks.settings.split
        refuse_leak(train, tasks.dataset, learned_from(plan, out), note, split=split)
        refuse_changes_before(plan, out, tasks.dataset)
        tell_grave_notes([*train.members, tasks.dataset], note)
        yield Cell(plan, train, tasks)


def _each_once(cells: Iterable[Cell]) -> list[Cell]:
    """Leave out cells that differ from an earlier one only in how they were typed."""
    found: list[Cell] = []
    for cell in cells:
        same = [each for each in found if each.tasks is cell.tasks and each.plan == cell.plan]
        if not same:
            found.append(cell)
    return found


def _check_baselines(baselines: Sequence[str], cells: Sequence[Cell]) -> None:
    known = {cell.plan.algorithm for cell in cells} | {cell.plan.label for cell in cells}
    for name in baselines:
        if name not in known:
            raise UnknownName("method", name, known)


# --- where methods are trained and tested


def _places(
    comparison: Comparison, note: Callable[[str], None], report: Report | None
) -> list[_Place]:
    """Open all data sets, each once."""
    if comparison.leave_one_out:
        return _left_out(comparison, note, report)
    opened = open_datasets([*comparison.on, *comparison.train_on], report)
    tested = list(dict.fromkeys(opened[: len(comparison.on)]))
    trained = opened[len(comparison.on) :]
    if trained:
        together = training_data(trained)
        return [_Place(dataset, together) for dataset in tested]
    for dataset in tested:
        require_training_classes(dataset, comparison.algorithms)
    return [_Place(dataset, training_data([dataset])) for dataset in tested]


def _left_out(
    comparison: Comparison, note: Callable[[str], None], report: Report | None
) -> list[_Place]:
    """Pair each data set with all the others that have training classes."""
    if comparison.train_on:
        raise UsageError("--leave-one-out trains on the other data sets of --on; omit --train-on")
    opened = list(dict.fromkeys(open_datasets(comparison.on, report)))
    if len(opened) < 2:
        raise UsageError(
            "--leave-one-out needs several data sets, "
            "for instance: --on omniglot glyphs --leave-one-out"
        )
    only_tested = [dataset.label for dataset in opened if "train" not in dataset.tables]
    if only_tested:
        note(f"only tested on, without training classes: {', '.join(only_tested)}")
    places = []
    for dataset in opened:
        others = [other for other in opened if other is not dataset and "train" in other.tables]
        if not others:
            raise UsageError(
                f"Nothing is left to train on when {dataset.label} is left out: no other data set "
                "of --on has training classes; add one, see: mlw list datasets"
            )
        places.append(_Place(_tested_as(dataset), training_data(others)))
    return places


def _tested_as(dataset: OpenDataset) -> OpenDataset:
    """Return a data set of which all classes train, `eurosat:split=train`, without that option."""
    if "test" in dataset.tables:
        return dataset
    spec = parse_spec(dataset.label)
    options = {key: value for key, value in spec.options.items() if key != "split"}
    return open_dataset(str(Spec(spec.name, options)))


def _tested(
    places: Sequence[_Place],
    evaluations: Sequence[EvaluationSettings],
    note: Callable[[str], None],
) -> list[_Tested]:
    """Return the test tasks of all places.

    A data set may be too small for some ways and shots: Omniglot's classes of 20 images are too
    small for 20 shots. These are left out with a note, and the rest is evaluated.

    Raises:
        DataError: nothing would be left of a data set, or of some ways and shots.
    """
    found = []
    refused = []
    for place, settings in product(places, evaluations):
        try:
            tasks = evaluation_tasks(place.test, settings)
        except DataError as error:
            refused.append((place, settings, error))
        else:
            found.append((place, settings, tasks))
    places_left = [place for place, _, _ in found]
    settings_left = [settings for _, settings, _ in found]
    for place, settings, reason in refused:
        if place not in places_left or settings not in settings_left:
            raise reason
        note(f"left out: {reason}")
    return [_Tested(tasks, place.train) for place, _, tasks in found]

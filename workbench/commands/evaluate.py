"""`mlw eval` as a function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from workbench.commands.arguments import checked, evaluations, refuse_unused, workspace
from workbench.commands.keywords import Data, EvaluateKeywords, Names
from workbench.data.opening import open_datasets
from workbench.errors import RunError, UnknownName
from workbench.experiments.evaluate_run import evaluate_run
from workbench.experiments.own_code import require_code
from workbench.experiments.run import find_runs, readable_runs
from workbench.experiments.trace_run import trace_run
from workbench.plugin.options import LARGEST
from workbench.plugin.registry import DEFAULT_PROTOCOL
from workbench.progress import once, say_nothing
from workbench.tasks.protocols.build import numbers_of
from workbench.tasks.settings import evaluation_tasks
from workbench.tasks.splits import open_training_data

if TYPE_CHECKING:
    import pandas as pd

    from workbench.data.opening import OpenDataset
    from workbench.experiments.run import Run
    from workbench.experiments.workspace import Workspace
    from workbench.tasks.splits import TrainingData

KNOWN = ("runs", "on", "trace", *EvaluateKeywords.__annotations__)


def evaluate(
    runs: Names,
    *,
    on: Data | None = None,
    trace: int | None = None,
    **settings: Unpack[EvaluateKeywords],
) -> pd.DataFrame:
    """Evaluate trained runs on the same test tasks; return one row per test task.

    >>> frame = mlw.evaluate("runs", on="omniglot", shots=[1, 5])

    What was evaluated before is read. `workbench.results.frame` says what the columns mean.

    Args:
        runs: run folders, folders of them, or what `train` returned; one or several.
        on: data sets, as in `compare`. If omitted, those that a run was trained on.
        trace: of how many tasks to keep loss and accuracy after each step of adapting, on support
            and query; `workbench.experiments.traced.traces` reads them, `report` draws them.
        settings: by name,

            - of the test tasks: `ways` and `shots`, one or several, if omitted those that a run was
              trained for, or as many as its validation classes allow; `queries` per class,
              `protocol` (a spec), `episodes`, `task_seed`, `split` ("train", "val" or "test"
              classes) and `calibrate` ("none" or "temperature").
            - `code`: classes, or files with classes, that runs of own code were made of.
            - `device`, `fresh` (recompute), `report` and `note` (told about progress), `track`
              (trackers, specs, told of what is computed).

    Raises:
        RunError: there are no runs, or none can be evaluated. If some can, a note names the others,
            and the copies of runs.
        UsageError, DataError: a run cannot be evaluated on such tasks.
    """
    import pandas as pd

    given = checked({"runs": runs, "on": on, "trace": trace, **settings}, KNOWN, needed="runs")
    refuse_unused(given, ("ways", "shots", "queries"))
    tell = once(given.get("note", say_nothing))
    given["note"] = tell
    place = workspace(given)
    found = readable_runs(find_runs(given["runs"]), tell)
    datasets = list(dict.fromkeys(open_datasets(given.get("on", ()), given.get("report"))))
    finished = [run for run in found if run.finished]
    if len(finished) < len(found) and finished:
        for run in found:
            if run not in finished:
                tell(f"left out: {run.folder} {run.unfinished}")
        found = finished
    frames = []
    broken: list[tuple[Run, RunError | UnknownName]] = []
    evaluated: list[Run] = []
    for run in found:
        same = [other for other in evaluated if other.manifest == run.manifest]
        if same:
            tell(f"left out: {run.folder}, because {same[0].folder} is a copy of it")
            continue
        try:
            frames += _evaluate(run, datasets, given, place)
            evaluated.append(run)
        except (RunError, UnknownName) as error:  # a plugin may have gone since
            broken.append((run, error))
    if broken and not frames:
        raise broken[0][1]
    for run, reason in broken:
        which = "" if isinstance(reason, RunError) else f"{run.folder}, because "
        tell(f"left out: {which}{reason}")
    return pd.concat(frames, ignore_index=True)


def _evaluate(
    run: Run, datasets: Sequence[OpenDataset], given: Mapping[str, Any], place: Workspace
) -> list[pd.DataFrame]:
    """Evaluate one run, on the given data sets or on its own."""
    require_code(run)
    plan = run.plan
    trained_on = open_training_data(plan.data)
    _tell_limits(run, trained_on, given)
    frames = []
    for dataset in datasets or trained_on.members:
        for settings in evaluations(given, plan.ways, plan.validation.shots):
            drawn = evaluation_tasks(dataset, settings, usual_ways=plan.validation.ways)
            frames.append(evaluate_run(run, drawn, place, trained_on=trained_on))
            if "trace" in given:
                few = replace(drawn, settings=replace(settings, episodes=given["trace"]))
                trace_run(run, few, place, trained_on=trained_on)
    return frames


def _tell_limits(run: Run, trained_on: TrainingData, given: Mapping[str, Any]) -> None:
    """Say where ways or shots that are omitted may be fewer than the run was meant for.

    A run is evaluated as it was validated, and its validation classes may give no more.
    """
    plan = run.plan
    taken = numbers_of(given.get("protocol", DEFAULT_PROTOCOL))
    most = trained_on.validation_shape(LARGEST, LARGEST)
    for name, used, limit in (
        ("ways", plan.ways or plan.validation.ways, most.ways),
        ("shots", plan.validation.shots, most.shots),
    ):
        if used == limit and name in taken and name not in given:
            given["note"](
                f"{run.folder.name}: evaluated at {used} {name}, as many as the validation classes "
                f"of {plan.data_label} allow; for others: --{name}"
            )

"""Evaluate a run: one row per test task, kept beside the run.

That is done once: what was evaluated before is read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.data.download.manifest import overlap
from workbench.data.opening import OpenDataset, tell_grave_notes
from workbench.errors import DataError, RunError, UsageError
from workbench.experiments.effort import effort_columns
from workbench.experiments.evaluation_file import WRITTEN, read_evaluation, run_columns
from workbench.experiments.fingerprint import RESULTS_VERSION, digest, source_checksums
from workbench.experiments.lineage import learned_from, named_runs
from workbench.experiments.plan import Plan
from workbench.experiments.run import EVALUATIONS, Run
from workbench.experiments.run_files import WEIGHTS
from workbench.experiments.selection import select_options
from workbench.experiments.temperature import choose_temperature
from workbench.experiments.tracked import tracked_evaluation, tracked_run
from workbench.experiments.trained import TrainedMethod
from workbench.experiments.workspace import COPY_IT, Workspace, writable
from workbench.learning.device import keep_freed_memory
from workbench.learning.learner import Learner
from workbench.plugin.options import parse_spec
from workbench.results.frame import RECORDED, SCHEMA, typed, write_tasks
from workbench.results.published import with_published
from workbench.storage import write_toml
from workbench.tasks.leaks import refuse_leak
from workbench.tasks.settings import EvaluationTasks
from workbench.tasks.source import Source
from workbench.tasks.splits import (
    TrainingData,
    domain,
    open_training_data,
    parts_of,
    require_same_shape,
)


def evaluate_run(
    run: Run,
    tasks: EvaluationTasks,
    workspace: Workspace,
    *,
    trained_on: TrainingData | None = None,
) -> pd.DataFrame:
    """Evaluate a run on test tasks; one row per task.

    Where the protocol asks several times within a task, there is one row per `instance`.

    Args:
        trained_on: the run's training data, if they are open already.

    Raises:
        UsageError: the learner has another number of ways, was trained on images of another
            shape, or has learned from the classes or images that are asked for.
        RunError: the images that it was trained on have changed since.
    """
    trained_on = checked_data(run, tasks, workspace, trained_on)
    sources = source_checksums(run.plan)  # old weights with changed code are another answer
    covered = {**question(run, tasks, sources), "schema": SCHEMA}
    path = evaluation_path(run, tasks, covered)
    if path.is_file() and not workspace.fresh:
        try:
            cached = read_evaluation(path, run.manifest)
        except DataError as error:
            workspace.note(f"evaluated again, because {error}".partition(";")[0])
            cached = None
        if cached is not None:
            cached["run"] = run.folder.name  # it may have been renamed since
            workspace.tracking.leave_old_work(run.folder)
            return with_published(cached)
    trained = trained_method(run, tasks, trained_on, workspace)
    frame = _evaluate(trained, tasks, sources)
    with writable(path.parent, COPY_IT):
        write_toml(path.with_suffix(".toml"), {**covered, WRITTEN: time.time_ns()})
        write_tasks(frame, path)
    if workspace.tracking:
        steps = run.manifest.result.steps if run.manifest.result else 0
        with workspace.tracking.following(tracked_run(run.folder, run.manifest, steps)) as followed:
            followed.evaluated(tracked_evaluation(frame))
    return with_published(frame)


def checked_data(
    run: Run, tasks: EvaluationTasks, workspace: Workspace, trained_on: TrainingData | None
) -> TrainingData:
    """Return the training data of a run that may be asked for test tasks.

    Args:
        trained_on: the training data, if they are open already.

    Raises:
        UsageError, RunError: as `evaluate_run`.
    """
    _check_ways(run, tasks)
    if trained_on is None:
        trained_on = open_training_data(run.plan.data)
    dataset = tasks.dataset
    refuse_changed_data(run, trained_on)
    try:
        earlier = learned_from(run.plan, run.folder.parent)
    except RunError as error:
        raise RunError(
            f"{run.folder.name} cannot be evaluated, because what it learned from is unknown: "
            f"{error}"
        ) from error
    refuse_changes_before(run.plan, run.folder.parent, dataset)
    refuse_leak(trained_on, dataset, earlier, workspace.note, split=tasks.settings.split)
    tell_grave_notes([*trained_on.members, dataset], workspace.note)
    whose = f"{run.folder.name} was trained on images of"
    require_same_shape(whose, run.manifest.image_shape, dataset)
    return trained_on


def trained_method(
    run: Run, tasks: EvaluationTasks, trained_on: TrainingData, workspace: Workspace
) -> TrainedMethod:
    """Return the method that a run trained, ready for test tasks."""
    seen = tasks.dataset.name in [member.name for member in trained_on.members]
    return TrainedMethod(run, trained_on, seen, workspace.torch_device, workspace.report)


def source_of(trained: TrainedMethod, tasks: EvaluationTasks) -> Source:
    """Return the source of the test tasks."""
    return Source(
        [domain(tasks.dataset, tasks.settings.split)],
        tasks.protocol,
        seed=tasks.settings.task_seed,
        device=trained.device,
    )


def refuse_changed_data(run: Run, data: TrainingData) -> None:
    """Refuse a run whose training data have other images under the same name today.

    The classes that it was trained on are then unknown, and may be test classes today.
    """
    then, now = run.manifest.fingerprint, data.fingerprint
    if then == now:
        return
    sets = " ".join(run.plan.data)
    raise RunError(
        f"{run.folder.name} was trained on other images than {data.label} has today (fingerprint "
        f"{then[:8] or 'unknown'} then, {now[:8]} now), so nobody knows which of today's classes "
        f"it has seen; train again: mlw train {run.label} --on {sets}; or bring the earlier images "
        "back: mlw download NAME --from FOLDER"
    )


def refuse_changes_before(plan: Plan, out: Path, test: OpenDataset) -> None:
    """Refuse runs that a plan builds on by name, if the test data changed since they learned."""
    for run in named_runs(plan, out):
        names = [parse_spec(label).name for label in run.plan.data]
        if test.name in names:
            refuse_changed_data(run, open_training_data(run.plan.data))


def _check_ways(run: Run, tasks: EvaluationTasks) -> None:
    fixed = run.plan.ways
    if fixed is None or fixed == tasks.ways:
        return
    if tasks.ways is None:
        raise UsageError(
            f"{run.folder.name} was trained for {fixed} ways and cannot be evaluated on tasks of "
            f"any number of ways; run: mlw eval {run.folder} --ways {fixed}"
        )
    raise UsageError(
        f"{run.folder.name} was trained for {fixed} ways and cannot be evaluated on "
        f"{tasks.ways}-way tasks; "
        f"run: mlw train {run.label} --on {' '.join(run.plan.data)} --ways {tasks.ways}"
    )


def question(run: Run, tasks: EvaluationTasks, sources: Mapping[str, str]) -> dict[str, Any]:
    """Return what decides the rows, in plain values: which tasks are met, by what.

    Training seeds have the same tasks, so the weights tell their answers apart.
    """
    settings = tasks.settings
    return {
        "data": tasks.dataset.label,
        "fingerprint": tasks.dataset.fingerprint,
        "split": settings.split,
        "protocol": settings.protocol,
        "ways": tasks.ways,
        "shots": tasks.shots,
        "queries": tasks.queries,
        "episodes": settings.episodes,
        "calibrate": settings.calibrate,
        "seed": settings.task_seed,
        "results": RESULTS_VERSION,
        "sources": dict(sources),
        "weights": run.manifest.checksums.get(WEIGHTS),
    }


def evaluation_path(run: Run, tasks: EvaluationTasks, covered: Mapping[str, Any]) -> Path:
    drawn = parse_spec(tasks.settings.protocol).name
    if tasks.ways is not None:
        drawn = f"{tasks.ways}w{tasks.shots}s"
    parts = [
        tasks.dataset.name.replace("/", "-"),
        tasks.settings.split,
        drawn,
        str(tasks.settings.episodes),
        digest(covered),
    ]
    return run.folder / EVALUATIONS / ("-".join(parts) + ".parquet")


def _evaluate(
    trained: TrainedMethod, tasks: EvaluationTasks, sources: Mapping[str, str]
) -> pd.DataFrame:
    selection = select_options(trained, tasks, sources)
    keep_freed_memory()
    source = source_of(trained, tasks)
    learner = trained.learner(selection.options)
    temperature = choose_temperature(trained, learner, tasks)
    result = trained.evaluate(
        learner,
        source,
        tasks.settings.episodes,
        temperature=temperature.value,
        warm_up=True,
    )
    measured = pd.DataFrame(
        {
            "task": result.task,
            "instance": result.instance,
            "task_ways": result.ways,
            "support": result.support,
            "broken": result.broken,
            "accuracy": result.accuracy,
            "loss": result.loss,
            "brier": result.brier,
            "adapt_seconds": result.adapt_seconds,
            "calibrated_loss": result.calibrated_loss,
            "calibrated_brier": result.calibrated_brier,
            "hits": result.hits,
            "confidences": result.confidences,
            "calibrated_confidences": result.calibrated_confidences,
        }
    )
    shared = {
        **run_columns(trained.run.manifest),
        **task_columns(tasks),
        **code_columns(sources),
        **_provenance_columns(trained, tasks),
        **effort_columns(trained.run, trained.data),
        "transductive": learner.transductive,
        "oracle": learner.oracle,
        "selected": selection.selected,
        "selected_on": selection.selected_on,
        "departures": (
            *tasks.departures,
            *selection.departures,
            *temperature.departures,
        ),
        "calibration_error": result.calibration_error,
        "temperature": math.nan if temperature.value is None else temperature.value,
        "calibrated_error": result.calibrated_error,
        "eval_seconds": result.seconds,
        "parameters": _parameters(learner),
    }
    return typed(in_all_rows(measured, shared), RECORDED)


def in_all_rows(measured: pd.DataFrame, shared: Mapping[str, Any]) -> pd.DataFrame:
    """Add columns whose value is the same in all rows."""
    columns = {name: [value] * len(measured) for name, value in shared.items()}
    return measured.assign(**columns)


def _parameters(learner: Learner) -> int:
    return sum(parameter.numel() for parameter in learner.parameters())


def code_columns(sources: Mapping[str, str]) -> dict[str, Any]:
    """Return the columns of a frame that say with what code it was computed."""
    return {"results_version": RESULTS_VERSION, "code": digest(sources)}


def task_columns(tasks: EvaluationTasks) -> dict[str, Any]:
    """Return the columns of a frame that say which test tasks were met."""
    return {
        "test_on": tasks.dataset.label,
        "test_fingerprint": tasks.dataset.fingerprint,
        "split": tasks.settings.split,
        "protocol": tasks.settings.protocol,
        "ways": tasks.ways,
        "shots": tasks.shots,
        "queries": tasks.queries,
        "task_seed": tasks.settings.task_seed,
    }


def _provenance_columns(trained: TrainedMethod, tasks: EvaluationTasks) -> dict[str, Any]:
    manifest = trained.run.manifest
    overlapping = ""
    if manifest.pretrained_on:
        overlapping = overlap(tasks.dataset.overlaps, manifest.pretrained_on)
    parts = [*trained.data.parts, *parts_of([tasks.dataset])]
    return {
        "pretrained_on": manifest.pretrained_on,
        "overlap": overlapping,
        "run": trained.run.folder.name,
        "parts": tuple(dict.fromkeys(parts)),
    }

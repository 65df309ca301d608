"""Trace a run: what happens at each step of adapting to its first test tasks, kept beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from workbench.errors import DataError
from workbench.experiments.evaluate_run import (
    checked_data,
    code_columns,
    evaluation_path,
    in_all_rows,
    method_columns,
    question,
    source_of,
    task_columns,
    trained_method,
)
from workbench.experiments.fingerprint import RESULTS_VERSION, source_checksums
from workbench.experiments.run import EVALUATIONS, Run
from workbench.experiments.selection import select_options
from workbench.experiments.workspace import COPY_IT, Workspace, writable
from workbench.learning.tracing import trace
from workbench.progress import say_nothing, teller
from workbench.results.frame import names_of, typed
from workbench.results.traces import TRACES, read_traces, write_traces
from workbench.tasks.settings import EvaluationTasks
from workbench.tasks.splits import TrainingData

TRACED = "traces"  # folder within the evaluations of a run
_ROW = [name for name in names_of(TRACES) if name not in ("accuracy", "loss")]


def trace_run(
    run: Run,
    tasks: EvaluationTasks,
    workspace: Workspace,
    *,
    trained_on: TrainingData | None = None,
) -> pd.DataFrame:
    """Adapt to the test tasks one by one; one row per task, step and part (support or query).

    Test-time options are those that `evaluate_run` chooses. The tasks are the first ones of any
    longer evaluation with the same settings.

    Args:
        trained_on: the run's training data, if they are open already.

    Raises:
        UsageError, RunError: as `evaluate_run`.
    """
    data = checked_data(run, tasks, workspace, trained_on)
    sources = source_checksums(run.plan)
    covered = {**question(tasks), "results": RESULTS_VERSION, "sources": sources}
    beside = evaluation_path(run, tasks, covered)
    path = beside.parent / TRACED / beside.name
    if path.is_file() and not workspace.fresh:
        before = _read(path, workspace.note)
        if before is not None:
            return before.assign(run=run.folder.name)  # it may have been renamed since
    method = trained_method(run, tasks, data, workspace)
    learner = method.learner(select_options(method, tasks, sources).options)
    traced = trace(
        learner,
        source_of(method, tasks),
        tasks.settings.episodes,
        precision=run.plan.settings.precision,
        tell=teller(workspace.report, f"{run.label}: trace on {tasks.dataset.label}"),
    )
    columns = {
        **method_columns(method, learner),
        **task_columns(tasks),
        **code_columns(sources),
        "run": run.folder.name,
    }
    frame = typed(in_all_rows(pd.DataFrame(traced), columns), TRACES)[names_of(TRACES)]
    with writable(path.parent, COPY_IT):
        write_traces(frame, path)
    return frame


def traces(names: Iterable[str], out: str | os.PathLike[str] = "runs") -> pd.DataFrame:
    """Return the traces of runs by folder name, with the columns of `TRACES`."""
    return traces_of([Run(Path(out) / name) for name in names])


def traces_of(runs: Iterable[Run], note: Callable[[str], None] = say_nothing) -> pd.DataFrame:
    """Return the traces of runs: of a task that was traced twice by the same code, one.

    Files of another schema version are left out, and damaged ones with a note.
    """
    frames = [pd.DataFrame(columns=names_of(TRACES))]
    for run in runs:
        for path in sorted((run.folder / EVALUATIONS / TRACED).glob("*.parquet")):
            frame = _read(path, note)
            if frame is not None:
                frames.append(frame.assign(run=run.folder.name))
    return typed(pd.concat(frames).drop_duplicates(_ROW).reset_index(drop=True), TRACES)


def _read(path: Path, note: Callable[[str], None]) -> pd.DataFrame | None:
    """Return the traces in a file; None if it is damaged or has another schema version."""
    try:
        return read_traces(path)
    except DataError as error:
        note(f"left out: {error}")
        return None

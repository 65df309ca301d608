"""Trace a run: what happens at each step of adapting to its first test tasks, kept beside it."""

from __future__ import annotations

import pandas as pd

from workbench.experiments.evaluate_run import (
    checked_data,
    code_columns,
    evaluation_path,
    in_all_rows,
    question,
    source_of,
    task_columns,
    trained_method,
)
from workbench.experiments.evaluation_file import run_columns
from workbench.experiments.fingerprint import source_checksums
from workbench.experiments.run import Run
from workbench.experiments.selection import select_options
from workbench.experiments.traced import TRACED, read_file
from workbench.experiments.workspace import COPY_IT, Workspace, writable
from workbench.learning.tracing import trace
from workbench.progress import teller
from workbench.results.frame import names_of, typed
from workbench.results.traces import TRACES, write_traces
from workbench.tasks.settings import EvaluationTasks
from workbench.tasks.splits import TrainingData


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
    beside = evaluation_path(run, tasks, question(run, tasks, sources))
    path = beside.parent / TRACED / beside.name
    if path.is_file() and not workspace.fresh:
        before = read_file(path, workspace.note)
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
        **run_columns(run.manifest),
        **task_columns(tasks),
        **code_columns(sources),
        "run": run.folder.name,
    }
    frame = typed(in_all_rows(pd.DataFrame(traced), columns), TRACES)[names_of(TRACES)]
    with writable(path.parent, COPY_IT):
        write_traces(frame, path)
    return frame

"""`mlw eval RUN`: one row per test task, mean and 95% interval."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import _show
from workbench.cli._options import Device, Fresh, OutputOptions, TaskOptions, flat
from workbench.cli._results import print_summary

if TYPE_CHECKING:
    import pandas as pd

    from workbench.data.opening import OpenDataset
    from workbench.experiments.run import Run
    from workbench.experiments.workspace import Workspace


@flat
def evaluate(
    run: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, or folders of them.")
    ],
    *,
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on", "--test-on", help="Data sets. If omitted, those that a run was trained on."
        ),
    ] = None,
    tasks: TaskOptions,
    split: Annotated[str, typer.Option(help="train, val or test classes.")] = "test",
    device: Device = "auto",
    fresh: Fresh = False,
    output: OutputOptions,
) -> None:
    """Evaluate trained runs on test classes, on the same tasks for all.

    Ways and shots that are omitted are those that a run was trained for.
    """
    import pandas as pd

    from workbench.data.opening import open_datasets
    from workbench.experiments.run import find_runs, readable_runs
    from workbench.experiments.workspace import Workspace

    runs = readable_runs(find_runs(run), _show.note)
    workspace = Workspace(device=device, fresh=fresh)
    given = list(dict.fromkeys(open_datasets(on or [])))
    frames = []
    for each in runs:
        frames += _evaluate(each, given, tasks, split, workspace)
    frame = pd.concat(frames, ignore_index=True)
    print_summary(frame, json=output.json, published=output.published)
    where = "eval/ in each run folder"
    if len(run) == 1:
        where = f"{run[0]}/eval"
    _show.note(f"one row per task: {where}")


def _evaluate(
    run: Run, given: list[OpenDataset], tasks: TaskOptions, split: str, workspace: Workspace
) -> list[pd.DataFrame]:
    """Evaluate one run, on the given data sets or on its own."""
    from workbench.experiments.evaluate_run import evaluate_run
    from workbench.tasks.settings import evaluation_tasks
    from workbench.tasks.splits import open_training_data

    plan = run.plan
    trained_on = open_training_data(plan.data)
    frames = []
    for dataset in given or trained_on.members:
        for settings in tasks.settings(plan.ways, plan.validation.shots, split):
            drawn = evaluation_tasks(dataset, settings, usual_ways=plan.validation.ways)
            frames.append(evaluate_run(run, drawn, workspace, trained_on=trained_on))
    return frames

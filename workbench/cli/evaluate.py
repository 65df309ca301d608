"""`mlw eval RUN`: one row per test task, mean and 95% interval."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import _complete, _show
from workbench.cli._options import (
    Code,
    Device,
    Fresh,
    OutputOptions,
    TaskOptions,
    Track,
    flat,
)
from workbench.cli._progress import progress_bars
from workbench.cli._results import print_summary


@flat
def evaluate(
    run: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, or folders of them.")
    ],
    *,
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on",
            "--test-on",
            help="Data sets. If omitted, those that a run was trained on.",
            autocompletion=_complete.datasets,
        ),
    ] = None,
    tasks: TaskOptions,
    split: Annotated[
        str,
        typer.Option(
            help="train, val or test classes.",
            autocompletion=_complete.one_of("train", "val", "test"),
        ),
    ] = "test",
    trace: Annotated[
        int | None,
        typer.Option(
            help="Keep loss and accuracy after each step of adapting, for this many tasks."
        ),
    ] = None,
    code: Code = None,
    device: Device = None,
    fresh: Fresh = False,
    track: Track = None,
    output: OutputOptions,
) -> None:
    """Evaluate trained runs on test classes, on the same tasks for all.

    Ways and shots that are omitted are those that a run was trained for, or as many as its
    validation classes allow.
    """
    from workbench.commands.evaluate import evaluate as run_evaluation
    from workbench.experiments.run import EVALUATIONS

    with progress_bars() as report:
        frame = run_evaluation(
            run,
            on=on,
            split=split,
            trace=trace,
            code=code,
            device=device,
            fresh=fresh,
            report=report,
            note=_show.note,
            track=track,
            **asdict(tasks),
        )
    print_summary(frame, json=output.json, published=output.published)
    where = "eval/ in each run folder"
    if len(run) == 1 and (run[0] / EVALUATIONS).is_dir():  # and not a folder of runs
        where = f"{run[0]}/eval"
    _show.note(f"one row per task: {where}")
    if trace:
        _show.note(f"one row per task and step of adapting: {where}/traces (mlw report draws them)")

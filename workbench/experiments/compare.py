"""Compare methods: every cell on the same tasks, one tidy frame.

Each cell is trained into its run folder and evaluated. What is finished is read: the same
command again costs nothing, and resumes where it was stopped.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pandas as pd

from workbench.errors import RunError
from workbench.experiments.cells import Cell, Comparison, plan_cells
from workbench.experiments.evaluate_run import evaluate_run
from workbench.experiments.fingerprint import digest
from workbench.experiments.lineage import run_folder
from workbench.experiments.remaining import Remaining
from workbench.experiments.train_run import train_run
from workbench.experiments.workspace import Workspace, writable
from workbench.progress import once
from workbench.results.figures import accuracy_figure, difference_figure, has_differences
from workbench.results.frame import for_csv, records, write_tasks
from workbench.results.heatmap import heatmap_figure
from workbench.results.matrix import is_matrix
from workbench.results.paired import mean_and_interval
from workbench.results.summary import differences, summary
from workbench.results.sureness import has_answers, sureness_figure
from workbench.results.wording import condition_title, plus_minus
from workbench.storage import write_file


def run_comparison(
    comparison: Comparison, workspace: Workspace, others: Sequence[Comparison] = ()
) -> pd.DataFrame:
    """Train and evaluate all cells of a comparison; return one row per test task.

    Args:
        others: methods that have a backbone of their own, on the same data sets and tasks.

    Raises:
        UsageError, DataError: before anything is trained, if a cell cannot be trained or evaluated.
            Only ways and shots for which one of several data sets is too small are left out, with
            a note.
    """
    workspace = replace(workspace, note=once(workspace.note))
    cells = []
    for each in (comparison, *others):
        cells += plan_cells(each, workspace.out, workspace.note, workspace.report)
    remaining = Remaining(cells, workspace)
    remaining.tell()
    watched = replace(workspace, report=remaining.report)
    frames = []
    finished: set[Path] = set()
    for number, cell in enumerate(cells, 1):
        place = f"[{number}/{len(cells)}]"
        frames.append(_run_cell(cell, place, watched, finished, remaining))
    frame = pd.concat(frames, ignore_index=True)
    folder = workspace.out / "comparisons" / _folder_name(frame, comparison)
    try:
        _write(frame, folder, comparison.baselines)
        frame.attrs["folder"] = str(folder)
    except RunError as error:  # what was computed is in the runs, and the table is still shown
        workspace.note(f"frames and figures were not written: {error}")
    return frame


def _run_cell(
    cell: Cell, place: str, workspace: Workspace, finished: set[Path], remaining: Remaining
) -> pd.DataFrame:
    """Train and evaluate one cell; `finished` are the runs that this comparison has trained."""
    folder = run_folder(cell.plan, cell.train, workspace.out)
    workspace.note(f"{place} {folder.name}")
    # one training may serve several ways and shots: it is not trained again for each
    fresh = workspace.fresh and folder not in finished
    run = train_run(cell.plan, cell.train, replace(workspace, fresh=fresh))
    finished.add(folder)
    remaining.trained(folder)
    began = time.monotonic()
    frame = evaluate_run(run, cell.tasks, workspace, trained_on=cell.train)
    remaining.evaluated(cell.plan, time.monotonic() - began)
    workspace.note(f"{place} {_result(cell, frame)}")
    return frame


def _result(cell: Cell, frame: pd.DataFrame) -> str:
    """Return what a cell reached, in a line: "protonet, glyphs, 5-way 1-shot: 92.10 ± 0.42%"."""
    title = condition_title(records(frame.head(1))[0])
    accuracy, interval = mean_and_interval(frame.groupby("task")["accuracy"].mean())
    return f"{cell.plan.label}, {title}: {plus_minus(100 * accuracy, 100 * interval)}%"


def _folder_name(frame: pd.DataFrame, comparison: Comparison) -> str:
    """Return the methods, and a hash of what was compared."""
    names = ["run", "test_on", "test_fingerprint", "ways", "shots", "queries"]
    cells = frame[names].drop_duplicates()
    covered = {
        "cells": cells.astype(str).to_numpy().tolist(),
        "evaluations": [asdict(settings) for settings in comparison.evaluations],
    }
    methods = "-".join(frame["algorithm"].unique()).replace("/", "-")
    return f"{methods[:60]}-{digest(covered)}"


def _write(frame: pd.DataFrame, folder: Path, baselines: Sequence[str]) -> None:
    """Write frames and figures, for readers who do not use the command line."""
    cells = summary(frame, baselines)
    tables = {"summary": cells, "differences": differences(frame)}
    figures = {"accuracy": accuracy_figure(frame)}
    if has_differences(cells):
        figures["differences"] = difference_figure(frame)
    if is_matrix(cells):
        figures["heatmap"] = heatmap_figure(frame, baselines)
    if has_answers(frame):
        figures["sureness"] = sureness_figure(frame)
    with writable(folder):
        write_tasks(frame, folder / "tasks.parquet")
        for name, table in tables.items():
            write_file(folder / f"{name}.csv", partial(for_csv(table).to_csv, index=False))
        for name, figure in figures.items():
            path = folder / f"{name}.png"
            write_file(path, partial(figure.savefig, dpi=150, format="png"))

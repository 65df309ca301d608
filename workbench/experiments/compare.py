"""Compare methods: every cell on the same tasks, one tidy frame.

Each cell is trained into its run folder and evaluated. What is finished is read: the same
command again costs nothing, and resumes where it was stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Unpack

import pandas as pd

from workbench.errors import UnknownName
from workbench.experiments.cells import Cell, Comparison, plan_cells
from workbench.experiments.evaluate_run import evaluate_run
from workbench.experiments.fingerprint import digest
from workbench.experiments.keywords import (
    CompareKeywords,
    TaskKeywords,
    TrainKeywords,
    WorkspaceKeywords,
)
from workbench.experiments.run import run_folder
from workbench.experiments.train_run import train_run
from workbench.experiments.workspace import Workspace, writable
from workbench.plugin.registry import DEFAULT_DATASET
from workbench.results.figures import accuracy_figure, difference_figure, has_differences
from workbench.results.frame import for_csv, write_tasks
from workbench.results.heatmap import heatmap_figure
from workbench.results.matrix import is_matrix
from workbench.results.summary import differences, summary
from workbench.storage import write_file
from workbench.tasks.settings import EvaluationSettings

Names = str | Iterable[str]
"""One name, or several."""


def compare(
    algorithms: Names,
    *,
    on: Names = DEFAULT_DATASET,
    train_on: Names = (),
    leave_one_out: bool = False,
    baseline: Names = (),
    **settings: Unpack[CompareKeywords],
) -> pd.DataFrame:
    """Train and evaluate methods on the same tasks; return one row per test task.

    >>> frame = mlw.compare(["protonet", "maml"], on="omniglot", shots=[1, 5])

    The frame is written too, with its summary, paired differences and figures, into the folder
    `frame.attrs["folder"]`. `workbench.results.frame` says what the columns mean.

    Args:
        algorithms: specs, "maml:first_order=true".
        on: data sets, specs too, on whose test classes the methods are evaluated.
        train_on: the data sets on whose training classes they are trained, on all at once. If
            omitted, each of `on` its own.
        leave_one_out: train for each of `on` on all the others together. Data sets without training
            classes are only tested on. One whose classes all train, `eurosat:split=train`, is
            evaluated as `eurosat`.
        baseline: baselines, by algorithm or label; each column of the heat map is compared with the
            best of them. If omitted, see `workbench.results.baselines.baselines`.
        settings: by name,

            - of the test tasks: `ways` and `shots`, one or several; `queries` per class, `protocol`
              (a spec), `episodes` and `task_seed`. Ways omitted: 5, or as many as there are test
              classes. Queries omitted: 15, or what the shots leave.
            - of the trainings: `backbone` (specs, one or several), `recipe` ("quick" or "paper")
              and `seeds` (how many trainings of each method, with seeds 0, 1, ...).
            - of the workspace: `out` (folder of runs), `device`, `fresh` (recompute), `report` and
              `note` (told about progress).
            - any training setting of `mlw info`, for all algorithms: `steps`, `lr`, ... None leaves
              the recipe's value.

    Raises:
        UsageError, DataError: before anything is trained, if a cell cannot be trained or evaluated.
            Only ways and shots for which one of several data sets is too small are left out, with
            a note.
    """
    for name in settings:
        if name not in CompareKeywords.__annotations__:
            raise UnknownName("setting", name, CompareKeywords.__annotations__)
    given: dict[str, Any] = {}
    for name, value in settings.items():
        if value is not None:
            given[name] = value
    given["out"] = Path(given.get("out", "runs"))
    workspace = Workspace(**_taken(given, WorkspaceKeywords.__annotations__))
    several_ways = _several(given.pop("ways", None))
    several_shots = _several(given.pop("shots", 1))
    common = EvaluationSettings(**_taken(given, TaskKeywords.__annotations__))
    evaluations = []
    for ways, shots in product(several_ways, several_shots):
        evaluations.append(replace(common, ways=ways, shots=shots))
    comparison = Comparison(
        algorithms=_several(algorithms),
        on=_several(on),
        train_on=_several(train_on or ()),
        leave_one_out=leave_one_out,
        evaluations=tuple(evaluations),
        backbones=_several(given.get("backbone")),
        recipe=given.get("recipe", "quick"),
        seeds=given.get("seeds", 1),
        baselines=_several(baseline or ()),
        settings=_taken(given, TrainKeywords.__annotations__),
    )
    return run_comparison(comparison, workspace)


def run_comparison(comparison: Comparison, workspace: Workspace) -> pd.DataFrame:
    """Train and evaluate all cells of a comparison; return one row per test task.

    Raises:
        UsageError, DataError: as for `compare`.
    """
    cells = plan_cells(comparison, workspace.out, workspace.note)
    frames = []
    finished: set[Path] = set()
    for number, cell in enumerate(cells, 1):
        frames.append(_run_cell(cell, f"[{number}/{len(cells)}]", workspace, finished))
    frame = pd.concat(frames, ignore_index=True)
    folder = workspace.out / "comparisons" / _folder_name(frame, comparison)
    _write(frame, folder, comparison.baselines)
    frame.attrs["folder"] = str(folder)
    return frame


def _run_cell(cell: Cell, place: str, workspace: Workspace, finished: set[Path]) -> pd.DataFrame:
    """Train and evaluate one cell; `finished` are the runs that this comparison has trained."""
    folder = run_folder(cell.plan, cell.train, workspace.out)
    workspace.note(f"{place} {folder.name}")
    # one training may serve several ways and shots: it is not trained again for each
    fresh = workspace.fresh and folder not in finished
    run = train_run(cell.plan, cell.train, replace(workspace, fresh=fresh))
    finished.add(folder)
    return evaluate_run(run, cell.tasks, workspace, trained_on=cell.train)


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
    with writable(folder):
        write_tasks(frame, folder / "tasks.parquet")
        for name, table in tables.items():
            write_file(folder / f"{name}.csv", partial(for_csv(table).to_csv, index=False))
        for name, figure in figures.items():
            path = folder / f"{name}.png"
            write_file(path, partial(figure.savefig, dpi=150, format="png"))


# --- settings by name


def _taken(given: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Remove and return those of the given settings that have one of these names."""
    return {name: given.pop(name) for name in names if name in given}


def _several(value: Any) -> tuple[Any, ...]:
    """Return one value, or several without repetition, as a tuple."""
    if value is None or isinstance(value, str | int):
        return (value,)
    return tuple(dict.fromkeys(value))

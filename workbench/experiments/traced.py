"""The traces that are kept beside runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from workbench.errors import DataError
from workbench.experiments.run import EVALUATIONS, Run
from workbench.progress import say_nothing
from workbench.results.frame import names_of, typed
from workbench.results.traces import TRACES, read_traces

TRACED = "traces"  # folder within the evaluations of a run
_ROW = [name for name in names_of(TRACES) if name not in ("accuracy", "loss")]


def traces(names: Iterable[str], out: str | os.PathLike[str] = "runs") -> pd.DataFrame:
    """Return the traces of runs by folder name, with the columns of `TRACES`."""
    return traces_of([Run(Path(out) / name) for name in names])


def traces_of(runs: Iterable[Run], note: Callable[[str], None] = say_nothing) -> pd.DataFrame:
    """Return the traces of runs: of a task that was traced twice by the same code, one.

    Files of another schema version are left out, and damaged ones with a note.
    """
    frames = []
    for run in runs:
        for path in sorted((run.folder / EVALUATIONS / TRACED).glob("*.parquet")):
            frame = read_file(path, note)
            if frame is not None:
                frames.append(frame.assign(run=run.folder.name))
    if not frames:
        return typed(pd.DataFrame(columns=names_of(TRACES)), TRACES)
    return typed(pd.concat(frames).drop_duplicates(_ROW).reset_index(drop=True), TRACES)


def read_file(path: Path, note: Callable[[str], None]) -> pd.DataFrame | None:
    """Return the traces in a file; None if it is damaged or has another schema version."""
    try:
        return read_traces(path)
    except DataError as error:
        note(f"left out: {error}")
        return None

"""Methods and conditions: how the rows of a tasks frame are labelled and grouped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from workbench.errors import WorkbenchError
from workbench.results.frame import CONDITION, TASKS, require_columns, typed, without_missing


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a tasks frame with a column `method`: the label of the method.

    The label is `algorithm` or `algorithm:options`, with the backbone added where two methods
    differ in nothing else.

    Raises:
        WorkbenchError: columns are missing or hold joined text, or there are no rows.
    """
    require_columns(frame, TASKS, "test tasks")
    if frame.empty:
        raise WorkbenchError("There are no results to report. Run `mlw compare` or `mlw eval`.")
    _refuse_joined_text(frame)
    integers = [column for column in TASKS if column.kind == "optional integer"]
    frame = typed(frame, integers)
    with_options = frame["algorithm"] + ":" + frame["options"]
    method = frame["algorithm"].where(frame["options"] == "", with_options)
    backbones = frame["backbone"].groupby(method).nunique()
    ambiguous = method.map(backbones) > 1
    with_backbone = method + " (" + frame["backbone"] + ")"
    return frame.assign(method=method.where(~ambiguous, with_backbone))


def _refuse_joined_text(frame: pd.DataFrame) -> None:
    for column in TASKS:
        if column.kind == "texts" and isinstance(frame[column.name].iloc[0], str):
            raise WorkbenchError(
                f"Column {column.name} holds text instead of lists, as a CSV file does. "
                "Read the tasks from their parquet file."
            )


def conditions(frame: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Iterate over the conditions of a frame, each with its rows, in order of appearance.

    In a condition, None stands for ways, shots or queries that vary.
    """
    for values, rows in frame.groupby(CONDITION, sort=False, dropna=False):
        condition = dict(zip(CONDITION, values, strict=True))
        yield without_missing(condition), rows


def varying(frame: pd.DataFrame) -> list[str]:
    """Return the columns of `CONDITION` that have more than one value."""
    return [name for name in CONDITION if frame[name].nunique(dropna=False) > 1]

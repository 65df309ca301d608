"""The table of results: a group of rows per condition, with what scripts sort and filter by."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import pandas as pd

from workbench.results.frame import CONDITION, records
from workbench.results.grouping import varying
from workbench.results.marks import remarks
from workbench.results.page.markup import duration, percent
from workbench.results.summary import is_best
from workbench.results.wording import (
    NO_VALUE,
    before_and_after,
    condition_title,
    decimal,
    plus_minus,
    published_text,
    three_figures,
)


class Cell(NamedTuple):
    """One cell of the table."""

    html: str  # escaped
    value: float | str  # rows are sorted by it; NaN comes last


def results_table(table: pd.DataFrame) -> str:
    """Return a summary as a table, without columns that have no value."""
    varied = varying(table)
    headings = _used_headings(records(table))
    head = "".join(f"<th scope=col>{name}</th>" for name in headings)
    body = ""
    span = f"colspan={len(headings)} scope=rowgroup"
    for _, rows in table.groupby(CONDITION, sort=False, dropna=False):
        found = records(rows)
        title = condition_title(found[0], varied)
        body += f"<tbody><tr><th {span}><span>{escape(title)}</span></th></tr>"
        for row in found:
            body += _row(row, headings)
        body += "</tbody>"
    return f"<div class=wide><table id=table><thead><tr>{head}</tr></thead>{body}</table></div>"


def _used_headings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the headings of the columns in which some row has a value, in order."""
    used: dict[str, bool] = {}
    for row in rows:
        for name, cell in _cells(row).items():
            used[name] = used.get(name, False) or cell.html != NO_VALUE
    return [name for name, is_used in used.items() if is_used]


def _row(row: Mapping[str, Any], headings: Sequence[str]) -> str:
    cells = _cells(row)
    best = " class=best" if is_best(row) else ""
    data = "".join(_cell(cells[name]) for name in headings)
    return f"<tr{best}>{data}</tr>"


def _cell(cell: Cell) -> str:
    if isinstance(cell.value, str):
        return f'<td data-by="{escape(cell.value)}">{cell.html}</td>'
    by = "" if math.isnan(cell.value) else f"{cell.value:.6g}"
    return f'<td data-by="{by}">{cell.html}</td>'


def _cells(row: Mapping[str, Any]) -> dict[str, Cell]:
    """Return the cells of one row by heading, in the order of the columns."""
    difference = plus_minus(100 * row["difference"], 100 * row["difference_interval"], signed=True)
    if is_best(row):
        difference = "best"
    error, loss, brier = row["calibration_error"], row["loss"], row["brier"]
    return {
        "Method": Cell(_method(row), row["method"]),
        "Accuracy, %": Cell(percent(row["accuracy"], row["interval"]), row["accuracy"]),
        "Difference to best, points": Cell(difference, row["difference"]),
        "Published, %": Cell(_published(row), row["published"]),
        "SD over seeds, points": Cell(decimal(100 * row["seed_sd"], 2), row["seed_sd"]),
        "Temperature": Cell(three_figures(row["temperature"]), row["temperature"]),
        "Calibration error, %": Cell(
            before_and_after(100 * error, 100 * row["calibrated_error"], 1), error
        ),
        "Loss": Cell(before_and_after(loss, row["calibrated_loss"], 3), loss),
        "Brier score": Cell(before_and_after(brier, row["calibrated_brier"], 3), brier),
        "Training": Cell(duration(row["train_seconds"]), row["train_seconds"]),
        "Steps": Cell(f"{row['steps']:,}", row["steps"]),
        "Images seen": Cell(f"{row['images']:,}", row["images"]),
        "Adaptation per task": Cell(duration(row["adapt_seconds"]), row["adapt_seconds"]),
        "Parameters": Cell(f"{row['parameters']:,}", row["parameters"]),
    }


def _method(row: Mapping[str, Any]) -> str:
    """Return the label, which may break behind ":" and ",", and the remarks below it."""
    label = re.sub("([:,])", r"\1<wbr>", escape(row["method"]))
    return label + "".join(f"<small>{escape(words)}</small>" for words in remarks(row))


def _published(row: Mapping[str, Any]) -> str:
    text = published_text(row)
    if row["published_source"]:
        text += f"<small class=source>{escape(row['published_source'])}</small>"
    return text

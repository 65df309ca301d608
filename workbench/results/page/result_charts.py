"""Charts of a summary: accuracies, paired differences, and methods by test data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from workbench.results.figures import (
    NEAR_GUESSING,
    SHOTS_LABEL,
    columns_of_panel,
    instance_label,
    x_categories,
)
from workbench.results.frame import CONDITION, records
from workbench.results.grouping import varying
from workbench.results.matrix import blocks
from workbench.results.page.charts import Chart, Series, axis, chart, common_range, reference
from workbench.results.page.charts import series as series_of
from workbench.results.page.markup import percent, plain_number
from workbench.results.style import side_by_side
from workbench.results.summary import is_best
from workbench.results.wording import broken, condition_title, plus_minus, published_text

COLOUR_BAR = 240  # pixels that the scale of a matrix needs
NAME_WIDTH = 24  # letters of a line of a method's name, beside a chart


def accuracy_charts(table: pd.DataFrame) -> list[Chart]:
    """Return accuracy by shots, or by instance, for each panel of the static figure."""
    x_name = "instance" if table["instance"].nunique() > 1 else "shots"
    of_panel = columns_of_panel(table, x_name)
    categories = x_categories(table, x_name)
    found = []
    for _, rows in table.groupby(of_panel, sort=False, dropna=False):
        condition = records(rows[of_panel].head(1))[0]
        label = SHOTS_LABEL if x_name == "shots" else instance_label(condition["protocol"])
        ticks = {str(place): text for place, text in enumerate(categories.values())}
        x = axis(label, ticks=ticks, range=[-0.5, len(categories) - 0.5])
        parts = _accuracies(rows, x_name, list(categories), list(table["method"].unique()))
        if condition["ways"] is not None:
            guessing = 100 / condition["ways"]
            if x_name == "instance" or 100 * rows["accuracy"].min() - guessing < (
                100 * NEAR_GUESSING
            ):
                parts.append(reference(x["range"], [guessing, guessing]))
        title = condition_title(condition, varying(table))
        found.append(chart(title, x, axis("accuracy, %"), parts))
    common_range(found, "y")
    return found


def _accuracies(
    rows: pd.DataFrame, x_name: str, categories: Sequence[Any], methods: Sequence[str]
) -> list[Series]:
    """Return measured and published accuracies, the methods side by side in each category."""
    offsets = dict(zip(methods, side_by_side(len(methods)), strict=True))
    parts = []
    for method, cells in rows.groupby("method", sort=False):
        found = records(cells)
        places = [categories.index(cell[x_name]) + offsets[str(method)] for cell in found]
        measured = series_of("measured", str(method), places, 100 * cells["accuracy"])
        measured["error"] = [plain_number(100 * cell["interval"]) for cell in found]
        measured["hover"] = [_accuracy_words(cell) for cell in found]
        parts.append(measured)
        printed = series_of("published", str(method), places, cells["published"])
        printed["hover"] = [
            f"{method}, published: {published_text(cell)}%\n{cell['published_source']}"
            for cell in found
        ]
        if cells["published"].notna().any():
            parts.append(printed)
    return parts


def _accuracy_words(cell: Mapping[str, Any]) -> str:
    return (
        f"{cell['method']}\n{percent(cell['accuracy'], cell['interval'])}%, "
        f"{cell['episodes']:,} tasks"
    )


def difference_charts(table: pd.DataFrame) -> list[Chart]:
    """Return paired differences to the best method of each condition that has several."""
    methods = list(table["method"].unique())
    found = []
    for _, rows in table.groupby(CONDITION, sort=False, dropna=False):
        if len(rows) < 2:
            continue
        parts: list[Series] = [reference([0, 0], [-0.5, len(methods) - 0.5])]
        for cell in records(rows):
            place, value = methods.index(cell["method"]), 100 * cell["difference"]
            part = series_of("difference", cell["method"], [value], [place])
            spread = 100 * cell["difference_interval"]
            part |= {"error": [plain_number(spread)], "error_of": "x"}
            words = f"{plus_minus(value, spread, signed=True)} points to the best"
            if is_best(cell):
                words = f"best: {percent(cell['accuracy'], cell['interval'])}%"
            part["hover"] = [f"{cell['method']}\n{words}"]
            parts.append(part)
        x = axis("difference to the best, points")
        title = condition_title(records(rows.head(1))[0], varying(table))
        found.append(chart(title, x, method_axis(methods), parts, height=height_of(methods)))
    common_range(found, "x")
    return found


def method_axis(methods: Sequence[str]) -> dict[str, Any]:
    """Return an axis that names a method at each place, the first one on top."""
    ticks = {str(place): broken(name, NAME_WIDTH) for place, name in enumerate(methods)}
    return axis("", ticks=ticks, range=[len(methods) - 0.5, -0.5])


def height_of(methods: Sequence[str]) -> int:
    lines = sum(broken(name, NAME_WIDTH).count("\n") + 1 for name in methods)
    return 110 + max(26 * len(methods), 15 * lines)


def matrix_charts(table: pd.DataFrame) -> list[Chart]:
    """Return methods by test data, for each block of the static heat map."""
    found = []
    for title, rows in blocks(table):
        tested = list(rows["test_on"].unique())
        methods = list(rows["method"].unique())
        cells = {(cell["method"], cell["test_on"]): cell for cell in records(rows)}
        part: Series = {"kind": "matrix", "method": None, "x": tested, "y": methods}
        of_method = [[cells.get((method, data)) for data in tested] for method in methods]
        part["z"] = [[_to_baseline(cell) for cell in row] for row in of_method]
        if all(value is None for row in part["z"] for value in row):
            continue  # there is nothing to colour: the accuracies are in the table
        part["words"] = [[_matrix_words(cell) for cell in row] for row in of_method]
        part["hover"] = [[_matrix_hover(cell) for cell in row] for row in of_method]
        height = max(height_of(methods), COLOUR_BAR)
        found.append(chart(title, axis(""), axis(""), [part], height=height, wide=len(tested)))
    return found


def _to_baseline(cell: Mapping[str, Any] | None) -> float | None:
    return None if cell is None else plain_number(100 * cell["to_baseline"])


def _matrix_words(cell: Mapping[str, Any] | None) -> str:
    return "" if cell is None else f"{100 * cell['accuracy']:.1f}"


def _matrix_hover(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return ""
    words = f"{cell['method']} on {cell['test_on']}\n{percent(cell['accuracy'], cell['interval'])}%"
    if cell["baseline"] in ("", cell["method"]):
        return words
    points = plus_minus(100 * cell["to_baseline"], 100 * cell["to_baseline_interval"], signed=True)
    return f"{words}\n{points} points to {cell['baseline']}"

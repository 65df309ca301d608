"""Charts of single tasks: how accuracies are spread over tasks, and two methods task by task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from workbench.results.frame import CONDITION, records
from workbench.results.grouping import ordered, varying
from workbench.results.page.charts import Chart, Series, axis, chart, common_range, numbers
from workbench.results.page.markup import plain_number
from workbench.results.page.result_charts import height_of, method_axis
from workbench.results.wording import condition_title

OF_PANEL = [name for name in CONDITION if name != "instance"]
SHARES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)  # of tasks that are below the ends of a box
MOST_NUMBERS = 60_000  # of the paired charts of a page, all together


def by_task(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Iterate over titles and accuracies in percent, a row per task and a column per method.

    Training seeds, and the instances of a task, are averaged.
    """
    varied = [name for name in varying(frame) if name != "instance"]
    for _, rows in ordered(frame, OF_PANEL).groupby(OF_PANEL, sort=False, dropna=False):
        title = condition_title({**records(rows.head(1))[0], "instance": 0}, varied)
        accuracy = rows.groupby(["task", "method"], sort=False)["accuracy"].mean()
        yield title, 100 * accuracy.unstack("method")[list(rows["method"].unique())]


def distribution_charts(frame: pd.DataFrame) -> list[Chart]:
    """Return quantiles of the accuracy over tasks, of all tasks, for each condition."""
    methods = list(frame["method"].unique())
    found = []
    for title, table in by_task(frame):
        parts = [_box(str(name), methods.index(name), table[name]) for name in table]
        x = axis("accuracy of a task, %")
        found.append(chart(title, x, method_axis(methods), parts, height=height_of(methods)))
    common_range(found, "x")
    return found


def _box(method: str, place: int, accuracies: pd.Series[Any]) -> Series:
    quantiles = accuracies.quantile(list(SHARES))
    values = [f"{value:.1f}" for value in quantiles]
    words = (
        f"{method}, {accuracies.count():,} tasks\nmean {accuracies.mean():.2f}, median {values[3]}"
        f"\nhalf of the tasks: {values[2]} to {values[4]}\n90% of them: {values[1]} to {values[5]}"
        f"\nall: {values[0]} to {values[6]}"
    )
    return {
        "kind": "box",
        "method": method,
        "x": numbers(quantiles),
        "y": [place] * len(SHARES),
        "mean": plain_number(accuracies.mean()),
        "hover": [words],
    }


def paired_data(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the accuracy of each task by each method, for each condition that has several.

    Of many tasks, the first ones of each condition; `of` is how many there are.
    """
    several = [(title, table) for title, table in by_task(frame) if table.shape[1] > 1]
    methods = sum(table.shape[1] for _, table in several)
    most = MOST_NUMBERS // max(methods, 1)
    found = []
    for title, table in several:
        shown = table.sort_index().head(most)
        accuracy = {str(name): numbers(shown[name]) for name in shown}
        tasks = [int(task) for task in shown.index]
        found.append({"title": title, "tasks": tasks, "of": len(table), "accuracy": accuracy})
    return found

"""Charts by step: learning curves, and what happens inside adaptation."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from workbench.results.figures import VALIDATED, curve_titles, smoothed_loss
from workbench.results.frame import records
from workbench.results.grouping import ordered
from workbench.results.page.charts import Chart, Series, axis, chart, common_range, numbers, sampled
from workbench.results.page.charts import series as series_of
from workbench.results.trace_figure import LONG, OF_PANEL, by_step
from workbench.results.wording import condition_title


def curve_charts(curves: pd.DataFrame, frame: pd.DataFrame) -> list[Chart]:
    """Return validation accuracy and training loss by step, a series per run."""
    curves = _with_methods(curves, frame)
    of_accuracy, of_loss = [], []
    groups = ordered(curves, VALIDATED).groupby(list(VALIDATED), sort=False, dropna=False)
    for _, rows in groups:
        left, right = curve_titles(rows)
        accuracies, losses = [], []
        for method in frame["method"].unique():
            of_method = rows[rows["method"] == method]
            for name, run in of_method.groupby("run", sort=False):
                run = run.sort_values("step")
                accuracies += _validation(str(method), str(name), run)
                losses += _losses(str(method), str(name), run)
        x = axis("step")
        of_accuracy.append(chart(left, x, axis("validation accuracy, %"), accuracies, logs=["x"]))
        y = axis("training loss, smoothed")
        of_loss.append(chart(right, x, y, losses, logs=["x", "y"]))
    common_range(of_accuracy, "y")
    return [each for pair in zip(of_accuracy, of_loss, strict=True) for each in pair]


def _with_methods(table: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of runs in a tasks frame, with the labels of their methods."""
    method_of_run = dict(zip(frame["run"], frame["method"], strict=True))
    rows = table[table["run"].isin(list(method_of_run))]
    return rows.assign(method=rows["run"].map(method_of_run))


def _validation(method: str, run: str, rows: pd.DataFrame) -> list[Series]:
    rows = sampled(rows[rows["val_accuracy"].notna()])
    if rows.empty:
        return []
    part = series_of("points", method, rows["step"], 100 * rows["val_accuracy"])
    pairs = zip(rows["step"], rows["val_accuracy"], strict=True)
    part["hover"] = [f"{run}\nstep {step:,}: {100 * value:.2f}%" for step, value in pairs]
    return [part]


def _losses(method: str, run: str, rows: pd.DataFrame) -> list[Series]:
    rows = sampled(rows.assign(loss=smoothed_loss(rows)))
    if rows["loss"].isna().all():
        return []
    part = series_of("line", method, rows["step"], rows["loss"])
    pairs = zip(rows["step"], rows["loss"], strict=True)
    part["hover"] = [f"{run}\nstep {step:,}: loss {value:.4g}" for step, value in pairs]
    return [part]


def trace_charts(traces: pd.DataFrame, frame: pd.DataFrame) -> list[Chart]:
    """Return accuracy and loss by step of adapting, a pair of charts per condition."""
    traces = _with_methods(traces, frame)
    varied = [name for name in OF_PANEL if traces[name].nunique(dropna=False) > 1]
    found = []
    for _, rows in ordered(traces, OF_PANEL).groupby(OF_PANEL, sort=False, dropna=False):
        title = condition_title({**records(rows.head(1))[0], "instance": 0}, varied)
        for value, factor, label in (
            ("accuracy", 100, "accuracy, %"),
            ("loss", 1, "cross-entropy, nats"),
        ):
            parts: list[Series] = []
            for method in frame["method"].unique():
                of_method = rows[rows["method"] == method]
                if len(of_method):
                    means = factor * by_step(of_method, value)
                    parts += _steps(str(method), means, int(rows["step"].max()))
            x = axis("steps of adapting")
            log = ["x"] if rows["step"].max() > LONG else []
            found.append(chart(title, x, axis(label), parts, logs=["x"], log=log, first=1))
    common_range(found[::2], "y")
    return found


def _steps(method: str, means: pd.DataFrame, last: int) -> list[Series]:
    """Return the means on queries and on the support; without steps, at the first and last."""
    parts = []
    for part, kind in (("query", "points"), ("support", "thin")):
        rows = means.loc[[part]].droplevel("part")
        if len(rows) == 1 and last > 0:
            rows = pd.concat([rows, rows.set_axis([last])])
        steps: Sequence[int] = list(rows.index)
        drawn = series_of(kind, method, steps, rows["mean"])
        if part == "query":
            drawn["error"] = numbers(rows["interval"].fillna(0))
        pairs = zip(steps, rows["mean"], strict=True)
        drawn["hover"] = [f"{method}, {part}\nstep {step}: {mean:.4g}" for step, mean in pairs]
        parts.append(drawn)
    return parts

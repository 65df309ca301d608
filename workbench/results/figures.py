"""Figures of results and of learning curves, in percent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.results.frame import CONDITION, CURVES, records, require_columns
from workbench.results.grouping import conditions, labelled, varying
from workbench.results.style import (
    COLOURS,
    INK,
    Look,
    add_legend,
    label_panel,
    looks_of,
    panel_grid,
    side_by_side,
)
from workbench.results.summary import is_best, summary
from workbench.results.wording import condition_title, plus_minus

if TYPE_CHECKING:  # matplotlib takes longer to import than a table takes to make
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

X_LABELS = {
    "shots": "shots (support images per class)",
    "instance": "instance (number of the question within its task)",
}


def accuracy_figure(frame: pd.DataFrame) -> Figure:
    """Draw accuracy with 95% intervals by shots, a panel per data set and number of ways.

    Where tasks ask several times, the panels show accuracy by instance instead. Filled markers
    are measured, hollow ones published. Raises what `summary` raises.
    """
    table = summary(frame)
    looks = looks_of(table["method"])
    x_name = "instance" if table["instance"].nunique() > 1 else "shots"
    of_panel = [name for name in CONDITION if name != x_name]
    panels = list(table.groupby(of_panel, sort=False, dropna=False))
    figure, axes = panel_grid(len(panels), columns=3, width=4.6, height=3.7)
    for axis, (_, rows) in zip(axes, panels, strict=True):
        _draw_accuracies(axis, rows, x_name, looks)
        condition = records(rows[of_panel].head(1))[0]
        title = condition_title(condition, varying(table))
        label_panel(axis, title, X_LABELS[x_name], "accuracy, %", grid="y")
    add_legend(figure, looks, published=bool(table["published"].notna().any()))
    return figure


def _draw_accuracies(axis: Axes, rows: pd.DataFrame, x_name: str, looks: dict[str, Look]) -> None:
    """Draw the methods of a panel, side by side at each x, so that no interval hides another."""
    values = sorted(rows[x_name].dropna().unique())
    ticks = [str(value) for value in values]
    position = {value: place for place, value in enumerate(values)}
    if rows[x_name].isna().any():
        ticks.append("varying")
    places = rows[x_name].map(lambda value: position.get(value, len(values)))
    methods = rows["method"].unique()
    for method, offset in zip(methods, side_by_side(len(methods)), strict=True):
        cells = rows[rows["method"] == method].assign(place=places).sort_values("place")
        x = cells["place"].to_numpy(dtype=np.float64) + offset
        _draw_measured(axis, x, cells, looks[method])
        _draw_published(axis, x, cells, looks[method])
    axis.set(xticks=range(len(ticks)), xticklabels=ticks, xlim=(-0.5, len(ticks) - 0.5))


def _draw_measured(axis: Axes, x: NDArray[np.float64], cells: pd.DataFrame, look: Look) -> None:
    axis.errorbar(
        x,
        100 * cells["accuracy"],
        100 * cells["interval"],
        label=cells["method"].iloc[0],
        color=look.colour,
        marker=look.marker,
        linestyle=look.dash,
        linewidth=0.9,
        elinewidth=1.4,
        markersize=5,
        capsize=2.5,
        zorder=3,
    )


def _draw_published(axis: Axes, x: NDArray[np.float64], cells: pd.DataFrame, look: Look) -> None:
    known = cells["published"].notna().to_numpy()
    if not known.any():
        return
    spread = cells["published_interval"].astype(float)[known]
    bars = None if spread.isna().all() else spread.fillna(0)
    axis.errorbar(
        x[known],
        cells["published"].astype(float)[known],
        bars,
        label="published",
        color=look.colour,
        marker=look.marker,
        linestyle="none",
        elinewidth=0.8,
        markersize=9,
        markerfacecolor="none",
        alpha=0.8,
        zorder=3,
    )


def difference_figure(frame: pd.DataFrame) -> Figure:
    """Draw paired differences to the best method with 95% intervals, a panel per condition.

    Methods have the same order in all panels, the best on average on top. Raises what `summary`
    raises.
    """
    table = summary(frame)
    looks = looks_of(table["method"])
    averages = table.groupby("method", sort=False)["difference"].mean()
    order = list(averages.sort_values(ascending=False).index)
    panels = list(table.groupby(CONDITION, sort=False, dropna=False))
    columns = min(2, len(panels))
    names_width = 0.075 * max(len(name) for name in order)  # inches, in the first column only
    width = 4.4 + names_width / columns
    figure, axes = panel_grid(len(panels), columns, width=width, height=1.1 + 0.3 * len(order))
    for number, (axis, (_, rows)) in enumerate(zip(axes, panels, strict=True)):
        cells = records(rows)
        axis.axvline(0, color=INK, linewidth=0.8, zorder=1)
        for cell in cells:
            _draw_difference(axis, order.index(cell["method"]), cell, looks[cell["method"]])
        in_first_column = number % columns == 0
        names = order if in_first_column else [""] * len(order)
        axis.set(yticks=range(len(order)), yticklabels=names)
        axis.set_ylim(len(order) - 0.4, -0.6)
        axis.tick_params(axis="y", length=0)
        title = condition_title(cells[0], varying(table))
        label_panel(axis, title, "difference to the best, percentage points", grid="x")
    return figure


def _draw_difference(axis: Axes, place: int, cell: dict[str, Any], look: Look) -> None:
    """Draw one method's difference, and write it to the right of the panel."""
    value, spread = 100 * cell["difference"], 100 * cell["difference_interval"]
    axis.errorbar(
        [value],
        [place],
        xerr=None if np.isnan(spread) else [spread],
        label=cell["method"],
        color=look.colour,
        marker=look.marker,
        markersize=5,
        capsize=3,
        zorder=3,
    )
    words = plus_minus(value, spread, signed=True)
    if is_best(cell):
        words = f"best: {100 * cell['accuracy']:.1f}%"
    right = axis.get_yaxis_transform()  # x in 0..1 of the panel, y as the data
    axis.annotate(words, (1, place), (6, 0), right, "offset points", va="center", size=8, color=INK)


class _CurveRow(NamedTuple):
    """The learning curves of one row of panels."""

    title: str
    curves: pd.DataFrame


def curves_figure(curves: pd.DataFrame, frame: pd.DataFrame | None = None) -> Figure:
    """Draw learning curves: validation accuracy and training loss by step, a line per run.

    Args:
        curves: a frame with the columns `CURVES`. Runs with one label, such as seeds, look alike.
        frame: the tasks frame. With it, the runs of one condition share a row of panels, methods
            look as in the other figures, and runs that it does not contain are left out.

    Raises:
        WorkbenchError: a column is missing.
    """
    require_columns(curves, CURVES, "learning curves")
    if frame is None:
        looks = looks_of(curves["label"])
        rows = [_CurveRow("", curves)]
    else:
        frame = labelled(frame)
        looks = looks_of(frame["method"])
        rows = _curves_by_condition(curves, frame)
    figure, axes = panel_grid(2 * len(rows), columns=2, width=5.2, height=3.2)
    for row, left, right in zip(rows, axes[::2], axes[1::2], strict=True):
        _draw_row(left, right, row, looks)
    add_legend(figure, looks)
    return figure


def _curves_by_condition(curves: pd.DataFrame, frame: pd.DataFrame) -> list[_CurveRow]:
    """Return the curves of each condition; runs that share several conditions are drawn once."""
    varied = varying(frame)
    rows: dict[frozenset[str], _CurveRow] = {}
    for condition, part in conditions(frame):
        method_of_run = dict(zip(part["run"], part["method"], strict=True))
        runs = frozenset(method_of_run)
        if runs not in rows:
            of_runs = curves[curves["run"].isin(list(runs))]
            of_runs = of_runs.assign(label=of_runs["run"].map(method_of_run))
            rows[runs] = _CurveRow(condition_title(condition, varied), of_runs)
    return list(rows.values())


def _draw_row(left: Axes, right: Axes, row: _CurveRow, looks: dict[str, Look]) -> None:
    crowded = row.curves["run"].nunique() > len(COLOURS)
    for _, run in row.curves.groupby(["run", "label"], sort=False):
        run = run.sort_values("step")
        look = looks[run["label"].iloc[0]]
        _draw_accuracy_curve(left, run, look)
        _draw_loss_curve(right, run, look, raw=not crowded)
    left.set_xlim(right.get_xlim())
    label_panel(left, row.title, "step", "validation accuracy, %")
    label_panel(right, row.title, "step", "training loss, smoothed")
    for axis in (left, right):
        if not axis.lines:
            center: dict[str, Any] = {"ha": "center", "va": "center"}
            axis.text(0.5, 0.5, "not recorded", transform=axis.transAxes, color=INK, **center)


def _draw_accuracy_curve(axis: Axes, run: pd.DataFrame, look: Look) -> None:
    """Draw the accuracy at the steps that were validated."""
    validated = run[run["val_accuracy"].notna()]
    if validated.empty:
        return
    axis.plot(
        validated["step"],
        100 * validated["val_accuracy"],
        color=look.colour,
        linestyle=look.dash,
        marker=look.marker,
        markersize=4,
        label=run["label"].iloc[0],
    )


def _draw_loss_curve(axis: Axes, run: pd.DataFrame, look: Look, *, raw: bool) -> None:
    """Draw the running mean of the loss over a thirtieth of the steps, and the loss behind it."""
    window = max(1, len(run) // 30)
    if raw and window > 1:
        axis.plot(run["step"], run["loss"], color=look.colour, linewidth=0.5, alpha=0.25)
    smooth = run["loss"].rolling(window, min_periods=1, center=True).mean()
    axis.plot(
        run["step"], smooth, color=look.colour, linestyle=look.dash, label=run["label"].iloc[0]
    )

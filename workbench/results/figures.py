"""Figures of results and of learning curves, in percent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.plugin.options import parse_spec
from workbench.results.frame import CONDITION, CURVES, records, require_columns
from workbench.results.grouping import labelled, ordered, varying
from workbench.results.style import (
    COLOURS,
    INK,
    Look,
    add_legend,
    in_own_style,
    label_panel,
    looks_of,
    one_scale,
    panel_grid,
    shade_categories,
    side_by_side,
)
from workbench.results.summary import is_best, summary
from workbench.results.wording import condition_title, plus_minus, task_shape_text

if TYPE_CHECKING:  # matplotlib takes longer to import than a table takes to make
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEAR_GUESSING = 0.2  # results above only lose room to a line where guessing is
SHOTS_LABEL = "shots: support images per class"
# what an instance is, by the name of the protocol
INSTANCE_LABELS = {
    "prequential": "instance: 1 for the first image of its class",
    "stream": "instance: number of classes seen",
}
# what validation accuracies of one panel have in common
VALIDATED = ("train_on", "val_protocol", "val_ways", "val_shots")


@in_own_style
def accuracy_figure(frame: pd.DataFrame) -> Figure:
    """Draw accuracy with 95% intervals by shots, a panel per data set and number of ways.

    Where tasks ask several times, the panels show accuracy by instance instead. A dotted line is
    where guessing is, unless all results of the panel are far above. Filled markers are measured,
    hollow ones published. All panels have the same axes. Raises what `summary` raises.
    """
    table = summary(frame)
    looks = looks_of(table["method"])
    x_name = "instance" if table["instance"].nunique() > 1 else "shots"
    of_panel = columns_of_panel(table, x_name)
    panels = list(table.groupby(of_panel, sort=False, dropna=False))
    categories = x_categories(table, x_name)
    figure, axes = panel_grid(len(panels), columns=3, width=4.6, height=3.7)
    for axis, (_, rows) in zip(axes, panels, strict=True):
        _draw_accuracies(axis, rows, x_name, categories, looks)
        condition = records(rows[of_panel].head(1))[0]
        x_label = SHOTS_LABEL
        if x_name == "instance":
            x_label = instance_label(condition["protocol"])
        if pd.notna(condition["ways"]):
            guessing = 1 / condition["ways"]
            near = rows["accuracy"].min() - guessing < NEAR_GUESSING
            if near or x_name == "instance":  # the first question may not surpass it
                axis.axhline(100 * guessing, color=INK, linewidth=1, linestyle=":", zorder=1)
        title = condition_title(condition, varying(table))
        label_panel(axis, title, x_label, "accuracy, %", grid="y")
    one_scale(axes, "y")
    published = bool(table["published"].notna().any())
    add_legend(figure, looks, published=published, remarks=_remarks(table))
    return figure


def _remarks(table: pd.DataFrame) -> dict[str, str]:
    """Return what a reader must know to compare a method with the others, by method."""
    remarks = {}
    for method, cells in table.groupby("method", sort=False):
        words = [name for name in ("transductive", "oracle") if cells[name].any()]
        remarks[str(method)] = ", ".join(words)
    return remarks


def instance_label(protocol: str) -> str:
    """Return what an instance is in a protocol, a spec."""
    return INSTANCE_LABELS.get(parse_spec(protocol).name, "instance: number of the question")


def columns_of_panel(table: pd.DataFrame, x_name: str) -> list[str]:
    """Return the columns of a condition that the rows of a panel share.

    A data set with few images has fewer queries at more shots. That makes no panel of its own,
    unless one panel would then show two results of a method at one place.
    """
    of_panel = [name for name in CONDITION if name != x_name]
    without = [name for name in of_panel if name != "queries"]
    if table.duplicated([*without, x_name, "method"]).any():
        return of_panel
    return without


def x_categories(table: pd.DataFrame, x_name: str) -> dict[Any, str]:
    """Return the values of the x axis, each with its label; None where they vary among tasks."""
    values = table[x_name]
    unit = "-shot" if x_name == "shots" else ""
    labels: dict[Any, str] = {}
    for value in sorted(values.dropna().unique()):
        labels[int(value)] = f"{value}{unit}"
    if values.isna().any():
        labels[None] = "varying"
    return labels


def _draw_accuracies(
    axis: Axes,
    rows: pd.DataFrame,
    x_name: str,
    categories: Mapping[Any, str],
    looks: dict[str, Look],
) -> None:
    """Draw the methods of a panel, side by side in each category: no interval hides another."""
    position = {value: place for place, value in enumerate(categories)}
    methods = list(looks)
    offsets = dict(zip(methods, side_by_side(len(methods)), strict=True))
    shade_categories(axis, len(categories))
    for method in methods:
        cells = records(rows[rows["method"] == method])
        if not cells:
            continue
        table = pd.DataFrame(cells)
        x = np.array([position[cell[x_name]] + offsets[method] for cell in cells])
        _draw_measured(axis, x, table, looks[method])
        _draw_published(axis, x, table, looks[method])
    ends = (-0.5, len(categories) - 0.5)
    axis.set(xticks=range(len(categories)), xticklabels=list(categories.values()), xlim=ends)


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
    # other spreads are no intervals, so they are not drawn beside those of our own results
    intervals = cells["published_spread_kind"] == "interval"
    spread = cells["published_spread"].astype(float).where(intervals)[known]
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


def has_differences(table: pd.DataFrame) -> bool:
    """Return whether some condition of a summary has several methods."""
    return bool((table.groupby(CONDITION, dropna=False)["method"].nunique() > 1).any())


@in_own_style
def difference_figure(frame: pd.DataFrame) -> Figure:
    """Draw paired differences to the best method with 95% intervals, a panel per condition.

    Methods have the order of all tables and figures. Conditions with one method are left out,
    unless all are such. Raises what `summary` raises.
    """
    table = summary(frame)
    looks = looks_of(table["method"])
    order = list(looks)
    panels = []
    for _, rows in table.groupby(CONDITION, sort=False, dropna=False):
        if len(rows) > 1 or not has_differences(table):
            panels.append(records(rows))
    columns = min(2, len(panels))
    names_width = 0.075 * max(len(name) for name in order)  # inches, in the first column only
    width = 4.4 + names_width / columns
    figure, axes = panel_grid(len(panels), columns, width=width, height=1.1 + 0.3 * len(order))
    for number, (axis, cells) in enumerate(zip(axes, panels, strict=True)):
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
    one_scale(axes, "x")
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


@in_own_style
def curves_figure(curves: pd.DataFrame, frame: pd.DataFrame | None = None) -> Figure:
    """Draw learning curves: validation accuracy and training loss by step, a line per run.

    A row of panels has the runs that were validated on the same tasks, which its heading names.
    These are not the test's tasks: methods that draw no tasks are validated at 5 shots.

    Args:
        curves: a frame with the columns `CURVES`. Runs with one label, such as seeds, look alike.
        frame: the tasks frame. With it, methods look as in the other figures, and runs that it
            does not contain are left out.

    Raises:
        WorkbenchError: a column is missing.
    """
    require_columns(curves, CURVES, "learning curves")
    if frame is not None:
        frame = labelled(frame)
        looks = looks_of(frame["method"])
        method_of_run = dict(zip(frame["run"], frame["method"], strict=True))
        curves = curves[curves["run"].isin(list(method_of_run))]
        curves = curves.assign(label=curves["run"].map(method_of_run))
    else:
        looks = looks_of(curves["label"])
    rows = [
        part
        for _, part in ordered(curves, VALIDATED).groupby(list(VALIDATED), sort=False, dropna=False)
    ]
    figure, axes = panel_grid(2 * max(1, len(rows)), columns=2, width=5.2, height=3.2)
    for row, left, right in zip(rows or [curves], axes[::2], axes[1::2], strict=True):
        _draw_row(left, right, row, looks)
    one_scale(axes[::2], "y")
    add_legend(figure, looks)
    return figure


def curve_titles(row: pd.DataFrame) -> tuple[str, str]:
    """Return the headings of the accuracy and the loss of runs that were validated alike."""
    if row.empty:
        return "validation", "training"
    (first,) = records(row.head(1))
    words = {"protocol": first["val_protocol"], "ways": first["val_ways"]}
    shape = task_shape_text({**words, "shots": first["val_shots"]})
    data = first["train_on"]
    return f"validation classes of {data}, {shape}", f"training classes of {data}"


def _draw_row(left: Axes, right: Axes, row: pd.DataFrame, looks: dict[str, Look]) -> None:
    crowded = row["run"].nunique() > len(COLOURS)
    for label, look in looks.items():
        for _, run in row[row["label"] == label].groupby("run", sort=False):
            run = run.sort_values("step")
            _draw_accuracy_curve(left, run, look)
            _draw_loss_curve(right, run, look, raw=not crowded)
    left.set_xlim(right.get_xlim())
    of_accuracy, of_loss = curve_titles(row)
    label_panel(left, of_accuracy, "step", "validation accuracy, %")
    label_panel(right, of_loss, "step", "training loss, smoothed")
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
    smooth = smoothed_loss(run)
    if raw and not smooth.equals(run["loss"]):
        axis.plot(run["step"], run["loss"], color=look.colour, linewidth=0.5, alpha=0.25)
    axis.plot(
        run["step"], smooth, color=look.colour, linestyle=look.dash, label=run["label"].iloc[0]
    )


def smoothed_loss(run: pd.DataFrame) -> pd.Series[float]:
    """Return the running mean of the loss over a thirtieth of the steps of a run."""
    window = max(1, len(run) // 30)
    return run["loss"].rolling(window, min_periods=1, center=True).mean()

"""Figures of results and of learning curves, in percent; colours that colour-blind readers tell apart.

No pyplot, hence no global state: a Figure is drawn where it is shown or saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import WorkbenchError
from workbench.results.frame import CONDITION, conditions, labelled, varying
from workbench.results.summary import is_best, summary
from workbench.results.wording import condition_title, plus_minus

if TYPE_CHECKING:  # matplotlib takes longer to import than a table takes to make
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES = ["run", "label", "step", "loss", "val_accuracy"]

# Okabe and Ito's colours, told apart by colour-blind readers; without their yellow, too pale on white.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#8C6D31"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<"]
DASHES = ["-", "--", ":", "-."]
INK, PALE, SOFT = "#333333", "#DDDDDD", "#EEEEEE"
Look = tuple[str, str, str]  # colour, marker, line style


AXES = {
    "shots": "shots (labelled examples a class)",
    "instance": "instance (which example of its class, or classes met)",
}


def accuracy_figure(frame: pd.DataFrame) -> Figure:
    """Accuracy with 95% intervals by shots, a panel for each data set and number of ways.

    Filled markers are measured, hollow ones published. Raises what `summary` raises.
    """
    table = summary(frame)
    looks = _looks(table["method"])
    along = "instance" if table["instance"].nunique() > 1 else "shots"
    apart = [name for name in CONDITION if name != along]
    panels = list(table.groupby(apart, sort=False, dropna=False))
    figure, axes = _grid(len(panels), columns=3, width=4.6, height=3.7)
    for axis, (_, part) in zip(axes, panels, strict=True):
        ticks = sorted(part[along].unique())
        present = part["method"].unique()
        # methods stand side by side within a category, so that no interval hides another
        for method, offset in zip(present, _dodge(len(present)), strict=True):
            cells = part[part["method"] == method].sort_values(along)
            x = np.array([ticks.index(value) for value in cells[along]]) + offset
            _accuracies(axis, x, cells, looks[method])
        labels = [str(value) if value or along == "instance" else "vary" for value in ticks]
        axis.set(xticks=range(len(ticks)), xticklabels=labels, xlim=(-0.5, len(ticks) - 0.5))
        title = condition_title({name: part[name].iloc[0] for name in apart}, varying(table))
        _describe(axis, title, AXES[along], "accuracy, %", grid="y")
    _legend(figure, looks, published=bool(table["published"].notna().any()))
    return figure


def _accuracies(axis: Axes, x: NDArray[np.float64], cells: pd.DataFrame, look: Look) -> None:
    """Draw one method's cells at `x`: measured with its intervals, published where it is known."""
    colour, marker, dash = look
    style: dict[str, Any] = {"color": colour, "marker": marker, "zorder": 3}
    measured: dict[str, Any] = {
        "label": cells["method"].iloc[0],
        "linestyle": dash,
        "linewidth": 0.9,
        "markersize": 5,
        "capsize": 2.5,
    }
    axis.errorbar(
        x, 100 * cells["accuracy"], 100 * cells["interval"], elinewidth=1.4, **measured, **style
    )
    known = cells["published"].notna().to_numpy()
    if known.any():
        hollow: dict[str, Any] = {
            "label": "published",
            "linestyle": "none",
            "markersize": 9,
            "markerfacecolor": "none",
            "alpha": 0.8,
        }
        spread = cells["published_interval"].astype(float)[known]
        bars = None if spread.isna().all() else spread.fillna(0)
        axis.errorbar(
            x[known],
            cells["published"].astype(float)[known],
            bars,
            elinewidth=0.8,
            **hollow,
            **style,
        )


def difference_figure(frame: pd.DataFrame) -> Figure:
    """Paired differences to the best method with 95% intervals, a panel for each condition.

    Methods stand in one order in all panels, the best on average on top. Raises what `summary` raises.
    """
    table = summary(frame)
    looks = _looks(table["method"])
    order = list(
        table.groupby("method", sort=False)["difference"].mean().sort_values(ascending=False).index
    )
    panels = list(table.groupby(CONDITION, sort=False, dropna=False))
    columns = min(2, len(panels))
    names = 0.075 * max(len(name) for name in order)  # inches that they take, in the first column
    figure, axes = _grid(
        len(panels), columns, width=4.4 + names / columns, height=1.1 + 0.3 * len(order)
    )
    for i, (axis, (_, part)) in enumerate(zip(axes, panels, strict=True)):
        axis.axvline(0, color=INK, linewidth=0.8, zorder=1)
        for cell in part.to_dict("records"):
            place, (colour, marker, _) = order.index(cell["method"]), looks[cell["method"]]
            value, spread = 100 * cell["difference"], 100 * cell["difference_interval"]
            bar = None if np.isnan(spread) else [spread]
            style: dict[str, Any] = {
                "color": colour,
                "marker": marker,
                "markersize": 5,
                "capsize": 3,
                "zorder": 3,
            }
            axis.errorbar([value], [place], xerr=bar, label=cell["method"], **style)
            words = (
                f"best: {100 * cell['accuracy']:.1f}%"
                if is_best(cell)
                else plus_minus(value, spread, sign=True)
            )
            right = axis.get_yaxis_transform()  # x in 0..1 of the panel, y as the data
            axis.annotate(
                words, (1, place), (6, 0), right, "offset points", va="center", size=8, color=INK
            )
        axis.set(yticks=range(len(order)), yticklabels=[""] * len(order) if i % columns else order)
        axis.set_ylim(len(order) - 0.4, -0.6)
        axis.tick_params(axis="y", length=0)
        title = condition_title(part.iloc[0].to_dict(), varying(table))
        _describe(axis, title, "difference to the best, percentage points", grid="x")
    return figure


def curves_figure(curves: pd.DataFrame, frame: pd.DataFrame | None = None) -> Figure:
    """Learning curves: validation accuracy and training loss against the step, a line for each run.

    Args:
        curves: columns `run`, `label`, `step`, `loss` and `val_accuracy` (0..1, NaN where not validated). Runs with
            one label, such as seeds, look alike.
        frame: the tasks frame. With it, the runs behind one condition share a row of panels, methods look as in the
            other figures, and runs that it does not name are left out.

    Raises:
        WorkbenchError: a column is missing.
    """
    if missing := [name for name in CURVES if name not in curves]:
        raise WorkbenchError(
            f"This is no frame of learning curves: it has no column {', '.join(missing)}."
        )
    looks, groups = _curve_groups(curves, frame)
    figure, axes = _grid(2 * len(groups), columns=2, width=5.2, height=3.2)
    for (title, rows), left, right in zip(groups, axes[::2], axes[1::2], strict=True):
        crowd = rows["run"].nunique() > len(COLOURS)
        for _, run in rows.groupby(["run", "label"], sort=False):
            _curve(left, right, run, looks[run["label"].iloc[0]], raw=not crowd)
        left.set_xlim(right.get_xlim())
        for axis, what in ((left, "validation accuracy, %"), (right, "training loss, smoothed")):
            _describe(axis, title, "step", what)
            if not axis.lines:
                axis.text(
                    0.5,
                    0.5,
                    "none was recorded",
                    ha="center",
                    va="center",
                    transform=axis.transAxes,
                    color=INK,
                )
    _legend(figure, looks)
    return figure


def _curve(left: Axes, right: Axes, rows: pd.DataFrame, look: Look, raw: bool) -> None:
    """Draw one run: accuracy where it was validated, and the running mean of the loss over what was recorded."""
    colour, marker, dash = look
    rows = rows.sort_values("step")
    label = rows["label"].iloc[0]
    validated = rows[rows["val_accuracy"].notna()]
    if len(validated):
        style: dict[str, Any] = {
            "color": colour,
            "linestyle": dash,
            "marker": marker,
            "markersize": 4,
            "label": label,
        }
        left.plot(validated["step"], 100 * validated["val_accuracy"], **style)
    window = max(1, len(rows) // 30)
    if raw and window > 1:
        right.plot(rows["step"], rows["loss"], color=colour, linewidth=0.5, alpha=0.25)
    smooth = rows["loss"].rolling(window, min_periods=1, center=True).mean()
    right.plot(rows["step"], smooth, color=colour, linestyle=dash, label=label)


def _curve_groups(
    curves: pd.DataFrame, frame: pd.DataFrame | None
) -> tuple[dict[str, Look], list[tuple[str, pd.DataFrame]]]:
    """Looks by label, and (title, curves) for each row of panels."""
    if frame is None:
        return _looks(curves["label"]), [("", curves)]
    named = labelled(frame)
    groups: dict[frozenset[str], tuple[str, pd.DataFrame]] = {}
    for condition, part in conditions(named):
        of_run = dict(zip(part["run"], part["method"], strict=True))
        rows = curves[curves["run"].isin(list(of_run))]
        # runs that were judged under several conditions are drawn once
        groups.setdefault(
            frozenset(of_run),
            (
                condition_title(condition, varying(named)),
                rows.assign(label=rows["run"].map(of_run)),
            ),
        )
    return _looks(named["method"]), list(groups.values())


def _looks(names: pd.Series[str]) -> dict[str, Look]:
    """A look for each name, in order of appearance; past eight the colours come again with another marker."""
    each = enumerate(names.unique())
    return {
        name: (COLOURS[i % 8], MARKERS[(i + i // 8) % 8], DASHES[i // 8 % 4]) for i, name in each
    }


def _grid(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels of `width` x `height` inches, row by row."""
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(
        figsize=(max(5.0, columns * width), rows * height), layout="constrained", facecolor="white"
    )
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in panels[count:]:
        spare.remove()
    for axis in panels[:count]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_axisbelow(True)
        axis.tick_params(colors=INK, labelsize=9)
    return figure, panels[:count]


def _describe(
    axis: Axes, title: str, x: str, y: str = "", grid: Literal["x", "y", "both"] = "both"
) -> None:
    """Titles, small enough for long names of data and broken where they would meet the next panel's."""
    axis.set_title(fill(title, 50, break_on_hyphens=False), fontsize=10)
    axis.set_xlabel(x, fontsize=9.5)
    axis.set_ylabel(y, fontsize=9.5)
    axis.grid(axis=grid, color=PALE)


def _dodge(count: int) -> list[float]:
    """Offsets of `count` neighbours round 0, at most 0.3 to either side of a category."""
    half = min(0.3, 0.06 * (count - 1))
    return [float(x) for x in np.linspace(-half, half, count)] if count > 1 else [0.0]


def _legend(figure: Figure, looks: Mapping[str, Look], published: bool = False) -> None:
    """One legend under all panels, where it covers no data and takes no panel's width."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle=dash, label=name)  # type: ignore[arg-type]
        for name, (colour, marker, dash) in looks.items()
    ]
    if published:
        hollow: dict[str, Any] = {
            "marker": "o",
            "markersize": 8,
            "markerfacecolor": "none",
            "linestyle": "none",
        }
        handles.append(Line2D([], [], color=INK, label="hollow: published", **hollow))
    if not handles:
        return
    letters = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(figure.get_figwidth() / (0.7 + 0.07 * letters))))
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(handles) // columns))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
        handlelength=3,
    )

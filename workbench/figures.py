"""Figures of results and of learning curves, in percent; colours that colour-blind readers tell apart.

No pyplot, hence no global state: a Figure is drawn where it is shown or saved.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from textwrap import fill, wrap
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import WorkbenchError
from workbench.report import (
    CONDITION,
    baseline_words,
    blocks,
    broken,
    common_signs,
    condition_title,
    conditions,
    is_best,
    is_matrix,
    labelled,
    legend,
    plus_minus,
    signs,
    summary,
    training_words,
    varying,
)

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
    axis.errorbar(x, 100 * cells["accuracy"], 100 * cells["interval"], elinewidth=1.4, **measured, **style)
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
        axis.errorbar(x[known], cells["published"].astype(float)[known], bars, elinewidth=0.8, **hollow, **style)


def difference_figure(frame: pd.DataFrame) -> Figure:
    """Paired differences to the best method with 95% intervals, a panel for each condition.

    Methods stand in one order in all panels, the best on average on top. Raises what `summary` raises.
    """
    table = summary(frame)
    looks = _looks(table["method"])
    order = list(table.groupby("method", sort=False)["difference"].mean().sort_values(ascending=False).index)
    panels = list(table.groupby(CONDITION, sort=False, dropna=False))
    columns = min(2, len(panels))
    names = 0.075 * max(len(name) for name in order)  # inches that they take, in the first column
    figure, axes = _grid(len(panels), columns, width=4.4 + names / columns, height=1.1 + 0.3 * len(order))
    for i, (axis, (_, part)) in enumerate(zip(axes, panels, strict=True)):
        axis.axvline(0, color=INK, linewidth=0.8, zorder=1)
        for cell in part.to_dict("records"):
            place, (colour, marker, _) = order.index(cell["method"]), looks[cell["method"]]
            value, spread = 100 * cell["difference"], 100 * cell["difference_interval"]
            bar = None if np.isnan(spread) else [spread]
            style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 5, "capsize": 3, "zorder": 3}
            axis.errorbar([value], [place], xerr=bar, label=cell["method"], **style)
            words = f"best: {100 * cell['accuracy']:.1f}%" if is_best(cell) else plus_minus(value, spread, sign=True)
            right = axis.get_yaxis_transform()  # x in 0..1 of the panel, y as the data
            axis.annotate(words, (1, place), (6, 0), right, "offset points", va="center", size=8, color=INK)
        axis.set(yticks=range(len(order)), yticklabels=[""] * len(order) if i % columns else order)
        axis.set_ylim(len(order) - 0.4, -0.6)
        axis.tick_params(axis="y", length=0)
        title = condition_title(part.iloc[0].to_dict(), varying(table))
        _describe(axis, title, "difference to the best, percentage points", grid="x")
    return figure


COLUMN, ROW = 1.08, 0.46  # inches of a cell of the heat map
ABREAST = 12  # columns of the heat map side by side; more go below
FURTHEST = 15.0  # percentage points with the strongest colour: beyond it a floor would pale all others


def heatmap_figure(frame: pd.DataFrame, baseline: Sequence[str] = ()) -> Figure:
    """Methods by test data sets: each cell its accuracy, coloured by the paired difference to the best baseline.

    Blocks of columns for training data and shots. A cell whose difference the tasks do not tell from zero says so.
    Chance is said under the figure. Raises what `summary` raises, and `WorkbenchError` where there is no matrix.

    Args:
        frame: one row a test task.
        baseline: the methods among which the baseline of each column is the best; if left out, see
            `report.baselines`.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize
    from matplotlib.figure import Figure

    table = summary(frame, baseline)
    if not is_matrix(table):
        raise WorkbenchError(
            "A heat map needs several test data sets, or several training sets, and one question a task."
        )
    methods = list(table["method"].unique())
    shared = common_signs(table)
    names = [broken(f"{name} {shared[name]}".rstrip(), 34) for name in methods]
    strips = _strips(blocks(table))
    difference = table["to_baseline"].abs()
    furthest = float(np.clip(np.ceil(100 * difference.max()), 1, FURTHEST)) if difference.notna().any() else 1.0
    # the darkest ends are left out, so that black words can be read on every cell
    colours = ScalarMappable(
        Normalize(-furthest, furthest), ListedColormap(colormaps["RdBu"](np.linspace(0.18, 0.82, 256)))
    )

    left = 0.3 + 0.078 * max(len(line) for name in names for line in name.split("\n"))
    width = max(left + COLUMN * max(_right(strip) for strip in strips) + 0.2, 7.0)
    words = _heat_words(table, baseline)
    lines = _lines(words, int(width / 0.066))
    tops = [
        0.24 + 0.15 * _labelled(strip) + 0.16 * max(block.title.count("\n") + 1 for block in strip) for strip in strips
    ]
    foot = 0.85 + 0.16 * len(lines)
    height = sum(tops) + (ROW * len(methods) + 0.15) * len(strips) + foot
    figure = Figure(figsize=(width, height), facecolor="white")
    top = height
    for strip, head in zip(strips, tops, strict=True):
        top -= head + ROW * len(methods)
        across = COLUMN * _right(strip)
        axis = figure.add_axes((left / width, top / height, across / width, ROW * len(methods) / height))
        _strip(axis, strip, dict(zip(methods, names, strict=True)), shared, colours)
        top -= 0.15
    bar = figure.add_axes((left / width, (foot - 0.4) / height, min(4.0, width - left - 0.3) / width, 0.13 / height))
    beyond = bool((100 * difference > furthest).any())
    scale = figure.colorbar(colours, cax=bar, orientation="horizontal", extend="both" if beyond else "neither")
    scale.outline.set_visible(False)
    bar.tick_params(labelsize=8, colors=INK)
    bar.set_title("difference to the baseline, percentage points", fontsize=8.5, color=INK, loc="left", pad=3)
    figure.text(
        0.12 / width, (foot - 0.82) / height, "\n".join(lines), fontsize=8, color=INK, va="top", linespacing=1.35
    )
    return figure


class _Block(NamedTuple):
    """Columns of the heat map that share a title."""

    title: str
    first: float  # where its first column begins, in columns
    labels: list[str]
    columns: list[dict[str, dict[Hashable, Any]]]  # by column and method, rows of the summary


def _strips(found: Sequence[tuple[str, pd.DataFrame]]) -> list[list[_Block]]:
    """Blocks side by side, and below where there are more than `ABREAST` columns."""
    strips: list[list[_Block]] = [[]]
    for title, part in found:
        each = [(str(place), rows) for place, rows in part.groupby("test_on", sort=False)]
        for start in range(0, len(each), ABREAST):
            some = each[start : start + ABREAST]
            held = sum(len(block.labels) for block in strips[-1])
            if held and held + len(some) > ABREAST:
                strips.append([])
            first = _right(strips[-1]) + 0.2 if strips[-1] else 0.0
            columns = [{cell["method"]: cell for cell in rows.to_dict("records")} for _, rows in some]
            wide = "\n".join(broken(line, max(14, 12 * len(some))) for line in title.split("\n"))
            strips[-1].append(_Block(wide, first, [broken(place, 16) for place, _ in some], columns))
    return strips


def _right(strip: Sequence[_Block]) -> float:
    """Where a strip ends, in columns."""
    return strip[-1].first + len(strip[-1].labels)


def _labelled(strip: Sequence[_Block]) -> int:
    """The lines of the longest label of a strip's columns."""
    return max(label.count("\n") + 1 for block in strip for label in block.labels)


def _strip(
    axis: Axes, strip: Sequence[_Block], methods: Mapping[str, str], shared: Mapping[str, str], colours: Any
) -> None:
    """Draw blocks side by side, a row for each method; `methods` maps to what is written at its row."""
    for block in strip:
        middle = block.first + len(block.labels) / 2
        above: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "bottom"}
        over = (0, 8 + 10.8 * _labelled(strip))
        axis.annotate(block.title, (middle, 0), over, **above, size=9.5, weight="bold", color=INK)
        for number, (label, cells) in enumerate(zip(block.labels, block.columns, strict=True)):
            x = block.first + number
            axis.annotate(label, (x + 0.5, 0), (0, 4), **above, size=8.5, color=INK)
            for row, method in enumerate(methods):
                if method in cells:
                    _heat(axis, x, row, cells[method], shared[method], colours)
    axis.set(xlim=(-0.02, _right(strip) + 0.02), ylim=(len(methods) + 0.02, -0.02), xticks=[])
    axis.set_yticks(np.arange(len(methods)) + 0.5, list(methods.values()), fontsize=9)
    axis.tick_params(length=0, colors=INK)
    axis.spines[:].set_visible(False)


def _heat(axis: Axes, x: float, y: float, cell: Mapping[Any, Any], shared: str, colours: Any) -> None:
    """Draw one cell: accuracy and interval, and below it the difference to the baseline."""
    from matplotlib.patches import Rectangle

    value, spread = 100 * cell["to_baseline"], 100 * cell["to_baseline_interval"]
    unknown, chosen = np.isnan(value), cell["method"] == cell["baseline"]
    colour = SOFT if unknown else colours.to_rgba(value)
    axis.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="white", linewidth=1.5))
    if chosen:
        axis.add_patch(Rectangle((x + 0.03, y + 0.05), 0.94, 0.9, fill=False, edgecolor=INK, linewidth=1.2))
    below = "" if unknown else "baseline" if chosen else plus_minus(value, np.nan, sign=True)
    same = not unknown and not chosen and not abs(value) > spread  # not known is not told apart either
    both = f"≈ {below}" if same else below
    height = 0.36 if both else 0.5
    own = "".join(sign for sign in signs(cell) if sign not in shared)
    accuracy = f"{plus_minus(100 * cell['accuracy'], 100 * cell['interval'])} {own}".rstrip()
    axis.text(x + 0.5, y + height, accuracy, ha="center", va="center", size=8, color="black")
    style: Any = "italic" if same else "normal"
    axis.text(x + 0.5, y + 0.72, both, ha="center", va="center", size=7.5, color="black", style=style)


def _heat_words(table: pd.DataFrame, baseline: Sequence[str]) -> list[str]:
    """The legend of the heat map."""
    words = [
        "A cell: mean accuracy over test tasks ± 95% interval, %; below it the paired difference to the baseline.",
        f"Baseline of a column, framed: {baseline_words(table, baseline)}. The best is so on these same tasks, which "
        "favours it.",
    ]
    told = table["to_baseline"].abs() > table["to_baseline_interval"]
    if (table["to_baseline"].notna() & (table["method"] != table["baseline"]) & ~told).any():
        words.append("≈: the 95% interval of the difference includes 0, so these tasks do not tell the two apart.")
    if (table["baseline"] == "").any():
        words.append("Grey: no baseline was judged there.")
    ways = sorted(set(table["ways"]) - {0})
    if ways:
        chances = [f"{100 / way:.3g}%" + (f" at {way} ways" if len(ways) > 1 else "") for way in ways]
        words.append(f"Chance: {', '.join(chances)}.")
    if trained := training_words(table):
        words.append(f"All {trained}.")
    return [*words, *(f"{line}." for line in legend(table))]


def _lines(sentences: Sequence[str], width: int) -> list[str]:
    """Sentences as lines, each beginning on its own."""
    return [line for sentence in sentences for line in wrap(sentence, width, break_on_hyphens=False)]


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
        raise WorkbenchError(f"This is no frame of learning curves: it has no column {', '.join(missing)}.")
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
                axis.text(0.5, 0.5, "none was recorded", ha="center", va="center", transform=axis.transAxes, color=INK)
    _legend(figure, looks)
    return figure


def _curve(left: Axes, right: Axes, rows: pd.DataFrame, look: Look, raw: bool) -> None:
    """Draw one run: accuracy where it was validated, and the running mean of the loss over what was recorded."""
    colour, marker, dash = look
    rows = rows.sort_values("step")
    label = rows["label"].iloc[0]
    validated = rows[rows["val_accuracy"].notna()]
    if len(validated):
        style: dict[str, Any] = {"color": colour, "linestyle": dash, "marker": marker, "markersize": 4, "label": label}
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
            frozenset(of_run), (condition_title(condition, varying(named)), rows.assign(label=rows["run"].map(of_run)))
        )
    return _looks(named["method"]), list(groups.values())


def _looks(names: pd.Series[str]) -> dict[str, Look]:
    """A look for each name, in order of appearance; past eight the colours come again with another marker."""
    each = enumerate(names.unique())
    return {name: (COLOURS[i % 8], MARKERS[(i + i // 8) % 8], DASHES[i // 8 % 4]) for i, name in each}


def _grid(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels of `width` x `height` inches, row by row."""
    from matplotlib.figure import Figure

    columns = min(columns, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(max(5.0, columns * width), rows * height), layout="constrained", facecolor="white")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in panels[count:]:
        spare.remove()
    for axis in panels[:count]:
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_axisbelow(True)
        axis.tick_params(colors=INK, labelsize=9)
    return figure, panels[:count]


def _describe(axis: Axes, title: str, x: str, y: str = "", grid: Literal["x", "y", "both"] = "both") -> None:
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
        hollow: dict[str, Any] = {"marker": "o", "markersize": 8, "markerfacecolor": "none", "linestyle": "none"}
        handles.append(Line2D([], [], color=INK, label="hollow: published", **hollow))
    if not handles:
        return
    letters = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, min(len(handles), int(figure.get_figwidth() / (0.7 + 0.07 * letters))))
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-len(handles) // columns))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9, handlelength=3)

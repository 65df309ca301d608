"""The heat map: methods by test data sets, coloured by the difference to the best baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.results.baselines import baseline_words
from workbench.results.frame import records
from workbench.results.heatmap_layout import Box, Rows, Strip, heatmap_layout, label_lines
from workbench.results.marks import legend, own_signs
from workbench.results.matrix import is_matrix, training_words
from workbench.results.style import INK, SOFT, in_own_style
from workbench.results.summary import summary
from workbench.results.wording import enumerated, plus_minus

if TYPE_CHECKING:  # matplotlib takes longer to import than a table takes to make
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

STRONGEST = 15.0  # points with the darkest colour: a method at chance would pale all others


@in_own_style
def heatmap_figure(frame: pd.DataFrame, baseline: Sequence[str] = ()) -> Figure:
    """Draw methods by test data sets, in blocks by training data and shape of tasks.

    A cell has the accuracy and the paired difference to the best baseline, which is its colour. It
    is marked where the tasks do not tell the two apart. The legend is below.

    Args:
        frame: a tasks frame.
        baseline: baselines by algorithm or label; if omitted, see `baselines`.

    Raises:
        WorkbenchError: there is one data set only, or tasks ask several times; or as for `summary`.
    """
    from workbench.results.own_figure import OwnFigure

    table = summary(frame, baseline)
    if not is_matrix(table):
        raise WorkbenchError(
            "A heat map needs several test or training data sets, and one question per task."
        )
    layout = heatmap_layout(table, _legend_sentences(table, baseline))
    colours = _colours(table)
    figure = OwnFigure(figsize=(layout.width, layout.height), facecolor="white")
    for strip, box in layout.placed_strips():
        _draw_strip(_add_axes(figure, box), strip, layout.rows, colours)
    _draw_colour_bar(figure, _add_axes(figure, layout.colour_bar), colours, table)
    figure.text(
        0.12 / layout.width,
        (layout.foot - 0.82) / layout.height,
        "\n".join(layout.legend),
        fontsize=8,
        color=INK,
        va="top",
        linespacing=1.35,
    )
    return figure


def _add_axes(figure: Figure, box: Box) -> Axes:
    across, up = figure.get_figwidth(), figure.get_figheight()
    return figure.add_axes(
        (box.left / across, box.bottom / up, box.width / across, box.height / up)
    )


def _colours(table: pd.DataFrame) -> ScalarMappable:
    """Return the colour scale of differences in points, symmetric around 0."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    largest = 100 * table["to_baseline"].abs().max()
    limit = 1.0
    if not np.isnan(largest):
        limit = float(np.clip(np.ceil(largest), 1, STRONGEST))
    # without the darkest ends, so that black words can be read on every cell
    colours = ListedColormap(colormaps["RdBu"](np.linspace(0.18, 0.82, 256)))
    return ScalarMappable(Normalize(-limit, limit), colours)


def _draw_colour_bar(
    figure: Figure, axis: Axes, colours: ScalarMappable, table: pd.DataFrame
) -> None:
    beyond = (100 * table["to_baseline"].abs() > colours.norm.vmax).any()
    extend = "both" if beyond else "neither"
    scale = figure.colorbar(colours, cax=axis, orientation="horizontal", extend=extend)
    scale.outline.set_visible(False)
    axis.tick_params(labelsize=8, colors=INK)
    title = "difference to the baseline, percentage points"
    axis.set_title(title, fontsize=8.5, color=INK, loc="left", pad=3)


def _draw_strip(axis: Axes, strip: Strip, rows: Rows, colours: ScalarMappable) -> None:
    """Draw blocks side by side, a row per method."""
    above: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "bottom"}
    above["color"] = INK
    title_offset = (0, 8 + 10.8 * label_lines(strip))
    for block in strip:
        middle = (block.left + block.right) / 2
        axis.annotate(block.title, (middle, 0), title_offset, size=9.5, weight="bold", **above)
        for number, column in enumerate(block.columns):
            x = block.left + number
            axis.annotate(column.label, (x + 0.5, 0), (0, 4), size=8.5, **above)
            for y, method in enumerate(rows.labels):
                if method in column.cells:
                    signs = own_signs(column.cells[method], rows.shared_signs[method])
                    _draw_cell(axis, (x, y), column.cells[method], signs, colours)
    count = len(rows.labels)
    axis.set(xlim=(-0.02, strip[-1].right + 0.02), ylim=(count + 0.02, -0.02), xticks=[])
    axis.set_yticks(np.arange(count) + 0.5, list(rows.labels.values()), fontsize=9)
    axis.tick_params(length=0, colors=INK)
    axis.spines[:].set_visible(False)


def _draw_cell(
    axis: Axes,
    corner: tuple[float, float],
    cell: Mapping[str, Any],
    signs: str,
    colours: ScalarMappable,
) -> None:
    """Draw one cell: accuracy and interval, and below it the difference to the baseline."""
    from matplotlib.patches import Rectangle

    x, y = corner
    colour: Any = SOFT
    if not np.isnan(cell["to_baseline"]):
        colour = colours.to_rgba(100 * cell["to_baseline"])
    axis.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="white", linewidth=1.5))
    if cell["method"] == cell["baseline"]:
        frame = Rectangle((x + 0.03, y + 0.05), 0.94, 0.9, fill=False)
        frame.set(edgecolor=INK, linewidth=1.2)
        axis.add_patch(frame)
    accuracy = plus_minus(100 * cell["accuracy"], 100 * cell["interval"])
    below = _difference_words(cell)
    height = 0.36 if below else 0.5
    centered: dict[str, Any] = {"ha": "center", "va": "center", "color": "black"}
    axis.text(x + 0.5, y + height, f"{accuracy} {signs}".rstrip(), size=8, **centered)
    style: Any = "italic" if _is_undecided(cell) else "normal"
    axis.text(x + 0.5, y + 0.72, below, size=7.5, style=style, **centered)


def _difference_words(cell: Mapping[str, Any]) -> str:
    """Return what stands below a cell's accuracy; "≈" where the two are not told apart."""
    if cell["method"] == cell["baseline"]:
        return "baseline"
    if np.isnan(cell["to_baseline"]):
        return ""
    words = plus_minus(100 * cell["to_baseline"], np.nan, signed=True)
    if _is_undecided(cell):
        return f"≈ {words}"
    return words


def _is_undecided(cell: Mapping[str, Any]) -> bool:
    """Return whether the tasks do not tell a method apart from its baseline.

    They do where the interval of the difference excludes 0; an unknown interval excludes nothing.
    """
    if cell["method"] == cell["baseline"] or np.isnan(cell["to_baseline"]):
        return False  # there is nothing to tell apart
    return not abs(cell["to_baseline"]) > cell["to_baseline_interval"]


def _legend_sentences(table: pd.DataFrame, baseline: Sequence[str]) -> list[str]:
    """Return the sentences of the legend."""
    words = [
        "Each cell: mean accuracy on the test tasks ± 95% interval, in %.",
        "Below it: paired difference to the column's baseline, in percentage points.",
        f"Baseline of a column (framed): {baseline_words(table, baseline)}.",
    ]
    if len(baseline) != 1:
        words.append("It is chosen by its accuracy on these same tasks, which favours it.")
    if any(_is_undecided(cell) for cell in records(table)):
        words.append(
            "≈: the 95% interval of the difference includes 0, so these tasks do not tell the two "
            "apart."
        )
    if (table["baseline"] == "").any():
        words.append("Grey: no baseline was evaluated there.")
    words += _chance_words(table)
    trained = training_words(table)
    if trained:
        words.append(f"All methods are {trained}.")
    return [*words, *(f"{line}." for line in legend(table))]


def _chance_words(table: pd.DataFrame) -> list[str]:
    """Return the accuracy of guessing, where the number of ways is fixed."""
    ways = sorted(table["ways"].dropna().unique())
    if not ways:
        return []
    if len(ways) == 1:
        return [f"Chance level: {100 / ways[0]:.3g}%."]
    chances = [f"{100 / way:.3g}% at {way} ways" for way in ways]
    return [f"Chance level: {enumerated(chances)}."]

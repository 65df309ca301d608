"""The heat map: methods by test data sets, coloured by the difference to the best baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.results.baselines import baseline_words
from workbench.results.frame import records
from workbench.results.marks import common_signs, legend, own_signs
from workbench.results.matrix import blocks, is_matrix, training_words
from workbench.results.style import INK, SOFT
from workbench.results.summary import summary
from workbench.results.wording import broken, enumerated, plus_minus

if TYPE_CHECKING:  # matplotlib takes longer to import than a table takes to make
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

COLUMN_WIDTH, ROW_HEIGHT = 1.08, 0.46  # inches of a cell
COLUMNS_ABREAST = 12  # more columns go into another strip below
STRONGEST = 15.0  # points with the darkest colour: a method at chance would pale all others
BLOCK_GAP = 0.2  # columns between two blocks
STRIP_GAP = 0.15  # inches
TITLE_LINE, LABEL_LINE, LEGEND_LINE = 0.16, 0.15, 0.16  # inches of a line of text


class _Column(NamedTuple):
    """A test data set."""

    label: str
    cells: dict[str, dict[str, Any]]  # rows of the summary by method


class _Block(NamedTuple):
    """Columns that share a title."""

    title: str
    left: float  # where its first column begins, in columns
    columns: list[_Column]

    @property
    def right(self) -> float:
        """Where its last column ends, in columns."""
        return self.left + len(self.columns)


_Strip = list[_Block]  # blocks side by side


class _Rows(NamedTuple):
    """The methods: one row each, in all strips."""

    labels: dict[str, str]  # what is written beside the row, by method
    shared_signs: dict[str, str]


def heatmap_figure(frame: pd.DataFrame, baseline: Sequence[str] = ()) -> Figure:
    """Draw methods by test data sets, in blocks by training data and form of tasks.

    A cell has the accuracy and the paired difference to the best baseline, which is its colour. It
    is marked where the tasks do not tell the two apart. The legend is below.

    Args:
        frame: a tasks frame.
        baseline: baselines by algorithm or label; if omitted, see `baselines`.

    Raises:
        WorkbenchError: there is one data set only, or tasks ask several times; or as for `summary`.
    """
    from matplotlib.figure import Figure

    table = summary(frame, baseline)
    if not is_matrix(table):
        raise WorkbenchError(
            "A heat map needs several test or training data sets, and one question per task."
        )
    rows = _rows(table)
    strips = _strips(blocks(table))
    left = _label_width(rows)
    right_edge = max(strip[-1].right for strip in strips)
    width = max(left + COLUMN_WIDTH * right_edge + 0.2, 7.0)
    words = _wrapped(_legend_words(table, baseline), int(width / 0.066))
    foot = 0.85 + LEGEND_LINE * len(words)
    cells_height = ROW_HEIGHT * len(rows.labels)
    strip_heights = [_head_height(strip) + cells_height for strip in strips]
    height = sum(strip_heights) + STRIP_GAP * len(strips) + foot
    figure = Figure(figsize=(width, height), facecolor="white")
    colours = _colours(table)

    bottom = height
    for strip, strip_height in zip(strips, strip_heights, strict=True):
        bottom -= strip_height
        box = (left, bottom, COLUMN_WIDTH * strip[-1].right, cells_height)
        _draw_strip(_add_axes(figure, box), strip, rows, colours)
        bottom -= STRIP_GAP
    bar_width = min(4.0, width - left - 0.3)
    bar = _add_axes(figure, (left, foot - 0.4, bar_width, 0.13))
    _draw_colour_bar(figure, bar, colours, table)
    figure.text(
        0.12 / width,
        (foot - 0.82) / height,
        "\n".join(words),
        fontsize=8,
        color=INK,
        va="top",
        linespacing=1.35,
    )
    return figure


def _rows(table: pd.DataFrame) -> _Rows:
    shared = common_signs(table)
    labels = {}
    for method in table["method"].unique():
        labels[method] = broken(f"{method} {shared[method]}".rstrip(), 34)
    return _Rows(labels, shared)


def _label_width(rows: _Rows) -> float:
    """Return the inches that the methods' labels take."""
    return 0.3 + 0.078 * max(_longest_line(label) for label in rows.labels.values())


def _longest_line(text: str) -> int:
    return max(len(line) for line in text.split("\n"))


def _strips(titled: Sequence[tuple[str, pd.DataFrame]]) -> list[_Strip]:
    """Place blocks side by side, at most `COLUMNS_ABREAST` columns in a strip."""
    strips: list[_Strip] = [[]]
    for title, rows in titled:
        columns = _columns(rows)
        for start in range(0, len(columns), COLUMNS_ABREAST):
            some = columns[start : start + COLUMNS_ABREAST]
            used = sum(len(block.columns) for block in strips[-1])
            if used and used + len(some) > COLUMNS_ABREAST:
                strips.append([])
            strip = strips[-1]
            left = strip[-1].right + BLOCK_GAP if strip else 0.0
            strip.append(_Block(_broken_title(title, len(some)), left, some))
    return strips


def _columns(rows: pd.DataFrame) -> list[_Column]:
    columns = []
    for place, cells in rows.groupby("test_on", sort=False):
        by_method = {cell["method"]: cell for cell in records(cells)}
        columns.append(_Column(broken(str(place), 16), by_method))
    return columns


def _broken_title(title: str, columns: int) -> str:
    width = max(14, 12 * columns)
    return "\n".join(broken(line, width) for line in title.split("\n"))


def _head_height(strip: _Strip) -> float:
    """Return the inches that titles and column labels take above a strip's cells."""
    title_lines = max(block.title.count("\n") + 1 for block in strip)
    return 0.24 + LABEL_LINE * _label_lines(strip) + TITLE_LINE * title_lines


def _label_lines(strip: _Strip) -> int:
    """Return the number of lines of the longest column label."""
    lines = 1
    for block in strip:
        for column in block.columns:
            lines = max(lines, column.label.count("\n") + 1)
    return lines


def _add_axes(figure: Figure, box: tuple[float, float, float, float]) -> Axes:
    """Add axes at (left, bottom, width, height) in inches."""
    left, bottom, width, height = box
    across, up = figure.get_figwidth(), figure.get_figheight()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _colours(table: pd.DataFrame) -> ScalarMappable:
    """Return the colour scale of differences in points, symmetric around 0."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    largest = 100 * table["to_baseline"].abs().max()
    limit = 1.0 if np.isnan(largest) else float(np.clip(np.ceil(largest), 1, STRONGEST))
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


def _draw_strip(axis: Axes, strip: _Strip, rows: _Rows, colours: ScalarMappable) -> None:
    """Draw blocks side by side, a row per method."""
    above: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "bottom"}
    above["color"] = INK
    title_offset = (0, 8 + 10.8 * _label_lines(strip))
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
    value = 100 * cell["to_baseline"]
    compared = not np.isnan(value)
    colour = colours.to_rgba(value) if compared else SOFT
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
    style: Any = "italic" if below.startswith("≈") else "normal"
    axis.text(x + 0.5, y + 0.72, below, size=7.5, style=style, **centered)


def _difference_words(cell: Mapping[str, Any]) -> str:
    """Return what stands below a cell's accuracy; "≈" where the two are not told apart."""
    if cell["method"] == cell["baseline"]:
        return "baseline"
    if np.isnan(cell["to_baseline"]):
        return ""
    words = plus_minus(100 * cell["to_baseline"], np.nan, signed=True)
    return words if _is_told_apart(cell) else f"≈ {words}"


def _is_told_apart(cell: Mapping[str, Any]) -> bool:
    """Return whether the interval of the difference excludes 0; false where it is unknown."""
    return bool(abs(100 * cell["to_baseline"]) > 100 * cell["to_baseline_interval"])


def _legend_words(table: pd.DataFrame, baseline: Sequence[str]) -> list[str]:
    """Return the sentences of the legend."""
    words = [
        "Each cell: mean accuracy on the test tasks ± 95% interval, in %.",
        "Below it: paired difference to the column's baseline, in percentage points.",
        f"Baseline of a column (framed): {baseline_words(table, baseline)}.",
    ]
    if len(baseline) != 1:
        words.append("It is chosen by its accuracy on these same tasks, which favours it.")
    if any(_difference_words(cell).startswith("≈") for cell in records(table)):
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


def _wrapped(sentences: Sequence[str], width: int) -> list[str]:
    """Return the sentences as lines, each sentence beginning on its own line."""
    lines = []
    for sentence in sentences:
        lines += wrap(sentence, width, break_on_hyphens=False)
    return lines

"""The heat map of methods by test data sets, coloured by what they gain over the best baseline.

No pyplot, as in `figures`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from workbench.errors import WorkbenchError
from workbench.results.figures import INK, SOFT
from workbench.results.marks import common_signs, legend, signs
from workbench.results.summary import baseline_words, blocks, is_matrix, summary, training_words
from workbench.results.wording import broken, plus_minus

if TYPE_CHECKING:  # matplotlib takes longer to import than a table takes to make
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN, ROW = 1.08, 0.46  # inches of a cell of the heat map
ABREAST = 12  # columns of the heat map side by side; more go below
FURTHEST = (
    15.0  # percentage points with the strongest colour: beyond it a floor would pale all others
)


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
    furthest = (
        float(np.clip(np.ceil(100 * difference.max()), 1, FURTHEST))
        if difference.notna().any()
        else 1.0
    )
    # the darkest ends are left out, so that black words can be read on every cell
    colours = ScalarMappable(
        Normalize(-furthest, furthest),
        ListedColormap(colormaps["RdBu"](np.linspace(0.18, 0.82, 256))),
    )

    left = 0.3 + 0.078 * max(len(line) for name in names for line in name.split("\n"))
    width = max(left + COLUMN * max(_right(strip) for strip in strips) + 0.2, 7.0)
    words = _heat_words(table, baseline)
    lines = _lines(words, int(width / 0.066))
    tops = [
        0.24 + 0.15 * _labelled(strip) + 0.16 * max(block.title.count("\n") + 1 for block in strip)
        for strip in strips
    ]
    foot = 0.85 + 0.16 * len(lines)
    height = sum(tops) + (ROW * len(methods) + 0.15) * len(strips) + foot
    figure = Figure(figsize=(width, height), facecolor="white")
    top = height
    for strip, head in zip(strips, tops, strict=True):
        top -= head + ROW * len(methods)
        across = COLUMN * _right(strip)
        axis = figure.add_axes(
            (left / width, top / height, across / width, ROW * len(methods) / height)
        )
        _strip(axis, strip, dict(zip(methods, names, strict=True)), shared, colours)
        top -= 0.15
    bar = figure.add_axes(
        (left / width, (foot - 0.4) / height, min(4.0, width - left - 0.3) / width, 0.13 / height)
    )
    beyond = bool((100 * difference > furthest).any())
    scale = figure.colorbar(
        colours, cax=bar, orientation="horizontal", extend="both" if beyond else "neither"
    )
    scale.outline.set_visible(False)
    bar.tick_params(labelsize=8, colors=INK)
    bar.set_title(
        "difference to the baseline, percentage points", fontsize=8.5, color=INK, loc="left", pad=3
    )
    figure.text(
        0.12 / width,
        (foot - 0.82) / height,
        "\n".join(lines),
        fontsize=8,
        color=INK,
        va="top",
        linespacing=1.35,
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
            columns = [
                {cell["method"]: cell for cell in rows.to_dict("records")} for _, rows in some
            ]
            wide = "\n".join(broken(line, max(14, 12 * len(some))) for line in title.split("\n"))
            strips[-1].append(
                _Block(wide, first, [broken(place, 16) for place, _ in some], columns)
            )
    return strips


def _right(strip: Sequence[_Block]) -> float:
    """Where a strip ends, in columns."""
    return strip[-1].first + len(strip[-1].labels)


def _labelled(strip: Sequence[_Block]) -> int:
    """The lines of the longest label of a strip's columns."""
    return max(label.count("\n") + 1 for block in strip for label in block.labels)


def _strip(
    axis: Axes,
    strip: Sequence[_Block],
    methods: Mapping[str, str],
    shared: Mapping[str, str],
    colours: Any,
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


def _heat(
    axis: Axes, x: float, y: float, cell: Mapping[Any, Any], shared: str, colours: Any
) -> None:
    """Draw one cell: accuracy and interval, and below it the difference to the baseline."""
    from matplotlib.patches import Rectangle

    value, spread = 100 * cell["to_baseline"], 100 * cell["to_baseline_interval"]
    unknown, chosen = np.isnan(value), cell["method"] == cell["baseline"]
    colour = SOFT if unknown else colours.to_rgba(value)
    axis.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, edgecolor="white", linewidth=1.5))
    if chosen:
        axis.add_patch(
            Rectangle((x + 0.03, y + 0.05), 0.94, 0.9, fill=False, edgecolor=INK, linewidth=1.2)
        )
    below = "" if unknown else "baseline" if chosen else plus_minus(value, np.nan, sign=True)
    same = (
        not unknown and not chosen and not abs(value) > spread
    )  # not known is not told apart either
    both = f"≈ {below}" if same else below
    height = 0.36 if both else 0.5
    own = "".join(sign for sign in signs(cell) if sign not in shared)
    accuracy = f"{plus_minus(100 * cell['accuracy'], 100 * cell['interval'])} {own}".rstrip()
    axis.text(x + 0.5, y + height, accuracy, ha="center", va="center", size=8, color="black")
    style: Any = "italic" if same else "normal"
    axis.text(
        x + 0.5, y + 0.72, both, ha="center", va="center", size=7.5, color="black", style=style
    )


def _heat_words(table: pd.DataFrame, baseline: Sequence[str]) -> list[str]:
    """The legend of the heat map."""
    words = [
        "A cell: mean accuracy over test tasks ± 95% interval, %; below it the paired difference to the baseline.",
        f"Baseline of a column, framed: {baseline_words(table, baseline)}.",
    ]
    if len(baseline) != 1:
        words.append("It is the best on these same tasks, which favours it.")
    told = table["to_baseline"].abs() > table["to_baseline_interval"]
    if (table["to_baseline"].notna() & (table["method"] != table["baseline"]) & ~told).any():
        words.append(
            "≈: the 95% interval of the difference includes 0, so these tasks do not tell the two apart."
        )
    if (table["baseline"] == "").any():
        words.append("Grey: no baseline was judged there.")
    ways = sorted(set(table["ways"]) - {0})
    if ways:
        chances = [
            f"{100 / way:.3g}%" + (f" at {way} ways" if len(ways) > 1 else "") for way in ways
        ]
        words.append(f"Chance: {', '.join(chances)}.")
    if trained := training_words(table):
        words.append(f"All {trained}.")
    return [*words, *(f"{line}." for line in legend(table))]


def _lines(sentences: Sequence[str], width: int) -> list[str]:
    """Sentences as lines, each beginning on its own."""
    return [
        line for sentence in sentences for line in wrap(sentence, width, break_on_hyphens=False)
    ]

"""Where the parts of the heat map go: methods in rows, test data sets in columns. In inches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any, NamedTuple

import pandas as pd

from workbench.results.frame import records
from workbench.results.marks import common_signs
from workbench.results.matrix import blocks
from workbench.results.wording import broken

COLUMN_WIDTH, ROW_HEIGHT = 1.08, 0.46  # of a cell
COLUMNS_ABREAST = 12  # more columns go into another strip below
BLOCK_GAP = 0.2  # columns between two blocks
STRIP_GAP = 0.15
TITLE_LINE, LABEL_LINE, LEGEND_LINE = 0.16, 0.15, 0.16  # heights of a line of text
LEGEND_LETTER = 0.066  # width of a letter
LEAST_WIDTH = 7.0  # narrower figures would break the legend into many lines


class Column(NamedTuple):
    """A test data set."""

    label: str
    cells: dict[str, dict[str, Any]]  # rows of the summary by method


class Block(NamedTuple):
    """Columns that share a title."""

    title: str
    left: float  # where its first column begins, in columns
    columns: list[Column]

    @property
    def right(self) -> float:
        """Where its last column ends, in columns."""
        return self.left + len(self.columns)


Strip = list[Block]  # blocks side by side


class Rows(NamedTuple):
    """The methods: one row each, in all strips."""

    labels: dict[str, str]  # what is written beside the row, by method
    shared_signs: dict[str, str]

    @property
    def label_width(self) -> float:
        """The space that the labels take on the left."""
        longest = 0
        for label in self.labels.values():
            for line in label.split("\n"):
                longest = max(longest, len(line))
        return 0.3 + 0.078 * longest

    @property
    def height(self) -> float:
        """The height of a strip's cells."""
        return ROW_HEIGHT * len(self.labels)


class Box(NamedTuple):
    """A part of the figure."""

    left: float
    bottom: float
    width: float
    height: float


class Layout(NamedTuple):
    """The whole figure: strips from top to bottom, then the colour bar, then the legend."""

    rows: Rows
    strips: list[Strip]
    sentences: list[str]  # of the legend

    @property
    def width(self) -> float:
        """The width of the figure."""
        columns = max(strip[-1].right for strip in self.strips)
        return max(self.rows.label_width + COLUMN_WIDTH * columns + 0.2, LEAST_WIDTH)

    @property
    def height(self) -> float:
        """The height of the figure."""
        height = self.foot
        for strip in self.strips:
            height += head_height(strip) + self.rows.height + STRIP_GAP
        return height

    @property
    def foot(self) -> float:
        """The height of the colour bar and the legend."""
        return 0.85 + LEGEND_LINE * len(self.legend)

    @property
    def legend(self) -> list[str]:
        """The lines of the legend. Each sentence begins on its own line."""
        lines = []
        for sentence in self.sentences:
            lines += wrap(sentence, int(self.width / LEGEND_LETTER), break_on_hyphens=False)
        return lines

    @property
    def colour_bar(self) -> Box:
        """The colour bar."""
        left = self.rows.label_width
        return Box(left, self.foot - 0.4, min(4.0, self.width - left - 0.3), 0.13)

    def placed_strips(self) -> Iterator[tuple[Strip, Box]]:
        """Iterate over the strips, from the top, each with the box of its cells."""
        bottom = self.height
        for strip in self.strips:
            bottom -= head_height(strip) + self.rows.height
            width = COLUMN_WIDTH * strip[-1].right
            yield strip, Box(self.rows.label_width, bottom, width, self.rows.height)
            bottom -= STRIP_GAP


def heatmap_layout(table: pd.DataFrame, sentences: list[str]) -> Layout:
    """Return the layout of a summary and the sentences of its legend."""
    return Layout(_rows(table), _strips(blocks(table)), sentences)


def _rows(table: pd.DataFrame) -> Rows:
    shared = common_signs(table)
    labels = {}
    for method in table["method"].unique():
        labels[method] = broken(f"{method} {shared[method]}".rstrip(), 34)
    return Rows(labels, shared)


def _strips(titled: Sequence[tuple[str, pd.DataFrame]]) -> list[Strip]:
    """Place blocks side by side, at most `COLUMNS_ABREAST` columns in a strip."""
    strips: list[Strip] = [[]]
    for title, rows in titled:
        columns = _columns(rows)
        for start in range(0, len(columns), COLUMNS_ABREAST):
            some = columns[start : start + COLUMNS_ABREAST]
            used = sum(len(block.columns) for block in strips[-1])
            if used and used + len(some) > COLUMNS_ABREAST:
                strips.append([])
            strip = strips[-1]
            left = 0.0
            if strip:
                left = strip[-1].right + BLOCK_GAP
            strip.append(Block(_broken_title(title, len(some)), left, some))
    return strips


def _columns(rows: pd.DataFrame) -> list[Column]:
    columns = []
    for place, cells in rows.groupby("test_on", sort=False):
        by_method = {cell["method"]: cell for cell in records(cells)}
        columns.append(Column(broken(str(place), 16), by_method))
    return columns


def _broken_title(title: str, columns: int) -> str:
    """Return the title in lines that its columns have room for."""
    width = max(14, 12 * columns)
    return "\n".join(broken(line, width) for line in title.split("\n"))


def head_height(strip: Strip) -> float:
    """Return the space that titles and column labels take above a strip's cells."""
    title_lines = max(_line_count(block.title) for block in strip)
    return 0.24 + LABEL_LINE * label_lines(strip) + TITLE_LINE * title_lines


def label_lines(strip: Strip) -> int:
    """Return the number of lines of the longest column label."""
    lines = 1
    for block in strip:
        for column in block.columns:
            lines = max(lines, _line_count(column.label))
    return lines


def _line_count(text: str) -> int:
    return text.count("\n") + 1

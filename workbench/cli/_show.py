"""Printing: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PROSE = 100  # columns of running text, at most
WIDTH = 160  # columns of a table where the output is no terminal
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# what turns the direction of writing, so that a name reads as another
TURNS_WRITING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class _Quiet:
    """Whether notes and progress are left out."""

    asked = False


def be_quiet(*, asked: bool) -> None:
    """Leave out notes and progress from now on, or no longer."""
    _Quiet.asked = asked


def quiet() -> bool:
    """Return whether notes and progress are left out."""
    return _Quiet.asked


def note(line: str) -> None:
    """Print a line about what happens, except with `--quiet`."""
    if not _Quiet.asked:
        error(line)


def error(line: str) -> None:
    """Print a line that nobody may miss, on standard error."""
    print(printable(line), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Return a text with a mark in place of control characters.

    Names come from the files of others too, and such characters steer a terminal: they can move
    the cursor, hide lines or turn the direction of writing.
    """
    shown = []
    for character in text:
        control = unicodedata.category(character) == "Cc" or character in TURNS_WRITING
        shown.append(REPLACEMENT if control and character not in "\n\t" else character)
    return "".join(shown)


def table(title: str, columns: Mapping[str, str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; `columns` maps headings to their justification, "left" or "right".

    Lines are broken between words only. Where the terminal is too narrow for that, each row is
    printed as a block: its first cell, and below it the others with their headings.
    """
    from rich import box
    from rich.table import Table

    rows = [[printable(cell) for cell in row] for row in rows]
    headings = [printable(heading) for heading in columns]
    widths = _widths([[heading, *cells] for heading, *cells in zip(headings, *rows, strict=True)])
    if widths is None:
        _print_blocks(title, headings, rows)
        return
    drawn: Table = Table(
        title=printable(title) or None,
        show_header=any(heading.strip() for heading in headings),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    for heading, justify, columns_wide in zip(headings, columns.values(), widths, strict=True):
        drawn.add_column(heading, justify=_justify(justify), width=columns_wide, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    out(drawn)


def prose(text: str) -> None:
    """Print running text, its paragraphs and the points of its lists broken to the width.

    Paragraphs that begin with a space are formulas or tables and stay as they are.
    """
    paragraphs = []
    for paragraph in text.split("\n\n"):
        if not paragraph.startswith(" "):
            paragraph = "\n".join(_broken(point) for point in _points(paragraph))
        paragraphs.append(paragraph)
    out("\n\n".join(paragraphs))


def _points(paragraph: str) -> list[list[str]]:
    """Return the lines of each point of a list, and of the text before it."""
    points: list[list[str]] = [[]]
    for line in paragraph.splitlines():
        if line.startswith("- ") and points[-1]:
            points.append([])
        points[-1].append(line)
    return points


def _broken(lines: list[str]) -> str:
    """Return lines as one text with new line breaks and the old indentation."""
    indent = ""
    if lines[0].startswith("- "):
        indent = "  "
    elif len(lines) > 1:
        indent = " " * (len(lines[1]) - len(lines[1].lstrip()))
    return textwrap.fill(
        " ".join(line.strip() for line in lines),
        min(width(), PROSE),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _widths(columns: Sequence[Sequence[str]]) -> list[int] | None:
    """Return the widths of columns that fit; None where words would have to be broken."""
    natural = [_longest(column, str.splitlines) for column in columns]
    least = [_longest(column, _unbroken) for column in columns]
    room = width() - 2 * len(columns)  # without the space beside and between columns
    if sum(least) > room:
        return None
    widths = list(natural)
    while sum(widths) > room:  # the column with the most to spare gives way
        spare = [wide - few for wide, few in zip(widths, least, strict=True)]
        widths[spare.index(max(spare))] -= 1
    return widths


def _unbroken(text: str) -> list[str]:
    """Return the parts of a text that stay on one line: words, and a value with its interval."""
    return re.findall(r"\S+(?: ± \S+)*", text)


def _longest(cells: Sequence[str], split: Callable[[str], list[str]]) -> int:
    from rich.cells import cell_len

    return max((cell_len(piece) for cell in cells for piece in split(cell)), default=0)


def _print_blocks(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if title:
        out(title)
    for first, *others in rows:
        out(" ".join(first.split()))
        for heading, cell in zip(headings[1:], others, strict=True):
            if cell:
                out(f"    {' '.join(f'{heading}: {cell}'.split()).removeprefix(': ')}")


def _justify(word: str) -> Any:
    if word not in ("left", "right"):
        raise ValueError(f"a column is justified left or right, not {word}")
    return word


def out(what: Any, *, markup: bool = False) -> None:
    """Print to standard output, in colour on a terminal.

    Args:
        markup: whether "[bold]" in a text is an instruction.
    """
    if isinstance(what, str):
        what = printable(what)
    _console(markup=markup).print(what, soft_wrap=isinstance(what, str))


def width() -> int:
    """Return how many columns a table may have."""
    return _console().width


def _console(*, markup: bool = False) -> Console:
    from rich.console import Console

    columns = None  # as wide as the terminal, or as COLUMNS says
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        columns = WIDTH
    return Console(width=columns, highlight=False, markup=markup)


def as_json(rows: Any) -> None:
    """Print JSON."""
    print(json.dumps(rows, indent=2, default=str))


def duration(seconds: float) -> str:
    """Return seconds as people say them: "0.4 s", "35 s", "12 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"

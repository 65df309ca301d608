"""Printing: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH = 160  # columns of a table where the output is no terminal


def note(line: str) -> None:
    """Print a line about what happens."""
    print(line, file=sys.stderr, flush=True)


def table(title: str, columns: Mapping[str, str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; `columns` maps headings to their justification, "left" or "right"."""
    from rich import box
    from rich.table import Table

    drawn: Table = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )
    for heading, justify in columns.items():
        drawn.add_column(heading, justify=_justify(justify), overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    out(drawn)


def _justify(word: str) -> Any:
    if word not in ("left", "right"):
        raise ValueError(f"a column is justified left or right, not {word}")
    return word


def out(what: Any, *, markup: bool = False) -> None:
    """Print to standard output, in colour on a terminal.

    Args:
        markup: whether "[bold]" in a text is an instruction.
    """
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

"""What people see: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from workbench.learning.training import StepReport


def note(line: str) -> None:
    """Say what is going on."""
    print(line, file=sys.stderr, flush=True)


def table(title: str, columns: Mapping[str, str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; `columns` maps headings to their justification, "left" or "right"."""
    from rich import box
    from rich.table import Table

    drawn: Table = Table(
        title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )
    for heading, justify in columns.items():
        drawn.add_column(
            heading, justify="right" if justify == "right" else "left", overflow="fold"
        )
    for row in rows:
        drawn.add_row(*row)
    out(drawn)


def out(what: Any, *, markup: bool = False) -> None:
    """Print to standard output, in colour on a terminal, at full width elsewhere; `[bold]` is rich's only if asked."""
    _console(markup=markup).print(what, soft_wrap=isinstance(what, str))


def width() -> int:
    """How many columns a table may have."""
    return _console().width


def _console(*, markup: bool = False) -> Console:
    from rich.console import Console

    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160
    return Console(width=wide, highlight=False, markup=markup)


def as_json(rows: Any) -> None:
    """Print for a program to read."""
    print(json.dumps(rows, indent=2, default=str))


def watch(records: Iterator[StepReport], label: str, total: int, done: int) -> Iterator[StepReport]:
    """Pass records on; on a terminal, with a bar of rate, loss and time left."""
    if not sys.stderr.isatty():
        yield from records
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("loss {task.fields[loss]}"),
        TextColumn("{task.fields[val]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total, completed=done, rate="", loss="", val="")
        smooth, began = None, None
        for record in records:
            smooth = record.loss if smooth is None else 0.95 * smooth + 0.05 * record.loss
            began = began or (record.step, record.seconds)
            passed = record.seconds - began[1]
            rate = f"{(record.step - began[0]) / passed:.1f} steps/s" if passed > 0 else ""
            bar.update(task, completed=record.step, rate=rate, loss=f"{smooth:.3f}")
            if record.val_accuracy is not None:
                bar.update(task, val=f"validation {100 * record.val_accuracy:.1f}%")
            yield record


def duration(seconds: float) -> str:
    """Seconds as people say them: 0.4 s, 35 s, 12 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"

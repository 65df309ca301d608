"""The progress bars of all commands, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workbench.cli import _show
from workbench.progress import Progress, Report

if TYPE_CHECKING:
    from rich.progress import TaskID


@contextmanager
def progress_bars() -> Iterator[Report | None]:
    """Yield a report that draws one bar per label; None if standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[amount]}", markup=False),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(progress: Progress) -> None:
            if progress.label not in tasks:
                shown = _show.printable(progress.label)
                tasks[progress.label] = bars.add_task(shown, amount="", detail="")
            bars.update(
                tasks[progress.label],
                total=progress.total or None,
                completed=progress.done,
                amount=_amount(progress),
                detail=progress.detail,
                visible=progress.done != progress.total,  # a finished bar makes room
            )

        yield report


def _amount(progress: Progress) -> str:
    """Return how much is done: "12.4 of 50.0 MB", "1,200 images"."""
    done = f"{progress.done:,}"
    total = f"{progress.total:,}"
    unit = progress.unit
    if unit == "bytes":
        done = f"{progress.done / 1e6:,.1f}"
        total = f"{progress.total / 1e6:,.1f}"
        unit = "MB"
    if progress.total:
        return f"{done} of {total} {unit}"
    return f"{done} {unit}"

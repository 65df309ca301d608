"""The progress bars of all commands, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workbench.cli import _show
from workbench.progress import Progress, Report

if TYPE_CHECKING:
    from rich.progress import ProgressColumn, TaskID


LINES_EVERY = 60.0  # seconds between two lines, where standard error is no terminal


@contextmanager
def progress_bars() -> Iterator[Report | None]:
    """Yield a report that draws one bar per label.

    Where standard error is no terminal, it prints a line every `LINES_EVERY` seconds. With
    `--quiet` it is None.
    """
    if _show.quiet():
        yield None
        return
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[amount]}", markup=False),
        TextColumn("{task.fields[detail]}", markup=False),
        _time_left(),
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
                detail=_detail(progress),
                unit=progress.unit,
                visible=progress.done != progress.total,  # a finished bar makes room
            )

        yield report


def _time_left() -> ProgressColumn:
    """Return the column of the time left; a comparison says its own, in `_detail`."""
    from rich.progress import Task, TimeRemainingColumn
    from rich.text import Text

    class TimeLeft(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            if task.fields.get("unit") == "cells":
                return Text("")
            return super().render(task)

    return TimeLeft()


class _Lines:
    """A report that prints a line now and then."""

    def __init__(self) -> None:
        self._printed = time.monotonic()
        self._comparison = ""

    def __call__(self, progress: Progress) -> None:
        line = f"{progress.label}: {_amount(progress)}"
        if _detail(progress):
            line += f", {_detail(progress)}"
        if progress.unit == "cells":
            self._comparison = f"; {line}"
            return
        now = time.monotonic()
        if now - self._printed > LINES_EVERY:
            self._printed = now
            _show.note(line + self._comparison)


def _detail(progress: Progress) -> str:
    """Return the words beside a bar: those that came, or the time left of a comparison."""
    if progress.unit != "cells":
        return progress.detail
    if progress.seconds_left is None:
        return "time left unknown"
    left = _show.duration(progress.seconds_left)
    return f"at least {left} left" if progress.at_least else f"about {left} left"


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

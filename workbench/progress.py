"""How far a long piece of work has come, told to whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Progress(NamedTuple):
    """How much of one piece of work is done."""

    label: str  # what is done: the name of a file, of a data set and its split, of a run
    done: int
    total: int = 0  # 0: not known
    unit: str = ""  # "bytes", "images", "steps" or "tasks"; "cells" of a whole comparison
    detail: str = ""  # "loss 0.123, validation 97.1%"
    seconds_left: float | None = None  # of cells, as measured; None: nothing is measured yet
    at_least: bool = False  # some of what is left was never measured, and is not in seconds_left


Report = Callable[[Progress], None]
"""Shows progress; called often, from one thread."""


Tell = Callable[[int, int, str], None]
"""Takes how much of one piece of work is done: done, total and unit."""


def teller(report: Report | None, label: str) -> Tell:
    """Return a function that reports how much of the labelled work is done."""

    def tell(done: int, total: int, unit: str) -> None:
        if report is not None:
            report(Progress(label, done, total, unit))

    return tell


def tell_nobody(_done: int, _total: int, _unit: str) -> None:
    """Ignore progress: what long work calls when nobody asked."""


def once(note: Callable[[str], None]) -> Callable[[str], None]:
    """Return what passes each note on once: many runs and cells share their data."""
    told: set[str] = set()

    def tell(text: str) -> None:
        if text not in told:
            told.add(text)
            note(text)

    return tell


def say_nothing(_: str) -> None:
    """Ignore a note: what functions that tell what happens call when nobody asked."""

"""Progress bars: on a terminal only, one per label, in the units of what is done."""

from __future__ import annotations

import io
import re
import sys

import pytest
from small_runs import compared

from workbench.cli import _show
from workbench.cli._progress import _amount, _detail, progress_bars
from workbench.progress import Progress


class Terminal(io.StringIO):
    """A terminal that remembers what was written to it."""

    def isatty(self) -> bool:
        return True


def test_without_a_terminal_there_is_a_line_now_and_then(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("workbench.cli._progress.time.monotonic", lambda: now[0])
    with progress_bars() as report:
        report(Progress("protonet on glyphs", 5, 400, "steps", "loss 0.123"))
        assert capsys.readouterr() == ("", "")
        now[0] = 61.0
        report(Progress("protonet on glyphs", 70, 400, "steps", "loss 0.123"))
        report(Progress("protonet on glyphs", 71, 400, "steps", "loss 0.123"))
        assert capsys.readouterr() == (
            "",
            "protonet on glyphs: 70 of 400 steps, loss 0.123\n",
        )
        report(Progress("comparison", 1, 4, "cells", seconds_left=300.0, at_least=True))
        now[0] = 122.0
        report(Progress("maml on glyphs", 7, 500, "steps"))
        assert capsys.readouterr().err == (
            "maml on glyphs: 7 of 500 steps; comparison: 1 of 4 cells, at least 5 min left\n"
        )


def test_quiet_reports_nothing():
    _show.be_quiet(asked=True)
    with progress_bars() as report:
        assert report is None
    _show.be_quiet(asked=False)


@pytest.mark.parametrize(
    ("left", "at_least", "words"),
    [
        (None, True, "time left unknown"),
        (90.0, True, "at least 90 s left"),
        (600.0, False, "about 10 min left"),
    ],
)
def test_the_time_left_is_told_as_it_is_known(left, at_least, words):
    progress = Progress("comparison", 1, 4, "cells", seconds_left=left, at_least=at_least)
    assert _detail(progress) == words


def test_bars_are_drawn_on_a_terminal(monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bars() as report:
        report(Progress("protonet on glyphs", 5, 10, "steps", "loss 0.123"))
        report(Progress("glyphs train", 1200, 0, "images"))
        report(Progress("protonet on glyphs", 10, 10, "steps"))
        report(Progress("comparison", 1, 4, "cells", seconds_left=180.0))
    written = terminal.getvalue()
    assert "\x1b" in written
    assert "glyphs train" in written
    assert "1,200 images" in written
    assert "1 of 4 cells about 3 min left" in written
    assert capsys.readouterr().out == ""  # results only


@pytest.mark.parametrize(
    ("progress", "amount"),
    [
        (Progress("x", 12_400_000, 50_000_000, "bytes"), "12.4 of 50.0 MB"),
        (Progress("x", 1_234_500_000, 0, "bytes"), "1,234.5 MB"),
        (Progress("x", 1200, 0, "images"), "1,200 images"),
        (Progress("x", 1200, 3600, "images"), "1,200 of 3,600 images"),
        (Progress("x", 0, 6, "steps"), "0 of 6 steps"),
    ],
)
def test_amounts_are_in_units_that_people_read(progress, amount):
    assert _amount(progress) == amount


def test_a_comparison_shows_all_that_takes_long(tmp_path):
    """Training, validation and test have a bar each; a cell ends with its result."""
    shown: dict[str, list[Progress]] = {}
    said: list[str] = []

    def report(progress: Progress) -> None:
        shown.setdefault(progress.label, []).append(progress)

    compared("simpleshot", tmp_path, report=report, note=said.append)
    preparing = {"glyphs, train", "glyphs, val", "glyphs, test"}  # by the first test that needs it
    assert shown.keys() - preparing == {
        "baseline on glyphs",
        "baseline on glyphs: validation",
        "simpleshot: test on glyphs",
        "comparison",
    }
    whole = shown["comparison"]
    assert (whole[0].done, whole[0].seconds_left, whole[-1].done) == (0, None, 1)
    validation = shown["baseline on glyphs: validation"]
    assert (validation[-1].done, validation[-1].total, validation[-1].unit) == (4, 4, "tasks")
    units = [progress.unit for progress in shown["simpleshot: test on glyphs"]]
    assert set(units) == {"images", "tasks"}
    cell, first, result = said
    assert cell.startswith("[1/1] simpleshot-glyphs-")
    assert first.startswith("simpleshot starts from baseline, which is trained first: baseline-")
    assert re.fullmatch(r"\[1/1\] simpleshot, glyphs, 5-way 1-shot: \d+\.\d\d ± \d+\.\d\d%", result)

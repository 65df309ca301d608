"""Progress bars: on a terminal only, one per label, in the units of what is done."""

from __future__ import annotations

import io
import re
import sys

import pytest
from small_runs import compared

from workbench.cli._progress import _amount, progress_bars
from workbench.progress import Progress


class Terminal(io.StringIO):
    """A terminal that remembers what was written to it."""

    def isatty(self) -> bool:
        return True


def test_there_are_no_bars_without_a_terminal(capsys):
    with progress_bars() as report:
        assert report is None
    assert capsys.readouterr() == ("", "")


def test_bars_are_drawn_on_a_terminal(monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bars() as report:
        report(Progress("protonet on glyphs", 5, 10, "steps", "loss 0.123"))
        report(Progress("glyphs train", 1200, 0, "images"))
        report(Progress("protonet on glyphs", 10, 10, "steps"))
    written = terminal.getvalue()
    assert "\x1b" in written
    assert "glyphs train" in written
    assert "1,200 images" in written
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
    }
    validation = shown["baseline on glyphs: validation"]
    assert (validation[-1].done, validation[-1].total, validation[-1].unit) == (4, 4, "tasks")
    units = [progress.unit for progress in shown["simpleshot: test on glyphs"]]
    assert set(units) == {"images", "tasks"}
    cell, first, result = said
    assert cell.startswith("[1/1] simpleshot-glyphs-")
    assert first.startswith("simpleshot starts from baseline, which is trained first: baseline-")
    assert re.fullmatch(r"\[1/1\] simpleshot, glyphs, 5-way 1-shot: \d+\.\d\d ± \d+\.\d\d%", result)

"""Printing: names steer no terminal, and words stay whole however narrow it is."""

from __future__ import annotations

import io
import sys

import pytest
from frames import cell, frame_of

from workbench.cli import _show
from workbench.cli._progress import progress_bars
from workbench.cli._results import print_summary
from workbench.progress import Progress

HOSTILE = "a\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\r"
SHOWN = "a\ufffd]0;owned\ufffd\ufffd[2J\ufffd31m\ufffdgnp\ufffd"


def test_control_characters_are_not_printed(capsys):
    _show.note(HOSTILE)
    _show.out(HOSTILE)
    _show.table(HOSTILE, {HOSTILE: "left"}, [[HOSTILE]])
    output, errors = capsys.readouterr()
    assert errors == f"{SHOWN}\n"
    assert output.count(SHOWN) == 4
    assert set(output) <= set(SHOWN) | set(" \n\u2500")


@pytest.mark.parametrize("text", ["plain", "two\nlines\tand", "\u00e9\u6f22\u5b57 \u05d0\u05d1"])
def test_other_text_stays_as_it_is(text):
    assert _show.printable(text) == text


def test_names_from_elsewhere_reach_the_terminal_without_control(capsys):
    print_summary(cell("a\x1b[2J", [0.5, 0.6], test_on="x\x1b[3m"), json=False)
    assert "\x1b" not in capsys.readouterr().out


def test_a_label_of_a_bar_is_no_instruction(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bars() as report:
        report(Progress("my[bold]set\x1b[2Jx", 1, 2, "images"))
    assert "my[bold]set\ufffd[2Jx" in terminal.getvalue()


LINK = "https://example.org/a/very/long/address/of/a/file/that/has/no/space/at/all.zip"


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_words_are_not_broken(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    columns = {"file": "left", "size": "right", "address": "left", "": "left"}
    _show.table("files", columns, [["data.zip", "1,234.5 MB", LINK, "of the publisher"]])
    output = capsys.readouterr().out
    for word in ("files", "data.zip", "1,234.5", LINK, "publisher"):
        assert word in output


def test_a_table_without_headings_has_no_row_for_them(capsys):
    _show.table("data", {"": "left", " ": "left"}, [["licence", "MIT"]])
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines == [["data"], ["licence", "MIT"]]


def test_running_text_is_broken_to_the_width_and_formulas_are_not(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "30")
    listed = "    norm     the kind of normalisation, batch or group"
    points = "What differs:\n- one thing that is long enough\n- another thing\n  that is long too"
    _show.prose(f"{'word ' * 20}\n\n{listed}\n\n{points}\n\nAim: much\n    that goes in and in")
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if line != listed) <= 30
    assert lines[-10:] == [
        "",
        listed,
        "",
        "What differs:",
        "- one thing that is long",
        "  enough",
        "- another thing that is long",
        "  too",
        "",
        "Aim: much that goes in and in",
    ]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_list_of_results_fits(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    options = "blocks=2,init=none,steps=50"
    frame = frame_of(
        cell("nearest_neighbor", [0.5, 0.7]),
        cell("finetune", [0.4, 0.9], options=options, selected="steps=50", transductive=True),
    )
    print_summary(frame, json=False)
    output = capsys.readouterr().out
    table = output.partition("\n*")[0].splitlines()
    assert max(map(len, table[1:])) <= width
    assert "glyphs: accuracy in %" in " ".join(output.split())
    for word in ("nearest_neighbor", "finetune:", "60.00", "best", "ways", "training"):
        assert word in output
    assert ("80,000" in output) == (width >= 100)


def test_a_heading_says_the_data(capsys):
    print_summary(cell("a", [0.5, 0.6], train_on="omniglot", test_on="leaves"), json=False)
    assert "omniglot → leaves: accuracy in %" in capsys.readouterr().out

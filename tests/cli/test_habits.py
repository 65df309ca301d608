"""Exit codes as the page lists them, `--quiet`, and `NO_COLOR`, all of the installed command."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_lines import SMALL
from places import ROOT

from workbench.cli.main import EXIT_CODES

MLW = Path(sys.executable).with_name("mlw")
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7])(?:;\d+)*m")
LONG = ["train", "protonet", "--steps", "100000", "--device", "cpu"]


def real(*words, **options):
    return subprocess.run([MLW, *words], capture_output=True, text=True, check=False, **options)


def stopped_by(number, folder):
    """Send a signal to a training; return the code that it exits with."""
    with subprocess.Popen(
        [MLW, *LONG], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until = time.monotonic() + 200
            while not list(folder.glob("runs/*/run.toml")):
                assert time.monotonic() < until, process.poll()
                time.sleep(0.05)
            process.send_signal(number)
            return process.wait(timeout=60)
        finally:
            process.kill()


def test_the_page_lists_the_codes_that_the_command_gives(tmp_path):
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", page, re.MULTILINE))
    assert {int(code): meaning for code, meaning in rows.items()} == EXIT_CODES
    runs = tmp_path / "runs"
    given = {
        0: [real("list", cwd=tmp_path)],
        1: [
            real("runs", "nothing", cwd=tmp_path),
            real("check", "torchvision:name=nothing", cwd=tmp_path),
        ],
        2: [
            real("trian", cwd=tmp_path),
            real("train", "protonet", "--nope", cwd=tmp_path),
            real("list", "methods", cwd=tmp_path),
        ],
    }
    for code, done in given.items():
        assert [each.returncode for each in done] == [code] * len(done), done
    assert not runs.exists()
    assert stopped_by(signal.SIGINT, tmp_path) == 130
    assert {*given, 130} == EXIT_CODES.keys()


def test_another_signal_ends_it_as_any_program(tmp_path):
    assert stopped_by(signal.SIGTERM, tmp_path) == -signal.SIGTERM  # 143 in a shell


def test_quiet_leaves_the_result_and_errors(tmp_path):
    done = real("train", "protonet", *SMALL, "--quiet", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(tmp_path, done.stdout.strip(), "run.toml").is_file()
    done = real("--quiet", "eval", "runs", "--episodes", "4", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "protonet" in done.stdout
    done = real("eval", "nothing", "--quiet", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("mlw: There are no runs in nothing")


def on_a_terminal(*words, **variables):
    """Run a command whose output is a terminal; return what it wrote there."""
    main, end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **variables}
    environment.pop("FORCE_COLOR", None)
    with subprocess.Popen([MLW, *words], stdout=end, stderr=end, env=environment) as process:
        os.close(end)
        parts = []
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:  # the terminal is closed
                break
            if not part:
                break
            parts.append(part)
        assert process.wait(timeout=60) == 0
    os.close(main)
    return b"".join(parts).decode()


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"]], ids=" ".join)
def test_no_colour_where_none_is_wanted(words):
    assert COLOUR.search(on_a_terminal(*words, NO_COLOR=""))
    assert not COLOUR.search(on_a_terminal(*words, NO_COLOR="1"))

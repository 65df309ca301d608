"""The command itself: exit codes, errors, help, and what is shown while it runs."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from places import ROOT

from workbench import __version__
from workbench.cli._streams import HANDLER, tolerate_encodings
from workbench.cli.main import app
from workbench.results.marks import MARKS

STOPPED = (
    "mlw: stopped; all but the last seconds of the training is kept; "
    "run the same command again to resume"
)
MLW = Path(sys.executable).with_name("mlw")


def real(*words, **options):
    """Run the installed command."""
    return subprocess.run([MLW, *words], capture_output=True, text=True, check=False, **options)


def test_the_version_is_printed(mlw):
    assert mlw("--version") == (0, f"mlw {__version__}\n", "")


def test_without_words_it_prints_help(mlw):
    code, output, errors = mlw("")
    assert code in (0, 2)  # as Typer has it
    for command in ("train", "eval", "compare", "report", "list", "info", "plugins", "download"):
        assert command in output + errors


def test_every_command_has_help(mlw):
    for command in app.registered_commands:
        code, output, _ = mlw(f"{command.name} --help")
        assert code == 0
        assert f"mlw {command.name}" in output
        assert mlw(f"{command.name} -h")[1] == output


def test_debug_shows_the_traceback():
    result = real("--debug", "train", "nothing")
    assert result.returncode != 0
    assert "Traceback" in result.stderr
    assert "UnknownName" in result.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [(["list"], 0), (["train", "nothing"], 2), (["eval", "nothing"], 1), (["train", "--nope"], 2)],
)
def test_the_command_exits_as_promised(words, code, tmp_path):
    result = real(*words, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_says_how_to_resume(mlw, monkeypatch):
    def interrupt(*given, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.commands.train.open_training_data", interrupt)
    code, output, errors = mlw("train protonet")
    assert (code, output) == (130, "")
    assert errors == f"{STOPPED}\n"


def test_a_reader_that_goes_away_is_no_error():
    line = f"{MLW} list --json | head -c 10"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert len(done.stdout) == 10


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
@pytest.mark.parametrize("words", ["list", "info maml --json", "--version", "--help"])
def test_an_output_that_is_full_is_one_sentence(words):
    done = subprocess.run(
        ["bash", "-c", f"{MLW} {words} > /dev/full"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "mlw: standard output cannot be written: No space left on device\n"


def test_an_output_that_is_closed_is_one_sentence():
    done = subprocess.run(
        ["bash", "-c", f"{MLW} list >&-"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("mlw: standard output is closed; redirect it")
    assert done.stderr.count("\n") == 1


def test_without_standard_error_the_output_is_the_same():
    done = subprocess.run(
        ["bash", "-c", f"{MLW} list 2>&-"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, real("list").stdout)


def test_no_colours_where_the_output_is_no_terminal():
    done = real("list")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr


def test_the_help_pages_in_the_docs_are_current():
    pytest.importorskip("typer", "0.29", reason="the docs show the help of typer 0.29 and newer")
    page = ROOT / "docs" / "generate.py"
    subprocess.run([sys.executable, page, "--check"], check=True)


def test_ctrl_c_in_a_training_says_how_to_resume(tmp_path):
    command = [MLW, "train", "protonet", "--steps", "100000", "--device", "cpu"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        until = time.monotonic() + 120
        while not list(tmp_path.glob("runs/*/run.toml")):
            assert time.monotonic() < until, process.poll()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert output == ""
    assert errors.splitlines()[-1] == STOPPED
    assert "Traceback" not in errors


def test_ctrl_c_says_for_each_command_what_is_kept(mlw, monkeypatch):
    def interrupt(*given, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.data.catalog.registry", interrupt)
    monkeypatch.setattr("workbench.experiments.run.read_manifest", interrupt)
    Path("run").mkdir()
    Path("run", "run.toml").touch()
    for line, words in [
        ("download glyphs", "what has arrived is kept; run the same command again to resume"),
        ("eval run", "finished evaluations are kept; run the same command again to resume"),
        ("compare protonet", "finished trainings and evaluations are kept, and all but the last"),
    ]:
        code, output, errors = mlw(line)
        assert (code, output) == (130, "")
        assert f"mlw: stopped; {words}" in errors.splitlines()[-1]


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "cp437"])
def test_output_in_any_encoding(encoding, tmp_path):
    """What a stream cannot hold is replaced; nothing is lost, and no command fails."""
    names = tmp_path / "names.py"
    names.write_text(
        "import sys\n"
        "from workbench.cli import _show, main\n"
        "for words in (['--help'], ['compare', '--help'], ['list', '--json'], ['info', 'siamese'],"
        " ['plugins'], ['info', 'omniglot'], ['download', '--list'], ['train', '\\u4e2d']):\n"
        "    sys.argv = ['mlw', *words]\n"
        "    try:\n"
        "        main.run()\n"
        "    except SystemExit as stop:\n"
        "        assert stop.code in (0, None, 2), stop.code\n"
        "_show.out('91.91 \\u00b1 0.40 \\u2020 \\u4e2d \\u2212')\n"
        "_show.note('\\u00b1 \\U0001f600')\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, names], capture_output=True, env=environment, check=True)
    printed = done.stdout.decode(encoding).splitlines()
    expected = {
        "ascii": "91.91 +- 0.40 + ? -",
        "gbk": "91.91 \u00b1 0.40 + \u4e2d -",
        "cp437": "91.91 \u00b1 0.40 + ? -",
    }
    assert printed[-1] == expected[encoding]
    assert len(printed) > 100
    assert "Traceback" not in done.stderr.decode(encoding)


@pytest.mark.parametrize("returned", [7, 130, None])
def test_what_a_command_returns_is_no_exit_code(mlw, monkeypatch, returned):
    monkeypatch.setattr(app, "registered_commands", [*app.registered_commands])
    app.command("seven")(lambda: returned)
    assert mlw("seven") == (0, "", "")


def test_the_code_of_an_exit_is_kept(mlw, monkeypatch):
    def leave():
        raise typer.Exit(3)

    monkeypatch.setattr(app, "registered_commands", [*app.registered_commands])
    app.command("leave")(leave)
    assert mlw("leave")[0] == 3


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "cp437", "latin-1", "utf-8"])
def test_marks_differ_in_any_encoding(encoding, monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, io.TextIOWrapper(io.BytesIO(), encoding))
    tolerate_encodings()
    written = [mark.encode(encoding, HANDLER) for mark in MARKS]
    assert len(set(written)) == len(MARKS)
    assert b"?" not in written

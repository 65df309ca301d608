"""`mlw runs`: every run folder is listed, and only those that nobody needs are removed."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest
from command_lines import SMALL, check_refused
from holding import held

from workbench.experiments.run import Run

RUNS = Path("runs")


@pytest.fixture
def runs(mlw):
    """Return a function that trains methods into runs/ and returns their folders by method."""

    def train(*specs):
        for spec in specs:
            assert mlw(f"train {spec}", *SMALL)[0] == 0
        found = [Run(path.parent) for path in RUNS.glob("*/run.toml")]
        return {run.plan.algorithm: run.folder for run in found}

    return train


def rows_of(mlw, line=""):
    code, output, _ = mlw(f"runs --json {line}")
    assert code == 0
    return json.loads(output)


def names(mlw, line=""):
    return {row["algorithm"] for row in rows_of(mlw, line)}


def test_without_runs_there_is_nothing_to_list(mlw):
    assert mlw("runs") == (0, "", "no such runs; make one with: mlw train protonet\n")
    assert rows_of(mlw) == []
    check_refused(mlw, "runs nowhere", 1, ["There are no runs in nowhere"])


def test_runs_are_listed_filtered_and_exported(mlw, runs):
    folders = runs("protonet:temperature=2", "nearest_pixel")
    assert mlw(f"eval {folders['protonet']} --episodes 5")[0] == 0
    code, output, _ = mlw("runs")
    assert code == 0
    assert output.startswith("2 runs, ")
    for word in (folders["protonet"].name, "protonet:temperature=2", "finished", "glyphs", "age"):
        assert word in output
    rows = {row["algorithm"]: row for row in rows_of(mlw)}
    row = rows["protonet"]
    assert (row["steps"], row["steps_planned"], row["evaluations"]) == (2, 2, 1)
    assert row["bytes"] == sum(p.stat().st_size for p in folders["protonet"].rglob("*.*"))
    assert (row["label"], row["state"]) == ("protonet:temperature=2.0", "finished")
    assert rows["nearest_pixel"]["evaluations"] == 0
    assert names(mlw, "--algorithm nearest_pixel") == {"nearest_pixel"}
    assert names(mlw, "--algorithm protonet:temperature=2") == {"protonet"}
    assert names(mlw, "--algorithm protonet:temperature=3") == set()
    assert names(mlw, "--on glyphs --state finished") == {"protonet", "nearest_pixel"}
    assert names(mlw, "--on omniglot") == set()
    assert names(mlw, str(folders["protonet"])) == {"protonet"}
    written = csv.DictReader(io.StringIO(mlw("runs --csv")[1]))
    as_text = [
        {key: "" if v is None else str(v) for key, v in each.items()} for each in rows_of(mlw)
    ]
    assert list(written) == as_text


def test_damaged_and_unfinished_runs_are_rows(mlw, runs):
    folders = runs("protonet", "nearest_pixel")
    manifest = folders["protonet"] / "run.toml"
    manifest.write_text(manifest.read_text().replace("conv4", "conv5"))
    (folders["nearest_pixel"] / "weights.safetensors").unlink()
    (RUNS / "notes").mkdir()
    (RUNS / "left").mkdir()
    (RUNS / "left" / "state.pt").write_bytes(b"half")
    (RUNS / "torn").mkdir()
    (RUNS / "torn" / "run.toml").write_bytes(b"\xff\x00")
    code, output, errors = mlw("runs")
    assert code == 0
    assert "notes" not in output
    assert errors.count("damaged: ") == 4
    assert "its checksum differs" in errors
    assert "lacks weights.safetensors; run again: mlw train nearest_pixel" in errors
    assert "Traceback" not in errors
    assert {row["run"] for row in rows_of(mlw, "--state damaged")} == {
        *(folder.name for folder in folders.values()),
        "left",
        "torn",
    }
    assert rows_of(mlw, "--state unfinished") == []


def test_runs_are_removed_if_asked(mlw, runs, monkeypatch):
    folders = runs("protonet", "nearest_pixel")
    check_refused(mlw, "runs --remove --yes", 2, ["say which runs", "--state damaged"])
    check_refused(mlw, "runs --yes", 2, ["--yes is for --remove"])
    check_refused(mlw, "runs --algorithm protonet --remove", 2, ["add --yes"])
    terminal = io.StringIO("no\n")
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    code, output, errors = mlw("runs --algorithm protonet --remove")
    assert (code, output) == (0, "")
    assert f"{folders['protonet']}: finished" in errors
    assert errors.endswith("Remove 1 run? [y/N] ")
    assert folders["protonet"].is_dir()
    terminal = io.StringIO("y\n")
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", terminal)
    assert mlw("runs --algorithm protonet --remove")[:2] == (0, f"{folders['protonet']}\n")
    assert not folders["protonet"].exists()
    assert folders["nearest_pixel"].is_dir()
    assert mlw(f"--quiet runs {folders['nearest_pixel']} --remove --yes")[0] == 0
    assert not list(RUNS.glob("*/run.toml"))


def test_what_is_no_run_or_more_than_one_is_not_removed(mlw, runs, tmp_path):
    folder = runs("protonet")["protonet"]
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.tex").write_text("...")
    assert mlw(f"runs {other} --remove --yes")[0] == 0
    (other / "run.toml").write_text("mine = true")
    code, _, errors = mlw(f"runs {other} --remove --yes")
    assert code == 1
    assert "holds what no run has: chapter.tex" in errors
    link = RUNS / "link"
    link.symlink_to(folder.absolute())
    code, _, errors = mlw(f"runs {link} --remove --yes")
    assert code == 1
    assert "it is a link" in errors
    assert (other / "chapter.tex").is_file()
    assert (folder / "run.toml").is_file()


def test_a_run_that_others_start_from_stays(mlw, runs):
    first = runs("baseline")["baseline"]
    assert mlw(f"train finetune:init={first.name} --steps 0 --backbone conv4:width=4")[0] == 0
    code, output, errors = mlw("runs --algorithm baseline --remove --yes")
    assert (code, output) == (1, "")
    assert "starts from it or learns from it, and cannot be evaluated without it" in errors
    assert first.is_dir()
    code, output, _ = mlw("runs runs --remove --yes")  # both
    assert (code, len(output.splitlines())) == (0, 2)


def test_a_run_that_is_trained_first_is_removed_and_named(mlw, runs):
    folders = runs("simpleshot")
    code, output, errors = mlw("--quiet runs --algorithm baseline --remove --yes")
    assert (code, output) == (0, f"{folders['baseline']}\n")
    assert f"was trained first for {folders['simpleshot'].name}; these keep" in errors


def test_a_run_in_use_is_not_removed(mlw, runs):
    folder = runs("protonet")["protonet"]
    with held(RUNS / f".{folder.name}.lock"):
        code, output, errors = mlw(f"runs {folder} --remove --yes")
    assert (code, output) == (1, "")
    assert f"{folder} is kept: it is in use by process" in errors
    assert folder.is_dir()


def test_a_training_that_was_stopped_says_how_far_it_came(mlw, runs, monkeypatch):
    folder = runs("protonet")["protonet"]
    text = (folder / "train.csv").read_text()
    shutil.rmtree(folder)

    def interrupt(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.experiments.train_run._steps", interrupt)
    assert mlw("train protonet", *SMALL)[0] == 130
    (folder / "train.csv").write_text(text.splitlines()[0] + "\n1,0.5,0.1,1.0,\n")
    (row,) = rows_of(mlw)
    assert (row["state"], row["steps"], row["steps_planned"]) == ("unfinished", 1, 2)
    assert "1 of 2" in mlw("runs")[1]

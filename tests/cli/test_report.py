"""`mlw report`: a table and a page of all evaluations, of each method the newest run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command_lines import SMALL, check_refused


def trained(mlw, line):
    code, output, errors = mlw(f"train {line}", *SMALL)
    assert code == 0, errors
    return Path(output.strip())


@pytest.fixture
def run(mlw):
    """A trained and evaluated run folder."""
    folder = trained(mlw, "protonet")
    assert mlw(f"eval {folder} --episodes 20")[0] == 0
    return folder


def test_a_page_with_figures_is_written(mlw, run, tmp_path):
    code, output, errors = mlw("report")
    assert code == 0, errors
    assert "<img" in (tmp_path / "report.html").read_text()
    assert "protonet" in output
    assert "report: report.html" in errors
    code, _, errors = mlw(f"report {run} --out page.html")
    assert code == 0, errors
    assert (tmp_path / "page.html").is_file()


def test_a_run_that_is_named_twice_is_reported_once(mlw, run):
    code, output, errors = mlw(f"report {run} {run} runs --json")
    assert code == 0, errors
    (cell,) = json.loads(output)
    assert (cell["algorithm"], cell["episodes"]) == ("protonet", 20)


def test_of_a_method_that_was_trained_twice_the_newest_is_reported(mlw, run):
    newer = trained(mlw, "protonet --lr 0.5")
    assert mlw(f"eval {newer} --episodes 20")[0] == 0
    not_evaluated = trained(mlw, "baseline")
    weights = run / "weights.safetensors"
    os.utime(weights, (1, 1))
    code, output, errors = mlw("report --json")
    assert code == 0, errors
    assert len(json.loads(output)) == 1
    assert f"left out, because newer runs of the same exist: {run.name}" in errors
    assert f"left out, because not evaluated yet (mlw eval): {not_evaluated.name}" in errors


def test_a_baseline_is_named(mlw, run):
    assert mlw("report --baseline protonet")[0] == 0
    code, _, errors = mlw("report --baseline protonets")
    assert code == 2
    assert "Did you mean protonet?" in errors


def test_runs_without_evaluations_are_one_sentence(mlw):
    trained(mlw, "protonet")
    check_refused(mlw, "report", 1, ["None of these runs was trained and evaluated", "mlw eval"])


@pytest.mark.parametrize("line", ["report", "report nothing"])
def test_no_runs_are_one_sentence(mlw, line):
    place = line.partition(" ")[2] or "runs"
    check_refused(mlw, line, 1, [f"no runs in {place}"])

"""Rows are believed only if they answer what was asked of the run that they lie in."""

from __future__ import annotations

import os
import shutil

import pandas as pd
import pytest
from small_runs import evaluated, trained

from workbench.experiments.evaluation_file import written_at
from workbench.results import frame as frames


def test_an_evaluation_of_another_run_is_left_out(data, tmp_path):
    run, other = (trained(data, tmp_path, seed=seed) for seed in (0, 1))
    expected = evaluated(run, data)
    evaluated(other, data)
    for path in run.folder.glob("eval/*"):
        path.unlink()
    shutil.copytree(other.folder / "eval", run.folder / "eval", dirs_exist_ok=True)
    (path,) = run.folder.glob("eval/*.parquet")
    notes: list[str] = []
    assert run.evaluations(notes.append).empty
    assert notes == [f"left out: {path} was measured with the weights of another run; delete it"]
    again = evaluated(run, data)
    assert again["accuracy"].tolist() == expected["accuracy"].tolist()


CANNOT_BE = "has accuracies or tasks that cannot be"


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        ({"accuracy": 1.7}, CANNOT_BE),
        ({"accuracy": None}, CANNOT_BE),
        ({"task": 0}, CANNOT_BE),
        ({"task": [0, 1, 2, 4]}, CANNOT_BE),
        ({"instance": [0, 0, 0, 1]}, CANNOT_BE),
        ({"settings": None}, "is damaged (column settings lacks values)"),
        ({"settings": ""}, "is of another run (settings differs)"),
        ({"train_seed": 1, "steps": 2}, "is of another run (train_seed, steps differs)"),
        ({"train_sets": [("x",)] * 4}, "is of another run (train_sets differs)"),
        ({"ways": 2}, "answers another question (ways differs)"),
        ({"ways": pd.NA}, "answers another question (ways differs)"),
        ({"shots": 5, "split": "val"}, "answers another question (split, shots differs)"),
        ({"protocol": "stream"}, "answers another question (protocol differs)"),
        ({"code": "older"}, "answers another question (code differs)"),
    ],
    ids=str,
)
def test_rows_that_somebody_changed_are_left_out(data, evaluated_run, spoiled, words):
    run, frame = evaluated_run
    (path,) = run.folder.glob("eval/*.parquet")
    frames.write_tasks(frame.assign(**spoiled), path)
    notes: list[str] = []
    assert run.evaluations(notes.append).empty
    assert words in notes[0]
    again = evaluated(run, data, episodes=4)
    assert again[["task", "accuracy"]].equals(frame[["task", "accuracy"]])


def test_some_of_the_rows_are_no_evaluation(evaluated_run):
    run, frame = evaluated_run
    (path,) = run.folder.glob("eval/*.parquet")
    frames.write_tasks(frame.head(3), path)
    notes: list[str] = []
    assert run.evaluations(notes.append).empty
    assert CANNOT_BE in notes[0]


@pytest.mark.parametrize("record", [None, "= 3", "episodes = 3", "day = 2026-01-01"])
def test_rows_without_the_record_of_what_was_asked_are_left_out(evaluated_run, record):
    run, _ = evaluated_run
    (path,) = run.folder.glob("eval/*.toml")
    path.unlink()
    if record is not None:
        path.write_text(record)
    notes: list[str] = []
    assert run.evaluations(notes.append).empty
    assert "cannot be read" in notes[0] or "has the name of another evaluation" in notes[0]


def test_an_evaluation_under_the_name_of_another_is_left_out(data, evaluated_run):
    run, frame = evaluated_run
    (path,) = run.folder.glob("eval/*.parquet")
    other = evaluated(run, data, episodes=4, task_seed=1)
    (renamed,) = set(run.folder.glob("eval/*.parquet")) - {path}
    for suffix in (".parquet", ".toml"):
        path.with_suffix(suffix).replace(renamed.with_suffix(suffix))
    notes: list[str] = []
    assert run.evaluations(notes.append).empty
    assert "has the name of another evaluation" in notes[0]
    assert evaluated(run, data, episodes=4, task_seed=1)["loss"].equals(other["loss"])
    assert not other["loss"].equals(frame["loss"])


@pytest.fixture
def evaluated_run(data, tmp_path):
    """A run, and its rows on four tasks."""
    run = trained(data, tmp_path)
    return run, evaluated(run, data, episodes=4)


@pytest.mark.parametrize(
    "record", ["written = inf", "written = nan", "written = [1]", "written = {}", "", "= 3", "\0"]
)
def test_without_a_readable_record_the_time_of_the_file_counts(tmp_path, record):
    path = tmp_path / "it.parquet"
    path.touch()
    os.utime(path, ns=(5, 5))
    path.with_suffix(".toml").write_text(record)
    assert written_at(path) == 5
    path.with_suffix(".toml").write_text("written = 7")
    assert written_at(path) == 7

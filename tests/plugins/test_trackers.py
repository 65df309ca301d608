"""TensorBoard and trackio: their own readers find what train.csv has, each step once."""

from __future__ import annotations

import csv
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from command_lines import SMALL

from workbench.experiments.run import find_run

MLW = Path(sys.executable).with_name("mlw")
KILLED = """
import sys
from workbench.cli import main
from workbench.experiments import train_run

train_run.SAVE_EVERY = 0.0
stop = int(sys.argv.pop(1))
save = train_run._save_state
def saved(state, path):
    save(state, path)
    train_run.SAVE_EVERY = 1e9  # the next steps are lost
train_run._save_state = saved
write = train_run.ProgressText.of
def of(self, step):
    if step.step == stop:
        raise KeyboardInterrupt
    return write(self, step)
train_run.ProgressText.of = of
main.run()
"""


def lines_of(run):
    with (run.folder / "train.csv").open() as file:
        return list(csv.DictReader(file))


def trained_in_two(tmp_path, tracker):
    """Train eight steps in two processes: the first saves at step 1 and is stopped at step 5."""
    words = ["train", "protonet", *SMALL, "--steps", "8", "--track", tracker]
    first = [sys.executable, "-c", KILLED, "5", *words]
    stopped = subprocess.run(first, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert stopped.returncode == 130, stopped.stderr
    done = subprocess.run([MLW, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(Path("runs", find_run(str(tmp_path / "runs")).folder.name))
    words = ["eval", "runs", "--episodes", "10", "--track", tracker]
    done = subprocess.run([MLW, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return find_run(str(tmp_path / "runs"))


def test_tensorboard_reads_each_step_once(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is an extra")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = trained_in_two(tmp_path, "tensorboard")
    events = EventAccumulator(str(run.folder / "tensorboard"))
    events.Reload()
    rows = lines_of(run)
    for name in ("loss", "lr"):
        found = [(each.step, each.value) for each in events.Scalars(f"training/{name}")]
        assert [step for step, _ in found] == [int(row["step"]) for row in rows]
        assert [value for _, value in found] == pytest.approx([float(row[name]) for row in rows])
    (accuracy,) = events.Scalars("glyphs, 5-way 1-shot/accuracy")
    assert accuracy.step == 8
    assert accuracy.value == pytest.approx(run.evaluations()["accuracy"].mean())
    assert "plan/text_summary" in events.Tags()["tensors"]


def test_trackio_has_each_step_once(tmp_path, monkeypatch):
    pytest.importorskip("trackio", reason="trackio is an extra")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "database"))
    run = trained_in_two(tmp_path, "trackio:project=small")
    with sqlite3.connect(tmp_path / "database" / "small.db") as database:
        found = database.execute("SELECT run_name, step, metrics FROM metrics").fetchall()
        ids = database.execute("SELECT DISTINCT run_id FROM metrics").fetchall()
    assert {name for name, _, _ in found} == {run.folder.name}
    assert len(ids) == 1  # the training that was resumed, and the evaluation, are one run
    logged = [(step, json.loads(text)) for _, step, text in found]
    losses = [(step, each["training/loss"]) for step, each in logged if "training/loss" in each]
    assert losses == [(int(row["step"]), float(row["loss"])) for row in lines_of(run)]
    name = "glyphs, 5-way 1-shot/accuracy"
    (accuracy,) = [each[name] for _, each in logged if name in each]
    assert accuracy == pytest.approx(run.evaluations()["accuracy"].mean())


@pytest.mark.parametrize("name", ["tensorboard", "trackio"])
def test_one_whose_library_is_missing_names_the_command(name, tmp_path):
    code = (
        f"import sys; sys.modules[{name!r}] = None; sys.modules['torch.utils.tensorboard'] = None\n"
        f"sys.argv = ['mlw', 'train', 'protonet', '--track', {name!r}]\n"
        "from workbench.cli.main import run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"is not installed; run: pip install 'meta-learning-workbench[{name}]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []

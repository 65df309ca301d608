"""Damaged run folders: a sentence or the same numbers, never a traceback or another number."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest
from fuzzing import mutate, seeds
from registered import open_already
from resealed import accept, reseal
from small_runs import evaluated, interrupt_at, plan_of, trained

from workbench.errors import WorkbenchError
from workbench.experiments import train_run as training
from workbench.experiments.reported import evaluations_of
from workbench.experiments.run import Run, find_runs, readable_runs
from workbench.experiments.train_run import train_run
from workbench.experiments.workspace import Workspace
from workbench.testing import tiny_data

pytestmark = pytest.mark.fuzz

STEPS = {"steps": 3, "validate_every": 2, "validate_tasks": 4}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished and evaluated run, its rows and its weights; and one that was interrupted."""
    data = tiny_data()
    out = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        open_already(patch, data.members)
        patch.setattr(training, "SAVE_EVERY", 0.0)
        run = trained(data, out, **STEPS)
        rows = evaluated(run, data)
        try:
            report = interrupt_at(3)
            plan = plan_of(data, **STEPS)
            train_run(plan, data, Workspace(out / "begun", "cpu", report=report))
        except KeyboardInterrupt:
            pass
    return data, run, rows


@pytest.fixture(autouse=True)
def opened(whole, monkeypatch):
    open_already(monkeypatch, whole[0].members)


def damage(run: Run, seed: int) -> None:
    """Damage one file of a run, and in every third case give it the checksum that fits."""
    files = sorted(path for path in run.folder.rglob("*") if path.is_file())
    path = files[seed % len(files)]
    path.write_bytes(mutate(path.read_bytes(), seed))
    if seed % 3:
        return
    if path.name == "run.toml":
        _reseal(path)
    elif path.parent == run.folder:
        accept(run.folder, path.name)


def _reseal(path) -> None:
    try:
        reseal(path)
    except (OSError, UnicodeDecodeError):
        return


@pytest.mark.parametrize("seed", seeds(few=24, full=300))
def test_a_damaged_run(seed, whole, tmp_path):
    data, original, rows = whole
    run = Run(tmp_path / original.folder.name)
    shutil.copytree(original.folder, run.folder)
    damage(run, seed)
    accepted = seed % 3 == 0  # numbers may then differ, but nothing breaks
    notes = []
    try:
        found = evaluated(Run(run.folder), data)
    except WorkbenchError as error:
        check_sentence(error)
    else:
        assert accepted or same(found, rows)
    try:
        tasks = evaluations_of(readable_runs(find_runs([tmp_path]), notes.append), print).tasks
    except WorkbenchError as error:
        check_sentence(error)
    else:
        assert accepted or same(tasks, rows)


def check_sentence(error: WorkbenchError, names: str = "") -> None:
    """Check that a message is one line and has a name in it."""
    assert "\n" not in str(error)
    assert names in str(error)


def same(found: pd.DataFrame, rows: pd.DataFrame) -> bool:
    """Return whether the accuracies of the tasks are the same."""
    columns = ["task", "accuracy", "loss"]
    return found[columns].reset_index(drop=True).equals(rows[columns].reset_index(drop=True))


@pytest.mark.parametrize("seed", seeds(few=12, full=100))
def test_a_damaged_state_to_resume_from(seed, whole, tmp_path):
    data, original, _ = whole
    begun = original.folder.parent / "begun" / original.folder.name
    copied = tmp_path / begun.name
    shutil.copytree(begun, copied)
    state = copied / "state.pt"
    before = state.read_bytes()
    state.write_bytes(mutate(before, seed))
    try:
        run = trained(data, tmp_path, **STEPS)
    except WorkbenchError as error:
        check_sentence(error, names="state.pt")
        assert state.read_bytes() != before
    else:
        weights = (original.folder / "weights.safetensors").read_bytes()
        assert (run.folder / "weights.safetensors").read_bytes() == weights

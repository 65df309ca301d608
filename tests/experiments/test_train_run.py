"""Trainings: written whole, resumed bit for bit, done once."""

from __future__ import annotations

import resource
import signal
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from holding import held
from small_runs import (
    interrupt_at,
    plan_of,
    trained,
)

from workbench.errors import DataError, RunError, TrainingError
from workbench.experiments import train_run as training
from workbench.experiments.lineage import run_folder
from workbench.experiments.run import Run, find_runs
from workbench.experiments.train_run import train_run
from workbench.experiments.workspace import Workspace
from workbench.testing import tiny_data

CPU = torch.device("cpu")
SIX = {"steps": 6, "validate_every": 2, "validate_tasks": 4}


def folder_of(data, out, *given, **settings):
    return run_folder(plan_of(data, *given, **settings), data, out)


def interrupted(data, out, step, *given, **settings):
    """Interrupt a training at a step; return its folder."""
    plan = plan_of(data, *given, **settings)
    with pytest.raises(KeyboardInterrupt):
        train_run(plan, data, Workspace(out, "cpu", report=interrupt_at(step)))
    return run_folder(plan, data, out)


def test_a_finished_run_holds_all_that_is_promised(data, tmp_path):
    run = trained(data, tmp_path, **SIX)
    names = {path.name for path in run.folder.iterdir()}
    assert names == {"run.toml", "train.csv", "weights.safetensors"}
    assert run.folder.name.startswith("protonet-tiny-3w2s-")
    about = tomllib.loads((run.folder / "run.toml").read_text())
    assert about["format"] == 3
    assert about["plan"]["settings"]["train_ways"] == 8  # all classes, fewer than the recipe's 20
    assert about["versions"]["torch"] == torch.__version__
    assert about["result"]["steps"] == 6
    curve = run.curve()
    assert list(curve["step"]) == [1, 2, 3, 4, 5, 6]
    assert curve["val_accuracy"].notna().tolist() == [False, True] * 3
    assert run.plan == plan_of(data, **SIX)
    manifest = run.manifest
    assert manifest.image_shape == (1, 16, 16)
    # 6 steps of one task: 8 ways, each with 2 shots and 5 queries
    assert manifest.result.images_seen == 6 * 8 * 7
    assert manifest.result.last_loss == curve["loss"].iloc[-1]
    assert (manifest.plan.recipe, manifest.plan.recipe_steps) == ("quick", 400)
    assert manifest.versions["mlw-metric"]
    assert manifest.hardware["name"]
    assert not list(tmp_path.glob("**/*.part"))


def steps_of(reported):
    """Return what was reported about steps of a training, not about its validation."""
    return [progress for progress in reported if progress.unit == "steps"]


def test_what_is_finished_is_not_trained_again_unless_asked(data, tmp_path):
    reported = []
    plan = plan_of(data, **SIX)
    for fresh, steps in ((False, 6), (False, 6), (True, 12)):
        train_run(plan, data, Workspace(tmp_path, "cpu", fresh, reported.append))
        assert len(steps_of(reported)) == steps
    assert [progress.done for progress in steps_of(reported)] == [1, 2, 3, 4, 5, 6] * 2
    labels = {progress.label for progress in reported}
    assert labels == {"protonet on tiny 3-way 2-shot", "protonet on tiny 3-way 2-shot: validation"}
    assert {progress.total for progress in steps_of(reported)} == {6}
    assert "validation" in steps_of(reported)[1].detail


def test_images_are_counted_over_interruptions(data, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 0.0)
    interrupted(data, tmp_path, 4, "baseline", **SIX)
    result = trained(data, tmp_path, "baseline", **SIX).manifest.result
    assert result.images_seen == 6 * 64  # batches of 64 images


def test_the_recipe_is_written_but_does_not_make_another_run(data):
    plan = plan_of(data)
    assert (plan.recipe, plan.recipe_steps, plan.settings.steps) == ("quick", 400, 3)
    other = replace(plan, recipe="paper", recipe_steps=7)
    assert other == plan
    assert run_folder(other, data, Path()) == run_folder(plan, data, Path())


@pytest.mark.parametrize("name", ["protonet", "maml", "baseline"])
def test_an_interrupted_run_goes_on_bit_for_bit(data, tmp_path, monkeypatch, name):
    whole = trained(data, tmp_path / "whole", name, **SIX)
    monkeypatch.setattr(training, "SAVE_EVERY", 0.0)
    for step in (1, 2, 5, 6):
        folder = interrupted(data, tmp_path, step, name, **SIX)
        assert not Run(folder).finished
        torch.manual_seed(step)
    reported = []
    plan = plan_of(data, name, **SIX)
    run = train_run(plan, data, Workspace(tmp_path, "cpu", report=reported.append))
    assert [progress.done for progress in steps_of(reported)] == [6]  # the others were saved
    assert (run.folder / "weights.safetensors").read_bytes() == (
        whole.folder / "weights.safetensors"
    ).read_bytes()
    assert not (run.folder / "state.pt").exists()
    columns = ["step", "loss", "lr", "val_accuracy"]
    assert run.curve()[columns].equals(whole.curve()[columns])


def test_what_a_killed_training_left_half_written_is_removed(data, tmp_path):
    run = trained(data, tmp_path)
    (run.folder / "weights.safetensors").rename(
        run.folder / ".weights.safetensors.0123456789abcdef.part"
    )
    again = trained(data, tmp_path)
    assert again.folder == run.folder
    assert not list(run.folder.glob(".*"))


def test_data_without_validation_classes_keeps_the_last_weights(data, tmp_path):
    del data.members[0].tables["val"]
    run = trained(data, tmp_path, **SIX)
    assert run.manifest.result.kept == "last"
    assert run.manifest.result.best_val_accuracy is None


def test_the_best_weights_on_validation_are_kept(data, tmp_path):
    result = trained(data, tmp_path, **SIX).manifest.result
    assert result.kept == "best"
    assert result.best_step in (2, 4, 6)
    assert 0 <= result.best_val_accuracy <= 1
    assert trained(data, tmp_path, **SIX, keep="last").manifest.result.kept == "last"


def test_a_damaged_state_is_one_sentence(data, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 0.0)
    folder = interrupted(data, tmp_path, 3)
    (folder / "state.pt").write_bytes((folder / "state.pt").read_bytes()[:100])
    with pytest.raises(RunError, match=r"state.pt is damaged"):
        trained(data, tmp_path)


def test_a_folder_that_cannot_be_written_is_one_sentence(data, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="another folder with --out"):
        trained(data, tmp_path / "file")


def test_a_full_disk_leaves_what_was_saved_before(data, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SAVE_EVERY", 0.0)
    folder = interrupted(data, tmp_path, 3, **SIX)
    before = (folder / "state.pt").read_bytes()

    def full(state, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(RunError, match="No space left"):
        trained(data, tmp_path, **SIX)
    assert (folder / "state.pt").read_bytes() == before
    assert not list(folder.glob(".*"))


def test_a_full_disk_while_weights_are_written(data, tmp_path):
    """The limit lets through what is small, run.toml and train.csv, and refuses the weights."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (7_000, hard))
    try:
        with pytest.raises(RunError, match="cannot be written: File too large"):
            trained(data, tmp_path, backbone="conv4:width=16")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    folder = folder_of(data, tmp_path, backbone="conv4:width=16")
    assert {path.name for path in folder.iterdir()} == {"run.toml", "train.csv"}
    assert not Run(folder).finished
    assert trained(data, tmp_path, backbone="conv4:width=16").finished


def test_what_was_killed_while_it_was_deleted_is_trained_again(data, tmp_path):
    folder = trained(data, tmp_path).folder
    (folder / "run.toml").unlink()  # as an earlier version left it
    half = folder.rename(tmp_path / f".{folder.name}.0123.old")
    (half / "run.toml").write_text("left by a kill after the folder was renamed")
    with pytest.raises(RunError, match="There are no runs"):
        find_runs([tmp_path])
    run = trained(data, tmp_path, fresh=True)
    assert run.finished
    assert not half.exists()
    (run.folder / "run.toml").unlink()
    assert trained(data, tmp_path).finished


def test_a_loss_that_is_no_number_leaves_the_run_unfinished(data, tmp_path):
    with pytest.raises(TrainingError, match="learning rate"):
        trained(data, tmp_path, lr=1e30)
    assert not Run(folder_of(data, tmp_path, lr=1e30)).finished


def test_a_training_that_could_not_begin_begins_again(tmp_path):
    data = tiny_data((3, 32, 32))
    network = f"torchvision:name=squeezenet1_1,weights={tmp_path / 'w.pth'}"
    for _ in range(2):
        with pytest.raises(DataError, match="There is no file"):
            trained(data, tmp_path / "runs", backbone=network)


# --- locks


def test_a_training_says_for_whom_it_waits(data, tmp_path):
    plan = plan_of(data)
    folder = run_folder(plan, data, tmp_path)
    with held(tmp_path / f".{folder.name}.lock") as holder:
        run = train_run(plan, data, Workspace(tmp_path, "cpu", note=holder))
    assert run.finished
    assert holder.told[0].startswith(f"waiting for process {holder.process.pid} on ")


def test_a_finished_run_is_read_without_a_lock(data, tmp_path):
    run = trained(data, tmp_path)
    lock = tmp_path / f".{run.folder.name}.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()  # as in a folder that cannot be written, no lock can be made
    assert trained(data, tmp_path) == run
    with pytest.raises(RunError, match="cannot be written"):
        trained(data, tmp_path, fresh=True)
    assert run.finished

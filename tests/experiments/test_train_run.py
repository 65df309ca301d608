"""Trainings: written whole, resumed bit for bit, done once; and those that build on others."""

from __future__ import annotations

import tomllib

import pytest
import torch
from safetensors.torch import load_file
from small_runs import (
    CONV,
    interrupt_at,
    plan_of,
    run_names,
    trained,
    without_hash,
)
from taught import Taught

from workbench.errors import DataError, RunError, TrainingError
from workbench.experiments import train_run as training
from workbench.experiments.fingerprint import run_folder
from workbench.experiments.run import Run
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


# --- one training


def test_a_finished_run_holds_all_that_is_promised(data, tmp_path):
    run = trained(data, tmp_path, **SIX)
    names = {path.name for path in run.folder.iterdir()}
    assert names == {"run.toml", "train.csv", "weights.safetensors"}
    assert run.folder.name.startswith("protonet-tiny-3w2s-")
    about = tomllib.loads((run.folder / "run.toml").read_text())
    assert about["format"] == 2
    assert about["plan"]["settings"]["train_ways"] == 8  # all classes, fewer than the recipe's 20
    assert about["versions"]["torch"] == torch.__version__
    assert about["result"]["steps"] == 6
    curve = run.curve()
    assert list(curve["step"]) == [1, 2, 3, 4, 5, 6]
    assert curve["val_accuracy"].notna().tolist() == [False, True] * 3
    assert run.plan == plan_of(data, **SIX)
    assert run.manifest.image_shape == (1, 16, 16)
    assert not list(tmp_path.glob("**/*.part"))


def test_what_is_finished_is_not_trained_again_unless_asked(data, tmp_path):
    reported = []
    plan = plan_of(data, **SIX)
    for fresh, steps in ((False, 6), (False, 6), (True, 12)):
        train_run(plan, data, Workspace(tmp_path, "cpu", fresh, reported.append))
        assert len(reported) == steps
    assert [progress.done for progress in reported] == [1, 2, 3, 4, 5, 6] * 2
    assert {progress.label for progress in reported} == {"protonet on tiny 3-way 2-shot"}
    assert {(progress.total, progress.unit) for progress in reported} == {(6, "steps")}
    assert "validation" in reported[1].detail


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
    assert [progress.done for progress in reported] == [6]  # the others were saved
    assert (run.folder / "weights.safetensors").read_bytes() == (
        whole.folder / "weights.safetensors"
    ).read_bytes()
    assert not (run.folder / "state.pt").exists()
    columns = ["step", "loss", "lr", "val_accuracy"]
    assert run.curve()[columns].equals(whole.curve()[columns])


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


def test_a_loss_that_is_no_number_leaves_the_run_unfinished(data, tmp_path):
    with pytest.raises(TrainingError, match="learning rate"):
        trained(data, tmp_path, lr=float("inf"))
    assert not Run(folder_of(data, tmp_path, lr=float("inf"))).finished


# --- trainings that build on others


def weights(run, data):
    return run.learner(data, CPU).state_dict()


def test_a_run_starts_from_another(data, tmp_path):
    pretrained = trained(data, tmp_path, "baseline")
    name = pretrained.folder.name
    run = trained(data, tmp_path, steps=0, init=name)
    theirs, ours = weights(pretrained, data), weights(run, data)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    with pytest.raises(RunError, match="no weights for backbone"):
        trained(data, tmp_path, backbone="conv4:width=16", init=name)


def test_what_it_starts_from_is_trained_first_and_once(data, tmp_path):
    own = trained(data, tmp_path, "baseline")
    run = trained(data, tmp_path, "protonet:init=baseline")
    assert without_hash(run_names(tmp_path)) == [
        "baseline-tiny",  # the baseline that was there
        "protonet-tiny-3w2s",
    ]
    assert run.plan == plan_of(data, "protonet:init=baseline")
    assert run.manifest.result.seconds_before == own.manifest.result.seconds > 0
    still = trained(data, tmp_path, "protonet:init=baseline,steps=0")
    theirs, ours = weights(own, data), weights(still, data)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_training_afresh_does_not_train_what_comes_first_again(data, tmp_path):
    own = trained(data, tmp_path, "baseline")
    stamp = (own.folder / "weights.safetensors").stat().st_mtime_ns
    trained(data, tmp_path, "protonet:init=baseline", fresh=True)
    assert (own.folder / "weights.safetensors").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("settings", [{"init": "nothing"}, {"teachers": "nothing"}])
def test_a_run_that_is_not_there_is_one_sentence(data, tmp_path, settings):
    with pytest.raises(RunError, match="nothing is not a finished run"):
        trained(data, tmp_path, **settings)


def test_each_data_set_has_a_teacher_of_its_own(two, tmp_path):
    run = trained(two, tmp_path, "taught:teachers=baseline")
    assert without_hash(run_names(tmp_path)) == [
        "baseline-one",
        "baseline-other",
        "taught-one+other",
    ]
    learner = run.learner(two, CPU, seen=False)
    assert learner.taught.tolist() == [8, 6]  # classes of each teacher
    assert learner.teachers == ()
    assert learner.seen is False
    assert not any("teachers" in name for name in learner.state_dict())
    again = trained(two, tmp_path, f"taught:teachers={'+'.join(run_names(tmp_path, 'baseline'))}")
    assert again.learner(two, CPU).taught.tolist() == [8, 6]


def test_data_that_are_open_are_not_opened_again_for_teachers(two, tmp_path, monkeypatch):
    def refuse(labels):
        raise AssertionError(f"{labels} are open already")

    monkeypatch.setattr("workbench.experiments.earlier_runs.open_training_data", refuse)
    assert trained(two, tmp_path, "taught:teachers=baseline").finished


def test_a_teacher_of_other_data_opens_them_itself(two, tmp_path):
    other = type(two)(two.members[1:])
    teacher = trained(other, tmp_path, "baseline")
    one = type(two)(two.members[:1])
    run = trained(one, tmp_path, f"taught:teachers={teacher.folder.name}")
    assert run.learner(one, CPU).taught.tolist() == [6]


def test_teachers_are_trained_already_and_learn_no_more(two, tmp_path, monkeypatch):
    given = []

    def losses(self, source):
        given.extend(self.teachers)
        yield from ()

    monkeypatch.setattr(Taught, "losses", losses)
    run = trained(two, tmp_path, "taught:teachers=baseline")
    assert len(given) == 2
    for teacher, name in zip(given, run_names(tmp_path, "baseline"), strict=True):
        assert not teacher.training
        assert not any(weight.requires_grad for weight in teacher.parameters())
        stored = load_file(tmp_path / name / "weights.safetensors")
        assert all(torch.equal(stored[key], value) for key, value in teacher.state_dict().items())
    own = run.learner(two, CPU)
    assert run.manifest.parameters == sum(value.numel() for value in own.parameters())


def test_a_training_that_could_not_begin_begins_again(tmp_path):
    data = tiny_data((3, 32, 32))
    network = f"torchvision:name=squeezenet1_1,weights={tmp_path / 'w.pth'}"
    for _ in range(2):
        with pytest.raises(DataError, match="There is no file"):
            trained(data, tmp_path / "runs", backbone=network)


def test_what_is_not_trained_must_find_all_that_it_needs_in_its_start(data, tmp_path):
    with pytest.raises(
        RunError,
        match=r"leaves classifier.bias, classifier.weight at random; name a start that has these",
    ):
        trained(data, tmp_path, "finetune:features=logits,init=baselinepp", backbone=CONV)
    assert trained(data, tmp_path, "finetune:features=logits,init=baseline").finished

"""What a training builds on: initial weights, teachers, and what pre-training saw."""

from __future__ import annotations

import pytest
import torch
from registered import register
from safetensors.torch import load_file
from small_runs import CONV, FEW, evaluated, plan_of, run_names, trained, without_hash
from taught import Taught
from torch import nn

from workbench.data.opening import OpenDataset
from workbench.errors import PluginError, RunError
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.experiments.train_run import train_run
from workbench.experiments.workspace import Workspace
from workbench.tasks.splits import TrainingData
from workbench.testing import tiny_data

CPU = torch.device("cpu")


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
    before, first = run.manifest.result.before, own.manifest.result
    assert before == (first.steps, first.images_seen, first.seconds)
    assert min(before) > 0
    assert run.manifest.result.all_steps == run.manifest.result.steps + first.steps
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


def test_what_is_not_trained_must_find_all_that_it_needs_in_its_start(data, tmp_path):
    with pytest.raises(
        RunError,
        match=r"leaves classifier.bias, classifier.weight at random; name a start that has these",
    ):
        trained(data, tmp_path, "finetune:features=logits,init=baselinepp", backbone=CONV)
    assert trained(data, tmp_path, "finetune:features=logits,init=baseline").finished


def test_what_pre_training_saw_is_kept_and_passed_on(tmp_path):
    from torchvision import models

    path = tmp_path / "w.pth"
    torch.save(models.get_model("squeezenet1_1", weights=None).state_dict(), path)
    data = tiny_data((3, 32, 32))
    network = f"torchvision:name=squeezenet1_1,weights={path},pretrained_on=imagenet"
    request = TrainingRequest(3, 1, network, settings=FEW | {"steps": 1})
    workspace = Workspace(tmp_path / "runs", "cpu")
    plan = make_plan("linear_probe", data, request)
    run = train_run(plan, data, workspace)
    assert run.manifest.pretrained_on == ("imagenet",)
    assert train_run(plan.init, data, workspace).manifest.pretrained_on == ("imagenet",)
    same = train_run(make_plan("linear_probe:init=none", data, request), data, workspace)
    first = same.learner(data, CPU).backbone.network.state_dict()
    given = torch.load(path)
    assert all(torch.equal(given[name], first[name]) for name in given.keys() & first.keys())
    path.unlink()  # a run holds its own weights
    for overlaps, word in (
        ({}, "unknown"),
        ({"imagenet": True}, "yes"),
        ({"imagenet": False}, "no"),
    ):
        tables = data.members[0].tables
        tested = TrainingData((OpenDataset("tested", "tested", tables, overlaps=overlaps),))
        frame = evaluated(run, data, on=tested, fresh=True, shots=1, queries=3, episodes=4)
        assert set(frame["pretrained_on"]) == {("imagenet",)}
        assert set(frame["overlap"]) == {word}


def test_a_start_that_has_no_weights_for_the_backbone_is_refused(data, tmp_path):
    """MAML's backbone has other names than ProtoNet's: nothing of it would be loaded."""
    run = trained(data, tmp_path, "protonet")
    with pytest.raises(RunError, match=r"has no weights for model\.0\."):
        trained(data, tmp_path, f"maml:init={run.folder.name}")


class Plain(nn.Sequential):
    """A backbone as in the tutorial: a module with `dim`, and no `Backbone`."""

    pretrained_on = ("imagenet",)

    def __init__(self, image_shape):
        super().__init__(nn.Flatten(), nn.Linear(256, 8))
        self.dim = 8

    def first_weights(self):
        nn.init.constant_(self[1].bias, 7.0)


@pytest.mark.parametrize("algorithm", ["protonet", "maml"])
def test_a_backbone_that_is_no_subclass_says_what_it_saw(algorithm, data, tmp_path, monkeypatch):
    register(monkeypatch, "backbones", "plain", Plain)
    run = trained(data, tmp_path, algorithm, backbone="plain", steps=0)
    assert run.manifest.pretrained_on == ("imagenet",)
    biases = [value for name, value in weights(run, data).items() if name.endswith("1.bias")]
    assert torch.equal(biases[0], torch.full((8,), 7.0))  # its first weights were loaded


def test_names_of_pre_training_that_are_no_tuple_are_refused(data, tmp_path, monkeypatch):
    register(monkeypatch, "backbones", "plain", Plain)
    monkeypatch.setattr(Plain, "pretrained_on", "imagenet")
    with pytest.raises(PluginError, match="pretrained_on as a tuple of names, not 'imagenet'"):
        trained(data, tmp_path, backbone="plain", steps=0)

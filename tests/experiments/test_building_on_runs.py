"""Trainings that build on others: first weights, teachers, and options chosen on validation tasks."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, ClassVar

import pytest
import torch
from torch import Tensor, nn

from workbench import Backbone, Examples, Learner, Predictor, Source
from workbench.errors import DataError, RunError, UsageError
from workbench.experiments import run as runs
from workbench.experiments.evaluate_run import evaluate_run
from workbench.experiments.plan import make_plan
from workbench.experiments.train_run import train_run
from workbench.functional import class_means, squared_distances
from workbench.plugin.options import TOGETHER
from workbench.plugin.registry import Registration, registry
from workbench.tasks.splits import Data
from workbench.testing import tiny_data

CPU = torch.device("cpu")
CONV = "conv4:width=8"
FEW = {"steps": 3, "validate_every": 0, "validate_tasks": 8}


class Taught(Learner):
    """Says what it was given, and lets a rate be chosen."""

    episodic = False
    selects: ClassVar = {"sharpness": (-1.0, 0.0, 1.0)}

    def __init__(
        self,
        backbone: Backbone,
        domains: tuple[str, ...],
        teachers: tuple[Learner, ...],
        seen: bool | None,
        *,
        sharpness: Annotated[float, "multiplies the scores"] = 0.0,
        guess: Annotated[bool, "uses what nobody knows"] = False,
    ):
        super().__init__()
        self.backbone = backbone
        self.teachers = teachers
        self.seen = seen
        self.sharpness = sharpness
        self.guess = guess
        self.oracle = guess
        self.register_buffer("taught", torch.zeros(max(len(domains), 1)))

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images)

    def adapt(self, support: Examples) -> Predictor:
        return lambda x: -self.sharpness * squared_distances(x, class_means(support))

    def losses(self, source: Source) -> Iterator[Tensor]:
        for batches in source.domain_batches():
            with torch.no_grad():
                logits = [
                    teacher.classifier(teacher.embed(batch.x))
                    for teacher, batch in zip(self.teachers, batches, strict=True)
                ]
            self.taught = torch.tensor([float(each.shape[1]) for each in logits])
            yield sum(self.embed(batch.x).square().mean() for batch in batches)


@pytest.fixture
def two(monkeypatch):
    """Two data sets that can be told apart, together, and a method that is taught."""
    one, other = tiny_data(), tiny_data(classes=6)
    members = [Data(name, name, each.tables) for name, each in (("one", one), ("other", other))]
    both = Data(
        TOGETHER.join(each.label for each in members), "one+other", {}, members=tuple(members)
    )
    known = {each.label: each for each in (*members, both)}
    for module in ("experiments.train_run", "experiments.evaluate_run"):
        monkeypatch.setattr(f"workbench.{module}.open_data", known.__getitem__)
    monkeypatch.setattr("workbench.tasks.splits.open_data", known.__getitem__)
    entry = Registration("algorithms", "taught", Taught, "tests", "tests", "tests")
    monkeypatch.setitem(
        registry()._entries, "algorithms", [*registry()._entries["algorithms"], entry]
    )
    return both


def plan_of(spec, data, **settings):
    return make_plan(spec, data, ways=3, shots=2, backbone=CONV, settings=FEW | settings)


def folders(out):
    return sorted(path.name.rpartition("-")[0] for path in out.iterdir() if path.is_dir())


def test_what_it_starts_from_is_trained_first_and_once(tmp_path):
    data = tiny_data()
    own = train_run(plan_of("baseline", data), data, tmp_path, device=CPU)
    run = train_run(plan_of("protonet:init=baseline", data), data, tmp_path, device=CPU)
    assert folders(tmp_path) == [
        "baseline-tiny",
        "protonet-tiny-3w2s",
    ]  # the baseline that was there
    assert run.plan() == plan_of("protonet:init=baseline", data)
    assert run.about["result"]["seconds_before"] == own.about["result"]["seconds"] > 0
    still = train_run(plan_of("protonet:init=baseline,steps=0", data), data, tmp_path, device=CPU)
    theirs, ours = (each.learner(data, CPU).state_dict() for each in (own, still))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_its_plan_and_code_are_in_the_hash(tmp_path, monkeypatch):
    from workbench.experiments import run as runs

    data = tiny_data()
    names = [
        runs.run_folder(plan_of(f"protonet:init={init}", data), data, tmp_path).name
        for init in ("none", "baseline", "baseline:batch_size=8")
    ]
    assert len(set(names)) == 3
    monkeypatch.setattr(
        runs,
        "_source_text",
        lambda target: target.__name__ + "changed" * (target.__name__ == "Baseline"),
    )
    changed = runs.run_folder(plan_of("protonet:init=baseline", data), data, tmp_path).name
    assert changed not in names


def test_a_run_that_is_not_there_is_one_sentence(tmp_path):
    data = tiny_data()
    for settings in ({"init": "nothing"}, {"teachers": "nothing"}):
        with pytest.raises(RunError, match="nothing is not a finished run"):
            train_run(plan_of("protonet", data, **settings), data, tmp_path, device=CPU)


def test_each_data_set_has_a_teacher_of_its_own(two, tmp_path):
    run = train_run(plan_of("taught:teachers=baseline", two), two, tmp_path, device=CPU)
    assert folders(tmp_path) == ["baseline-one", "baseline-other", "taught-one+other"]
    learner = run.learner(two, CPU, seen=False)
    assert learner.taught.tolist() == [8, 6]  # classes of each teacher
    assert learner.teachers == ()
    assert learner.seen is False
    assert not any("teachers" in name for name in learner.state_dict())
    again = train_run(
        plan_of(f"taught:teachers={'+'.join(name for name in named(tmp_path, 'baseline'))}", two),
        two,
        tmp_path,
        device=CPU,
    )
    assert again.learner(two, CPU).taught.tolist() == [8, 6]


def named(out, algorithm):
    return sorted(
        path.name for path in out.iterdir() if path.is_dir() and path.name.startswith(algorithm)
    )


def test_too_few_teachers_are_one_sentence(two):
    with pytest.raises(UsageError, match="names 3 runs for 2 training data sets, one \\+ other"):
        plan_of("taught:teachers=a+b+c", two)


def test_an_option_is_chosen_on_validation_tasks_once_for_a_form(two, tmp_path):
    run = train_run(plan_of("taught", two, teachers="baseline"), two, tmp_path, device=CPU)
    asked = {"ways": 3, "shots": 2, "queries": 4, "episodes": 10, "device": CPU}
    frame = evaluate_run(run, two.each[0], **asked)
    assert set(frame["selection"]) == {
        "sharpness=1.0 on validation classes of one + other"
    }  # -1 is the worst, 0 chance
    assert frame["accuracy"].mean() > 0.5
    evaluate_run(run, two.each[1], **asked)
    assert len(list(run.folder.glob("eval/selection-*.toml"))) == 1
    evaluate_run(run, two.each[1], **asked | {"shots": 1})
    assert len(list(run.folder.glob("eval/selection-*.toml"))) == 2


def test_what_the_user_gives_is_not_chosen(two, tmp_path):
    run = train_run(
        plan_of("taught:sharpness=-1", two, teachers="baseline"), two, tmp_path, device=CPU
    )
    frame = evaluate_run(run, two.each[0], ways=3, shots=2, queries=4, episodes=10, device=CPU)
    assert set(frame["selection"]) == {""}
    assert frame["accuracy"].mean() < 1 / 3


def test_without_validation_classes_nothing_is_chosen_and_the_row_says_so(two, tmp_path):
    for each in two.each:
        del each.tables["val"]
    run = train_run(plan_of("taught", two, teachers="baseline"), two, tmp_path, device=CPU)
    frame = evaluate_run(run, two.each[0], ways=3, shots=2, queries=4, episodes=10, device=CPU)
    assert set(frame["selection"]) == {"defaults: no validation classes"}


def test_an_oracle_marks_its_rows(two, tmp_path):
    run = train_run(
        plan_of("taught:guess=true,sharpness=1", two, teachers="baseline"),
        two,
        tmp_path,
        device=CPU,
    )
    frame = evaluate_run(run, two.each[0], ways=3, shots=2, queries=4, episodes=10, device=CPU)
    assert set(frame["selection"]) == {"oracle"}


def test_a_module_of_teachers_is_not_trained(two, tmp_path):
    run = train_run(plan_of("taught:teachers=baseline", two), two, tmp_path, device=CPU)
    assert run.about["parameters"] == sum(p.numel() for p in run.learner(two, CPU).parameters())
    assert isinstance(run.learner(two, CPU).backbone, nn.Module)


def test_what_pre_training_saw_is_kept_and_passed_on(tmp_path, monkeypatch):
    from torchvision import models

    path = tmp_path / "w.pth"
    torch.save(models.get_model("squeezenet1_1", weights=None).state_dict(), path)
    data = tiny_data((3, 32, 32))
    for module in ("experiments.train_run", "experiments.evaluate_run"):
        monkeypatch.setattr(f"workbench.{module}.open_data", lambda _: data)
    network = f"torchvision:name=squeezenet1_1,weights={path},pretrained_on=imagenet"
    asked = {"ways": 3, "shots": 1, "backbone": network, "settings": FEW | {"steps": 1}}
    plan = make_plan("linear_probe", data, **asked)
    run = train_run(plan, data, tmp_path / "runs", device=CPU)
    assert run.about["pretrained_on"] == "imagenet"
    theirs = train_run(plan.init, data, tmp_path / "runs", device=CPU).about
    assert theirs["pretrained_on"] == "imagenet"
    same = train_run(
        make_plan("linear_probe:init=none", data, **asked), data, tmp_path / "runs", device=CPU
    )
    first = same.learner(data, CPU).backbone.network.state_dict()
    assert all(
        torch.equal(value, first[name]) for name, value in torch.load(path).items() if name in first
    )
    path.unlink()  # a run holds its own weights
    for overlaps, word in (
        ({}, "unknown"),
        ({"imagenet": True}, "yes"),
        ({"imagenet": False}, "no"),
    ):
        tested = Data("tested", "tested", data.tables, overlaps=overlaps)
        frame = evaluate_run(
            run, tested, ways=3, shots=1, queries=3, episodes=4, device=CPU, fresh=True
        )
        assert set(frame["pretrained_on"]) == {"imagenet"}
        assert set(frame["overlap"]) == {word}


def test_a_training_that_could_not_begin_begins_again(tmp_path, monkeypatch):
    data = tiny_data((3, 32, 32))
    for module in ("experiments.train_run", "experiments.evaluate_run"):
        monkeypatch.setattr(f"workbench.{module}.open_data", lambda _: data)
    network = f"torchvision:name=squeezenet1_1,weights={tmp_path / 'w.pth'}"
    plan = make_plan("protonet", data, ways=3, shots=1, backbone=network, settings=FEW)
    for _ in range(2):
        with pytest.raises(DataError, match="There is no file"):
            train_run(plan, data, tmp_path / "runs", device=CPU)


def test_what_is_not_trained_must_find_all_that_it_needs_in_its_start(tmp_path, monkeypatch):
    tiny = tiny_data()
    for module in ("experiments.train_run", "experiments.evaluate_run"):
        monkeypatch.setattr(f"workbench.{module}.open_data", lambda text: tiny)
    asked = {"ways": 3, "shots": 2, "backbone": CONV, "settings": FEW}
    plan = make_plan("finetune:features=logits,init=baselinepp", tiny, **asked)
    with pytest.raises(
        RunError,
        match=r"leaves classifier.bias, classifier.weight as drawn at random; name a start",
    ):
        train_run(plan, tiny, tmp_path, device=CPU)
    plan = make_plan("finetune:features=logits,init=baseline", tiny, **asked)
    assert train_run(plan, tiny, tmp_path, device=CPU).finished


def test_what_was_learnt_from_goes_back_through_all_runs(tmp_path, monkeypatch):
    tiny = tiny_data()
    for module in ("experiments.train_run", "experiments.evaluate_run"):
        monkeypatch.setattr(f"workbench.{module}.open_data", lambda text: tiny)
    asked = {"ways": 3, "shots": 2, "backbone": CONV, "settings": FEW}
    first = train_run(
        make_plan("baseline", replace(tiny, label="sea"), **asked), tiny, tmp_path, device=CPU
    )
    second = make_plan(f"protonet:init={first.folder.name}", replace(tiny, label="land"), **asked)
    run = train_run(second, tiny, tmp_path, device=CPU)
    third = make_plan(f"simpleshot:init={run.folder}", tiny, **asked)
    assert runs.learnt_from(third, tmp_path) == {tiny.label, "land", "sea"}
    with pytest.raises(RunError, match="is not a finished run"):
        runs.learnt_from(make_plan("simpleshot:init=nowhere", tiny, **asked), tmp_path)

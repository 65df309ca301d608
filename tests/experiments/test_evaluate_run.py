"""Evaluations: computed once; what their rows say."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
import torch
from small_runs import evaluated, plan_of, trained

from workbench.errors import DataError, RunError, UsageError
from workbench.experiments import evaluate_run as evaluating
from workbench.experiments import fingerprint
from workbench.experiments.run import Run
from workbench.experiments.workspace import Workspace
from workbench.results import frame as frames
from workbench.tasks.protocols import build
from workbench.tasks.settings import EvaluationSettings, evaluation_tasks
from workbench.tasks.splits import TrainingData
from workbench.testing import tiny_data

CPU = torch.device("cpu")


def evaluations(run: Run) -> list[str]:
    return sorted(path.name for path in run.folder.glob("eval/*.parquet"))


def test_a_run_evaluated_twice_is_computed_once(data, tmp_path, monkeypatch):
    run = trained(data, tmp_path)
    first = evaluated(run, data)
    assert list(first["task"]) == list(range(10))
    assert set(first["accuracy"]) <= {n / 12 for n in range(13)}
    monkeypatch.setattr(evaluating, "_evaluate", None)
    pd.testing.assert_frame_equal(evaluated(run, data), first, check_exact=True)
    with pytest.raises(TypeError, match="not callable"):
        evaluated(run, data, task_seed=1)
    with pytest.raises(TypeError, match="not callable"):
        evaluated(run, data, fresh=True)
    assert len(run.evaluations()) == 10


def test_the_rows_say_what_was_evaluated_on_what(data, tmp_path):
    run = trained(data, tmp_path, "protonet:temperature=2", seed=3)
    frame = evaluated(run, data, task_seed=5)
    expected = {
        "algorithm": "protonet",
        "options": "temperature=2.0",
        "all_options": "distance=euclidean,temperature=2.0",
        "backbone": "conv4:width=8",
        "train_on": "tiny",
        "train_sets": ("tiny",),
        "train_seed": 3,
        "test_on": "tiny",
        "split": "test",
        "protocol": "way-shot",
        "ways": 3,
        "shots": 2,
        "queries": 4,
        "instance": 0,
        "task_seed": 5,
        "task_ways": 3,
        "support": 6,
        "episodic": True,
        "transductive": False,
        "oracle": False,
        "selected": "",
        "selected_on": (),
        "parts": (),
        "run": run.folder.name,
    }
    for name, value in expected.items():
        assert set(frame[name]) == {value}, name


@pytest.mark.parametrize("spec", ["nearest_pixel", "nearest_neighbor:space=pixels"])
def test_a_method_without_a_network_has_no_backbone_and_no_parameters(data, tmp_path, spec):
    frame = evaluated(trained(data, tmp_path, spec, init="none", steps=0), data)
    assert set(frame["backbone"]) == {""}
    assert set(frame["parameters"]) == {0}


def test_a_run_that_is_not_handed_its_data_opens_them(data, tmp_path):
    run = trained(data, tmp_path)
    first = evaluated(run, data)
    tasks = evaluation_tasks(data.members[0], EvaluationSettings(3, 2, 4, episodes=10))
    again = evaluating.evaluate_run(run, tasks, Workspace(device="cpu", fresh=True))
    clocks = ["adapt_seconds", "eval_seconds"]
    pd.testing.assert_frame_equal(again.drop(columns=clocks), first.drop(columns=clocks))


def test_changed_code_is_evaluated_again(data, tmp_path, monkeypatch):
    run = trained(data, tmp_path)
    evaluated(run, data)
    monkeypatch.setattr(fingerprint, "_source_text", lambda target: "changed")
    evaluated(run, data)
    assert len(evaluations(run)) == 2


def test_a_new_schema_is_evaluated_again(data, tmp_path, monkeypatch):
    run = trained(data, tmp_path)
    evaluated(run, data)
    for module in (frames, evaluating):
        monkeypatch.setattr(module, "SCHEMA", 99)
    frame = evaluated(run, data)
    assert len(evaluations(run)) == 2
    assert len(run.evaluations()) == len(frame) == 10


def test_where_the_protocol_lets_ways_vary_they_are_missing(data, tmp_path):
    run = trained(data, tmp_path)
    frame = evaluated(run, data, protocol="meta-dataset")
    for name in ("ways", "shots", "queries"):
        assert str(frame[name].dtype) == "Int64"
        assert frame[name].isna().all()
    assert frame["task_ways"].between(5, 8).all()
    (name,) = evaluations(run)
    assert name.startswith("tiny-test-meta-dataset-10-")
    assert evaluated(run, data, protocol="meta-dataset").equals(frame)


def test_a_protocol_is_built_once_for_its_test_tasks(data, tmp_path, monkeypatch):
    runs = [trained(data, tmp_path, seed=seed) for seed in (0, 1)]
    built = []
    original = build.build_protocol

    def count(*given):
        built.append(given)
        return original(*given)

    for module in ("tasks.settings", "experiments.plan"):
        monkeypatch.setattr(f"workbench.{module}.build_protocol", count)
    tasks = evaluation_tasks(data.members[0], EvaluationSettings(3, 2, 4, episodes=10))
    for run in runs:
        evaluating.evaluate_run(run, tasks, Workspace(device="cpu"), trained_on=data)
    assert built.count(("way-shot", 3, 2, 4)) == 1


# --- what cannot be evaluated


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ways": 4}, "4-way tasks; run: mlw train"),
        ({"protocol": "meta-dataset"}, "tasks of any number of ways; run: mlw eval .* --ways 3$"),
    ],
)
def test_a_learner_of_fixed_ways_refuses_others(data, tmp_path, settings, words):
    run = trained(data, tmp_path, "maml", steps=1)
    with pytest.raises(UsageError, match=f"trained for 3 ways and cannot be evaluated on {words}"):
        evaluated(run, data, **settings)


def test_images_of_another_shape_are_refused(data, tmp_path):
    run = trained(data, tmp_path, steps=1)
    with pytest.raises(UsageError, match=r"1 x 16 x 16, and those of tiny are 1 x 28 x 28"):
        evaluated(run, data, on=tiny_data((1, 28, 28)))


def test_more_than_the_data_has_is_refused(data, tmp_path):
    run = trained(data, tmp_path, steps=1)
    with pytest.raises(DataError, match="9 ways are more than the 8 classes"):
        evaluated(run, data, ways=9)
    with pytest.raises(DataError, match="no holdout classes"):
        evaluated(run, data, split="holdout")


def test_test_classes_that_were_trained_on_are_refused(data, tmp_path):
    (tiny,) = data.members
    run = trained(data, tmp_path, steps=1)
    swapped = replace(tiny, label="tiny:split=other", tables={"test": tiny.tables["train"]})
    with pytest.raises(UsageError, match="tiny trains on 8 of the test classes of tiny:split=oth"):
        evaluated(run, data, on=TrainingData((swapped,)))
    assert evaluations(run) == []


# --- where images come from


def test_data_that_are_there_in_part_say_so(data, tmp_path):
    (tiny,) = data.members
    part = TrainingData((replace(tiny, part="96 of 100 images"),))
    run = trained(part, tmp_path)
    assert run.manifest.parts == ("tiny: 96 of 100 images",)
    elsewhere = replace(tiny, label="there", name="there", part="9 of 10 images")
    frame = evaluated(run, part, on=TrainingData((elsewhere,)))
    assert set(frame["parts"]) == {("tiny: 96 of 100 images", "there: 9 of 10 images")}
    assert set(evaluated(run, part)["parts"]) == {("tiny: 96 of 100 images",)}
    assert plan_of(part) == plan_of(data)


def test_a_run_that_cannot_be_written_is_to_be_copied(data, tmp_path):
    run = trained(data, tmp_path)
    (run.folder / "eval").write_text("in the way")
    with pytest.raises(RunError, match=r"eval cannot be written: .*; copy the run to where"):
        evaluated(run, data)

"""Run folders: found, read back, and told apart from what is damaged or of another version."""

from __future__ import annotations

import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from frames import cell
from resealed import ask_otherwise, rewrite
from safetensors.torch import load_file, save_file
from small_runs import evaluated, plan_of, trained

from workbench.errors import RunError
from workbench.experiments import build
from workbench.experiments.build import build_learner, misfit
from workbench.experiments.lineage import finished_run, learned_from
from workbench.experiments.reported import evaluations_of
from workbench.experiments.run import Run, find_runs, learning_curves, readable_runs
from workbench.experiments.train_run import train_run
from workbench.experiments.workspace import Workspace
from workbench.results import frame as frames
from workbench.tasks.splits import TrainingData
from workbench.testing import tiny_data

CPU = torch.device("cpu")


def test_weights_come_back(data, tmp_path):
    run = trained(data, tmp_path)
    learner = run.learner(data, CPU)
    assert not learner.training
    loaded = learner.state_dict()
    stored = load_file(run.folder / "weights.safetensors")
    assert loaded.keys() == stored.keys()
    assert all(torch.equal(value, stored[name]) for name, value in loaded.items())
    # Every learner of a plan has the same first weights: loading must have changed them.
    first = build_learner(run.plan, data).state_dict()
    assert not torch.equal(loaded["backbone.blocks.0.weight"], first["backbone.blocks.0.weight"])


def test_options_of_the_test_replace_those_of_the_plan(data, tmp_path):
    run = trained(data, tmp_path)
    assert run.learner(data, CPU).temperature == 1
    assert run.learner(data, CPU, options={"temperature": 2.0}).temperature == 2
    assert run.plan.options["temperature"] == 1


def test_runs_are_found(data, tmp_path):
    run = trained(data, tmp_path)
    assert find_runs([tmp_path]) == find_runs([run.folder]) == [run]
    assert find_runs([tmp_path, run.folder]) == [run]
    (tmp_path / "comparisons").mkdir()
    assert find_runs([run.folder, tmp_path / "comparisons"]) == [run]
    inner = tmp_path / "comparisons" / "protonet-1"
    inner.mkdir()
    with pytest.raises(RunError, match=r"is the folder of a comparison; .*: mlw report "):
        find_runs([inner])
    with pytest.raises(RunError, match=r"protonet is a method, .*: mlw train protonet"):
        find_runs([Path("protonet")])
    shutil.rmtree(run.folder)
    with pytest.raises(RunError, match="There are no runs"):
        find_runs([tmp_path])


def test_learning_curves_of_several_runs_are_one_frame(data, tmp_path):
    names = [trained(data, tmp_path, seed=seed).folder.name for seed in (0, 1)]
    curves = learning_curves(names, tmp_path)
    assert list(curves["run"].unique()) == names
    assert set(curves["label"]) == {"protonet"}
    assert list(curves["step"]) == [1, 2, 3] * 2


def test_a_curve_says_on_what_was_validated(data, tmp_path):
    shapes = {}
    for spec in ("protonet", "baseline:head_epochs=1"):
        curve = trained(data, tmp_path, spec, steps=2, validate_every=1).curve()
        names = ["train_on", "val_protocol", "val_ways", "val_shots"]
        (shapes[spec],) = curve[names].drop_duplicates().to_numpy().tolist()
    # methods that draw no tasks are validated at 5 shots, whatever they are tested at
    assert shapes == {
        "protonet": ["tiny", "way-shot", 3, 2],
        "baseline:head_epochs=1": ["tiny", "way-shot", 5, 5],
    }
    varied = trained(data, tmp_path, train_protocol="meta-dataset").curve()
    assert set(varied["val_protocol"]) == {"meta-dataset"}
    assert varied[["val_ways", "val_shots"]].isna().all(axis=None)


def spoil_format(folder):
    rewrite(folder, "format = 3", "format = 99")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_format, "format 99"),
        (lambda folder: (folder / "run.toml").write_text("= ["), "could not be read"),
        (lambda folder: (folder / "run.toml").unlink(), "not a run folder"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b"no"), "is damaged"),
        (lambda folder: (folder / "weights.safetensors").unlink(), "run again: mlw train"),
    ],
)
def test_a_damaged_run_is_one_sentence(data, tmp_path, spoil, words):
    run = trained(data, tmp_path)
    spoil(run.folder)
    with pytest.raises(RunError, match=words) as caught:
        evaluated(Run(run.folder), data)
    assert "\n" not in str(caught.value)


def test_a_run_that_others_build_on_must_be_finished(data, tmp_path):
    run = trained(data, tmp_path)
    assert finished_run(run.folder.name, tmp_path) == run
    assert finished_run(str(run.folder), tmp_path / "elsewhere") == run
    (run.folder / "weights.safetensors").unlink()
    with pytest.raises(RunError, match="is not a finished run, so no training can start from it"):
        finished_run(run.folder.name, tmp_path)


def test_weights_in_a_folder_whose_name_is_not_utf_8(data, tmp_path):
    out = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    run = trained(data, out)
    assert len(evaluated(run, data)) == 10


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_name_that_no_folder_can_have_is_one_sentence(data, tmp_path, name):
    with pytest.raises(RunError, match=r"cannot be read \((File name too long|embedded null)"):
        find_runs([name])
    with pytest.raises(RunError, match="is not a finished run: there is no such folder"):
        finished_run(name, tmp_path)


# --- evaluations


def test_a_run_without_evaluations_has_an_empty_frame(data, tmp_path):
    assert trained(data, tmp_path).evaluations().empty


def test_of_evaluations_on_the_same_tasks_the_longest_is_taken(data, tmp_path):
    run = trained(data, tmp_path)
    evaluated(run, data, episodes=4)
    long = evaluated(run, data, episodes=10)
    other = evaluated(run, data, shots=1, episodes=4)
    found = run.evaluations()
    assert found.groupby("shots")["task"].apply(list).to_dict() == {
        1: [0, 1, 2, 3],
        2: list(range(10)),
    }
    for expected in (long, other):
        shots = expected["shots"][0]
        same = found[found["shots"] == shots].reset_index(drop=True)
        pd.testing.assert_frame_equal(same, expected, check_exact=True)


def test_tasks_of_varying_ways_are_told_apart_too(data, tmp_path):
    run = trained(data, tmp_path)
    varied = {"protocol": "meta-dataset", "episodes": 6}
    evaluated(run, data, **varied)
    evaluated(run, data, **varied, task_seed=1)
    evaluated(run, data, **varied | {"episodes": 3})
    found = run.evaluations()
    assert found["ways"].isna().all()
    assert found.groupby("task_seed")["task"].apply(list).tolist() == [list(range(6))] * 2


def test_an_evaluation_of_another_schema_version_is_left_out(data, tmp_path, monkeypatch):
    run = trained(data, tmp_path)
    evaluated(run, data, episodes=4)
    old = run.folder / "eval" / "old.parquet"
    monkeypatch.setattr(frames, "SCHEMA", 1)
    frames.write_tasks(cell("protonet", [0.5] * 20), old)
    monkeypatch.undo()
    assert list(run.evaluations()["task"]) == [0, 1, 2, 3]
    cell("protonet", [0.5] * 20).to_parquet(old)  # before there were versions
    assert list(run.evaluations()["task"]) == [0, 1, 2, 3]


def test_seeds_of_older_code_are_not_averaged_with_those_of_newer(data, tmp_path):
    older, newer = (trained(data, tmp_path, seed=seed) for seed in (1, 0))
    expected = evaluated(newer, data)
    evaluated(older, data)
    (path,) = older.folder.glob("eval/*.parquet")
    ask_otherwise(path, sources={"algorithm": "older"})
    notes: list[str] = []
    found = evaluations_of([older, newer], notes.append).tasks
    assert found["accuracy"].tolist() == expected["accuracy"].tolist()
    reason = f"left out: {older.folder.name}, because {newer.folder.name} is newer, of another code"
    assert notes == [f"{reason} at test"]


# --- what a run learned from


def test_what_was_learned_from_goes_back_through_all_runs(data, tmp_path):
    (tiny,) = data.members
    sea, land = (TrainingData((replace(tiny, label=label),)) for label in ("sea", "land"))
    first = trained(sea, tmp_path, "baseline")
    second = plan_of(land, f"protonet:init={first.folder.name}")
    run = train_run(second, land, Workspace(tmp_path, "cpu"))
    third = plan_of(data, f"simpleshot:init={run.folder}")
    assert learned_from(third, tmp_path) == {"tiny", "land", "sea"}
    with pytest.raises(RunError, match="is not a finished run"):
        learned_from(plan_of(data, "simpleshot:init=nowhere"), tmp_path)


def test_a_run_whose_start_was_moved_says_how_to_bring_it_back(data, tmp_path):
    start = trained(data, tmp_path, "baseline")
    run = trained(data, tmp_path, f"simpleshot:init={start.folder.name}")
    start.folder.rename(tmp_path / "elsewhere")
    words = (
        f"{run.folder.name} cannot be evaluated, because what it learned from is unknown: "
        f"{start.folder} is not a finished run: there is no such folder; name another, or bring "
        f"it back if it was moved: mv WHERE_IT_IS {start.folder}"
    )
    with pytest.raises(RunError) as caught:
        evaluated(run, data)
    assert str(caught.value) == words
    (tmp_path / "elsewhere").rename(start.folder)
    assert len(evaluated(run, data)) == 10


def test_a_run_that_names_itself_as_its_start_is_refused(data, tmp_path):
    first = trained(data, tmp_path, "baseline")
    run = trained(data, tmp_path, f"protonet:init={first.folder.name}")
    rewrite(run.folder, f'init = "{first.folder.name}"', f'init = "{run.folder.name}"')
    with pytest.raises(RunError, match="says that it builds on itself"):
        learned_from(Run(run.folder).plan, tmp_path)


def test_what_teachers_learned_from_counts(two, tmp_path):
    plan = plan_of(two, "taught:teachers=baseline")
    alone = replace(plan, data=("one",))
    assert learned_from(alone, tmp_path) == {"one", "other"}


def test_a_run_named_in_two_ways_is_found_once(data, tmp_path, monkeypatch):
    run = trained(data, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    found = find_runs(["runs", tmp_path / "runs", run.folder])
    assert [each.folder for each in found] == [Path("runs") / run.folder.name]


def test_runs_that_cannot_be_read_are_left_out_with_the_reason(data, tmp_path):
    run = trained(data, tmp_path)
    old = tmp_path / "old"
    old.mkdir()
    (old / "run.toml").write_text('format = 1\nversions = { workbench = "0.0.9" }\n')
    notes = []
    assert readable_runs(find_runs([tmp_path]), notes.append) == [run]
    (note,) = notes
    assert note.startswith("left out:")
    assert "format 1 by workbench 0.0.9" in note
    with pytest.raises(RunError, match="format 1"):
        readable_runs(find_runs([old]), notes.append)


def renamed_backbone(run, old, new):
    """Write another backbone into run.toml, as a colleague's run folder may have it."""
    rewrite(run.folder, old, new)
    return Run(run.folder)


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("conv4:width=16", r"blocks.0.weight is \(8, 1, 3, 3\), not \(16, 1, 3, 3\), and"),
        ("resnet10", "is missing, and"),
    ],
)
def test_weights_are_judged_by_their_header_before_the_network_is_made(
    data, tmp_path, backbone, message, monkeypatch
):
    run = renamed_backbone(trained(data, tmp_path), "conv4:width=8", backbone)
    devices = []
    monkeypatch.setattr(build, "build_backbone", recorded(build.build_backbone, devices))
    with pytest.raises(RunError, match=message):
        run.learner(data, CPU)
    assert devices == ["meta"]  # shapes alone were made


def recorded(function, devices):
    def call(*arguments):
        module = function(*arguments)
        devices.append(next(module.parameters()).device.type)
        return module

    return call


def test_a_huge_network_in_a_run_folder_is_refused_at_once(tmp_path):
    """A vision transformer of 632 million parameters: 2.5 GB if it were made."""
    data = tiny_data((3, 224, 224), classes=4, images=4)
    huge = "torchvision:name=vit_h_14"
    trained_run = trained(data, tmp_path, backbone="conv4:width=1", steps=0)
    run = renamed_backbone(trained_run, "conv4:width=1", huge)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RunError, match=r"do not fit protonet as it is now: .* is missing"):
        run.learner(data, CPU)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB
    assert grown < 1_000_000


@pytest.mark.parametrize(
    "name", ["protonet", "maml", "imaml", "reptile", "baseline", "cnaps", "tim"]
)
def test_what_fits_is_not_refused(data, tmp_path, name):
    plan = plan_of(data, name, backbone=None, init="none", steps=0)
    learner = build_learner(plan, data)
    path = tmp_path / "weights.safetensors"
    save_file({key: value.contiguous() for key, value in learner.state_dict().items()}, path)
    assert misfit(path, lambda: build_learner(plan, data)) == ""
    norm = "norm=batch," if "norm=batch" in plan.backbone else ""
    other = replace(plan, backbone=f"conv4:{norm}width=5")
    assert "is" in misfit(path, lambda: build_learner(other, data))

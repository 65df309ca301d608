"""`run.toml`: what is written comes back the same, and what cannot be read is one sentence."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest
from resealed import rewrite
from small_runs import plan_of, trained

from workbench.errors import RunError
from workbench.experiments.manifest import (
    FORMAT,
    Effort,
    RunManifest,
    TrainingResult,
    read_manifest,
    write_manifest,
)
from workbench.experiments.plan import Plan


def manifest_of(plan: Plan, **given: object) -> RunManifest:
    about = {
        "fingerprint": "abc",
        "image_shape": (1, 16, 16),
        "parts": (),
        "pretrained_on": (),
        "parameters": 12,
        "results_version": 2,
    }
    return RunManifest(plan, **{**about, **given})


def read_again(manifest, folder):
    write_manifest(folder, manifest)
    return read_manifest(folder)


def test_what_is_written_comes_back(data, tmp_path):
    manifest = manifest_of(
        plan_of(data, "protonet:temperature=2", seed=3),
        parts=("eurosat: 4,000 of 27,000 images",),
        pretrained_on=("imagenet", "fungi"),
        command="mlw train 'a b'",
        versions={"workbench": "0.1.0", "torch": "2.9"},
        hardware={"device": "cpu", "threads": 1},
        result=TrainingResult(
            5, 320, 1.25, Effort(2, 64, 0.5), "best", 4, 0.875, 1.5, ("classifier.bias",)
        ),
    )
    assert read_again(manifest, tmp_path) == manifest
    result = manifest.result
    assert (result.all_steps, result.all_images, result.all_seconds) == (7, 384, 1.75)


@pytest.mark.parametrize(
    "options", [{"none": None}, {"word": "none", "rate": None, "on": True, "steps": 3, "x": 1e-4}]
)
def test_options_that_are_none_come_back_as_none(data, tmp_path, options):
    plan = replace(plan_of(data), options=options)
    again = read_again(manifest_of(plan), tmp_path).plan
    assert again == plan
    assert list(map(type, again.options.values())).count(type(None)) == 1


def test_settings_that_are_none_come_back_as_none(data, tmp_path):
    plan = plan_of(data, "baseline")
    assert (plan.settings.train_ways, plan.settings.clip_norm, plan.ways) == (None, None, None)
    assert read_again(manifest_of(plan), tmp_path).plan == plan
    clipped = plan_of(data, "maml", clip_norm=2.0)
    again = read_again(manifest_of(clipped), tmp_path).plan
    assert (again.settings.clip_norm, again.ways) == (2.0, 3)


def test_plans_that_are_trained_first_come_back_whole(two, tmp_path):
    first = replace(plan_of(two, "baseline"), options={"head": None, "epochs": 2})
    started = replace(plan_of(two, "protonet:init=some-run"), init=first)
    plan = plan_of(two, "taught:teachers=baseline")
    teachers = (started, "runs/teacher", *plan.teachers)
    nested = replace(plan, init=started, teachers=teachers)
    again = read_again(manifest_of(nested), tmp_path).plan
    assert again == nested
    assert again.init.init.options == {"head": None, "epochs": 2}
    assert again.selects == {"sharpness": (-1.0, 0.0, 1.0)}  # a tuple, as it was


def test_without_validation_there_is_no_best_accuracy(data, tmp_path):
    result = TrainingResult(5, 320, 1.25, Effort(), "last", 5)
    again = read_again(manifest_of(plan_of(data), result=result), tmp_path)
    assert again.result == result
    assert again.result.best_val_accuracy is None


def test_an_unfinished_training_has_no_result(data, tmp_path):
    assert read_again(manifest_of(plan_of(data)), tmp_path).result is None


def test_a_real_run_has_all_of_it(two, tmp_path):
    run = trained(two, tmp_path, "taught:teachers=baseline,init=baseline")
    manifest = read_manifest(run.folder)
    assert manifest == run.manifest
    assert manifest.ended <= time.time_ns()
    assert manifest.ended >= (run.folder / "weights.safetensors").stat().st_mtime_ns - 10**9
    assert manifest.plan == plan_of(two, "taught:teachers=baseline,init=baseline")
    assert manifest.fingerprint == two.fingerprint
    assert manifest.image_shape == (1, 16, 16)
    assert manifest.result.not_initialised == ("taught",)
    assert manifest.command == ""  # it was not started by mlw


def test_reading_imports_neither_torch_nor_a_plugin(data, tmp_path):
    write_manifest(tmp_path, manifest_of(plan_of(data, "protonet:init=baseline")))
    code = """
import sys
from pathlib import Path
from workbench.experiments.manifest import read_manifest
from workbench.experiments.run import Run
assert read_manifest(Path(sys.argv[1])).plan.init.algorithm == "baseline"
assert Run(Path(sys.argv[1])).label == "protonet:init=baseline"
heavy = {"torch", "pandas", "matplotlib"} & sys.modules.keys()
plugins = [name for name in sys.modules if name.startswith("mlw_")]
assert not heavy and not plugins, (heavy, plugins)
"""
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (f"format = {FORMAT}", "format = 1", "was written in format 1 by workbench 0.1.0, and th"),
        (f"format = {FORMAT}", "", "was written in format None by workbench 0.1.0"),
        ("[plan]", "[plan", "run.toml could not be read"),
        ("parameters = 12", "", "run.toml could not be read"),
        ('optimizer = "adam"', 'optimiser = "adam"', "run.toml could not be read"),
        ("options_none = []", "", "run.toml has no key 'options_none'"),
        ("meta_batch = ", "meta_batch = -", "run.toml could not be read"),
        ("data = [", "data = []\nfata = [", "plan.data is empty"),
        ("data = [", "data = 3\nfata = [", "run.toml could not be read"),
        ("seed = 0", "seed = 'x'", r"plan.seed is 'x', of the wrong type"),
        ("steps = 3", "steps = 3.5", "run.toml could not be read"),
        ('fingerprint = "abc"', "fingerprint = 1", "fingerprint is '1', of the wrong type"),
        ("parameters = 12", "parameters = true", "parameters is 'True', of the wrong type"),
        ("image_shape = [", "image_shape = ['a',", "run.toml could not be read"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(data, tmp_path, old, new, words):
    write_manifest(tmp_path, manifest_of(plan_of(data), versions={"workbench": "0.1.0"}))
    rewrite(tmp_path, old, new)
    with pytest.raises(RunError, match=words) as caught:
        read_manifest(tmp_path)
    assert "train again" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_that_was_changed_by_hand_is_noticed(data, tmp_path):
    write_manifest(tmp_path, manifest_of(plan_of(data)))
    path = tmp_path / "run.toml"
    path.write_text(path.read_text().replace("temperature = 1.0", "temperature = 2.0"))
    with pytest.raises(RunError, match="its checksum differs: it was damaged, or changed by hand"):
        read_manifest(tmp_path)


def test_a_folder_without_a_manifest_is_no_run_folder(tmp_path):
    with pytest.raises(RunError, match=r"is not a run folder: it has no run\.toml; see: mlw train"):
        read_manifest(tmp_path)


def test_an_empty_manifest_is_damaged(data, tmp_path):
    run = trained(data, tmp_path)
    (run.folder / "run.toml").write_text("")
    with pytest.raises(RunError, match=r"run.toml could not be read .* train again with --fresh"):
        read_manifest(run.folder)

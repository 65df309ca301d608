"""`mlw train`: one run, and what one is told about it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_lines import SMALL, check_refused, sentence

from workbench.experiments.run import Run


def trained(mlw, line):
    code, output, errors = mlw(line, *SMALL)
    assert code == 0, errors
    return Run(Path(output.strip())), errors


def test_a_run_is_trained_and_named(mlw):
    run, errors = trained(mlw, "train protonet")
    assert run.finished
    assert "2 steps in " in errors
    assert "on tasks of 20-way 1-shot" in errors
    assert "best weights kept, validation accuracy" in errors
    assert f"next: mlw eval {run.folder}" in errors


def test_the_same_command_again_trains_nothing(mlw):
    run, _ = trained(mlw, "train protonet")
    weights = run.folder / "weights.safetensors"
    stamp = weights.stat().st_mtime_ns
    assert trained(mlw, "train protonet")[0] == run
    assert weights.stat().st_mtime_ns == stamp
    trained(mlw, "train protonet --fresh")
    assert weights.stat().st_mtime_ns > stamp


@pytest.mark.parametrize("flag", ["--on", "--train-on"])
def test_what_to_train_on_has_two_names(mlw, flag):
    run, _ = trained(mlw, f"train protonet {flag} glyphs:seed=1 glyphs:seed=0 --steps 0")
    assert run.plan.data == ("glyphs:seed=1", "glyphs")


def test_options_reach_the_plan(mlw):
    line = "train protonet:temperature=2 --ways 4 --shots 3 --seed 7 --train-queries 4 --lr 0.5"
    run, _ = trained(mlw, f"{line} --train-ways 6 --train-shots 2")
    plan = run.plan
    assert (plan.validation.ways, plan.validation.shots, plan.seed) == (4, 3, 7)
    settings = plan.settings
    assert (settings.train_ways, settings.train_shots, settings.train_queries) == (6, 2, 4)
    assert (settings.lr, settings.steps) == (0.5, 2)
    assert plan.backbone == "conv4:width=4"
    assert run.manifest.command.startswith("mlw train protonet:temperature=2 --ways 4 --shots 3 ")


def test_initial_weights_come_from_another_run(mlw):
    first, _ = trained(mlw, "train baseline")
    run, errors = trained(mlw, f"train protonet --init {first.folder.name}")
    assert run.plan.init == first.folder.name
    assert "not in" not in errors
    _, errors = trained(mlw, f"train baseline:head_epochs=7 --init {run.folder.name}")
    assert f"not in {run.folder.name}, so trained from their first values: classifier." in errors


def test_without_validation_it_says_so(mlw):
    _, errors = trained(mlw, "train protonet:validate_every=0")
    assert "last weights kept: there was no validation" in errors


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("protonett", 2, ["algorithm 'protonett'", "Did you mean protonet?"]),
        ("protonet --backbone conv5", 2, ["backbone 'conv5'", "Did you mean conv4?"]),
        ("protonet --backbone conv4:widht=3", 2, ["'widht'", "mean width?", "width (int)"]),
        ("protonet --on omniglott", 2, ["data set 'omniglott'", "Did you mean omniglot?"]),
        ("maml:inner_step=5", 2, ["Did you mean inner_steps?", "inner_lr (float)"]),
        ("maml:inner_steps=many", 2, ["maml:inner_steps=many: must be int"]),
        ("maml:", 2, ["ends in a colon"]),
        ("protonet:meta_batch=0", 2, ["meta_batch=0", "from 1 to 100,000"]),
        ("protonet --lr -1", 2, ["lr=-1", "at least 0"]),
        ("protonet --backbone conv4:width=-4", 2, ["conv4:width=-4", "at least 1"]),
        ("protonet --on omniglot", 1, ["run: mlw download omniglot"]),
        ("protonet --on glyphs omniglott", 2, ["data set 'omniglott'"]),
        ("protonet --on glyphs glyphs:seed=0", 2, ["name glyphs twice"]),
        ("protonet --on glyphs --train-on glyphs", 2, ["two names of one option"]),
        ("protonet --train-ways 500", 1, ["500 ways", "400 classes"]),
        ("maml --train-ways 7", 2, ["cannot train at 7 ways for 5 at test"]),
        ("protonet --device tpu9", 2, ["no device 'tpu9'", "--device cpu"]),
        ("protonet --device cuda:99", 2, ["no device 'cuda:99'", "--device cpu"]),
        ("protonet --recipe papre", 2, ["recipe 'papre'", "quick, paper"]),
        ("protonet --recipe paper", 2, ["no recipe 'paper' for glyphs", "omniglot"]),
        ("protonet --precision half", 2, ["precision", "float32|bfloat16"]),
    ],
)
def test_bad_input_gets_one_sentence(mlw, line, code, words):
    check_refused(mlw, f"train {line}", code, words)


def test_a_start_that_is_not_there_is_one_sentence(mlw):
    code, output, errors = mlw("train protonet --init nothing", *SMALL)
    assert (code, output) == (1, "")
    assert "mlw: runs/nothing is not a finished run: there is no such folder" in errors
    assert not list(Path("runs").glob("*/weights.safetensors"))


def test_a_learner_that_cannot_be_built_leaves_no_run_folder(mlw, tmp_path):
    code, output, errors = mlw("train protonet --on glyphs:size=12")
    assert (code, output) == (2, "")
    assert "Images of 1 x 12 x 12 are too small for conv4" in sentence(errors)
    assert list(tmp_path.glob("runs/*/")) == []


def test_a_folder_in_the_way_is_one_sentence(mlw, tmp_path):
    (tmp_path / "runs").write_text("a file")
    code, _, errors = mlw("train protonet", *SMALL)
    assert code == 1
    assert "choose another folder with --out" in errors


@pytest.mark.parametrize("line", ["train protonet --queries 5", "train protonet --task-seed 1"])
def test_options_of_test_tasks_are_no_options_of_a_training(mlw, tmp_path, line):
    code, output, errors = mlw(line)
    assert (code, output) == (2, "")
    assert "There is no argument" in errors
    assert list(tmp_path.iterdir()) == []

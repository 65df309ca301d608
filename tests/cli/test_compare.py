"""`mlw compare`: what is typed, what is refused, and tables that stay readable."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from command_lines import SMALL, check_refused
from frames import cell, frame_of

from workbench.cli._results import print_summary
from workbench.experiments.run import Run


def test_it_prints_one_table_and_writes_its_files(mlw, tmp_path):
    code, output, errors = mlw(
        "compare --shots 1 2 protonet baseline:head_epochs=2 --episodes 20", *SMALL
    )
    assert code == 0, errors
    table, mark, legend = output.partition("\n§")
    assert (mark, table.count("protonet")) == ("\n§", 2)
    assert "trained for 2 steps, and the quick recipe says" in legend
    assert table.count("best") == 3  # one per condition, and the heading
    assert "±" in output
    assert "[1/4] protonet-glyphs-5w1s-" in errors
    assert "frames and figures: runs/comparisons/" in errors
    assert len(list(tmp_path.glob("runs/comparisons/*/accuracy.png"))) == 1


def test_published_numbers_say_where_they_come_from(mlw, tmp_path):
    output = mlw("compare protonet --published --episodes 4", *SMALL)[1]
    assert "no published number is known" in output
    assert mlw("compare fomaml --episodes 4", *SMALL)[0] == 0
    (run,) = tmp_path.glob("runs/fomaml-*")
    assert Run(run).plan.options["first_order"] is True


def test_a_transductive_method_is_marked(mlw):
    code, output, _ = mlw("compare maml:meta_batch=2,validate_every=0 --episodes 4", *SMALL)
    assert code == 0
    assert "maml" in output
    assert "* transductive" in output


def test_test_queries_and_training_queries_are_two_options(mlw, tmp_path):
    line = "compare protonet --queries 3 --train-queries 4 --task-seed 9 --seeds 2 --episodes 4"
    code, output, errors = mlw(f"{line} --json", *SMALL)
    assert code == 0, errors
    (found,) = json.loads(output)
    assert (found["queries"], found["task_seed"], found["seeds"]) == (3, 9, 2)
    plans = [Run(path).plan for path in tmp_path.glob("runs/protonet-*")]
    assert sorted(plan.seed for plan in plans) == [0, 1]
    assert {plan.settings.train_queries for plan in plans} == {4}


def test_two_specs_of_one_data_set_are_one_row(mlw):
    line = "compare protonet --on glyphs glyphs:seed=0 --train-on glyphs:seed=0 --episodes 4"
    code, output, errors = mlw(f"{line} --json", *SMALL)
    assert code == 0, errors
    assert [found["test_on"] for found in json.loads(output)] == ["glyphs"]


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("protonet mamml", 2, ["Did you mean maml?"]),
        ("protonet --shots 0", 2, ["shots=0: must be at least 1"]),
        ("protonet --ways 200", 1, ["200 ways", "160 classes"]),
        ("protonet --ways 1", 2, ["ways=1: must be at least 2"]),
        ("protonet --shots 1 10 --queries 15", 1, ["10 shots + 15 queries", "25", "20", "10"]),
        ("protonet --train-queries 100", 1, ["try --train-queries 19"]),
        ("protonet --shots 1 20", 1, ["20 shots leave no query", "--shots 19"]),
        (
            "protonet --train-on glyphs glyphs:size=20",
            2,
            ["1 x 28 x 28", "1 x 20 x 20", "for instance glyphs"],
        ),
        (
            "protonet --train-on glyphs --on glyphs:size=20",
            2,
            ["1 x 28 x 28", "1 x 20 x 20", "choose one shape"],
        ),
        ("protonet --train-on glyphs glyphs:seed=0", 2, ["name glyphs twice"]),
        ("protonet --protocol metadataset", 2, ["'metadataset'", "Did you mean meta-dataset?"]),
        ("protonet --protocol unbalanced:beta=1", 2, ["no option 'beta'", "alpha (int)"]),
        ("protonet --protocol within-group", 1, ["no groups", "--protocol way-shot"]),
        # refused before a data set is asked for that is not downloaded
        ("protonet:temprature=2 --on omniglot", 2, ["'temprature'", "Did you mean temperature?"]),
        ("protonet --on omniglot --backbone conv4:widht=4", 2, ["'widht'"]),
        ("protonet --on omniglot --recipe papre", 2, ["no recipe 'papre'"]),
        ("protonet --on omniglot --protocol unbalanced:beta=1", 2, ["no option 'beta'"]),
        ("protonet:augment=crp", 2, ["augmentation 'crp'", "Did you mean crop?"]),
        ("protonet:train_protocol=stream", 2, ["for tests only", "train with way-shot"]),
        ("protonet --on glyphs maml", 2, ["maml is an algorithm; put it before --on"]),
        ("protonet --shots", 2, ["--shots needs a value"]),
        ("protonet --baseline protonets", 2, ["Did you mean protonet?"]),
        ("protonet --leave-one-out", 2, ["needs several data sets"]),
        ("protonet --on glyphs --test-on glyphs", 2, ["two names of one option"]),
    ],
)
def test_bad_input_gets_one_sentence(mlw, line, code, words):
    check_refused(mlw, f"compare {line}", code, words)


@pytest.mark.parametrize("option", ["--seed 1", "--split val", "--queries 0"])
def test_options_that_it_does_not_have_are_refused(mlw, tmp_path, option):
    code, output, _ = mlw(f"compare protonet {option}")
    assert (code, output) == (2, "")
    assert list(tmp_path.iterdir()) == []


# --- tables


@pytest.fixture
def frame():
    """Six methods by four data sets by two shots."""
    random = np.random.default_rng(0)
    methods = ("protonet", "baseline", "simpleshot", "linear_probe", "finetune", "nearest_neighbor")
    cells = []
    for place in ("eurosat", "cropdisease", "isic", "omniglot:size=84,channels=3"):
        for shots in (5, 20):
            for method in methods:
                given = {"train_on": "miniimagenet", "test_on": place, "shots": shots}
                given["episodic"] = method == "protonet"
                if method == "finetune":
                    given["options"] = "blocks=2,init=none,steps=50"
                    given["selected"] = "steps=50"
                    given["selected_on"] = ("miniimagenet",)
                if method == "linear_probe":
                    given["pretrained_on"] = ("imagenet",)
                    given["overlap"] = "yes" if place == "eurosat" else "no"
                cells.append(cell(method, random.uniform(0.3, 0.9, 20), **given))
    return frame_of(*cells)


@pytest.mark.parametrize("width", [80, 120, 160])
def test_several_data_sets_stand_side_by_side(frame, width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    print_summary(frame, json=False)
    output = capsys.readouterr().out
    table, _, legend = output.partition("\n†")
    assert max(len(line) for line in table.splitlines()[2:]) <= width
    assert not re.search(r"\d\n|±\n", table)  # no number is broken
    # accuracies, and differences to the best of each column
    assert table.count("±") == 2 * 4 * 6 + 2 * 4 * 5
    assert table.count("best") == 1 + 2 * 4
    assert "all trained on miniimagenet" in table
    assert "linear_probe °" in table
    assert table.count("!") == 2  # at the cells of eurosat
    for words in (
        "test-time options: steps=50, chosen on the validation classes of miniimagenet "
        "(finetune:blocks=2,init=none,steps=50)",
        "° pre-trained on imagenet (linear_probe)",
        "! the test data overlap with the pre-training data (linear_probe on eurosat)",
    ):
        assert words in legend


def test_one_data_set_is_a_list_with_the_same_signs(frame, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    print_summary(frame[frame["test_on"] == "eurosat"], json=False)
    output = capsys.readouterr().out
    assert "difference to best" in output
    assert "linear_probe °!" in output


def test_an_incomplete_data_set_is_named_below_the_table(capsys):
    frame = cell("protonet", [0.5, 0.6], parts=("eurosat: 4,000 of 27,000 images",))
    print_summary(frame, json=False)
    output = capsys.readouterr().out
    assert "not the published files: eurosat: 4,000 of 27,000" in output

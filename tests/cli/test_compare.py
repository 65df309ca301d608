"""`mlw compare` over several data sets: what is typed, and tables that stay readable."""

import re

import numpy as np
import pytest
from frames import cell, frame_of

from workbench.cli._lists import widen
from workbench.cli._results import print_summary
from workbench.errors import UsageError


def test_test_on_is_another_name_of_on():
    for command in ("compare protonet", "eval runs/x"):
        wide = widen(f"{command} --test-on glyphs omniglot:size=84".split())
        assert wide == [*command.split(), "--on", "glyphs", "--on", "omniglot:size=84"]
    wide = widen(["compare", "protonet", "--train-on", "a", "b", "--test-on", "c", "d"])
    assert wide == [
        "compare",
        "protonet",
        "--train-on",
        "a",
        "--train-on",
        "b",
        "--on",
        "c",
        "--on",
        "d",
    ]


def test_both_names_are_one_sentence():
    with pytest.raises(
        UsageError, match=r"^--on and --test-on are two names of one thing; give one of them$"
    ):
        widen(["compare", "protonet", "--on", "glyphs", "--test-on", "omniglot"])
    with pytest.raises(
        UsageError, match=r"^--test-on needs a value; write for instance --test-on omniglot$"
    ):
        widen(["compare", "protonet", "--test-on"])


@pytest.fixture
def frame():
    """Six methods by four data sets by two shots."""
    chance = np.random.default_rng(0)
    facts = {
        "protonet": {"episodic": True},
        "baseline": {},
        "simpleshot": {},
        "linear_probe": {"pretrained_on": ("imagenet",)},
        "finetune": {
            "options": "blocks=2,init=none,steps=50",
            "selected": "steps=50",
            "selected_on": ("miniimagenet",),
        },
        "nearest_neighbor": {},
    }
    cells = []
    for place in ("eurosat", "cropdisease", "isic", "omniglot:size=84,channels=3"):
        for shots in (5, 20):
            for method, own in facts.items():
                values = {"train_on": "miniimagenet", "test_on": place, "shots": shots}
                values |= {"episodic": False, **own}
                if "pretrained_on" in own:
                    values["overlap"] = "yes" if place == "eurosat" else "no"
                cells.append(cell(method, chance.uniform(0.3, 0.9, 20), **values))
    return frame_of(*cells)


@pytest.mark.parametrize("width", [80, 120, 160])
def test_several_data_sets_stand_side_by_side(frame, width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    print_summary(frame, json=False)
    output = capsys.readouterr().out
    table, _, legend = output.partition("\n†")
    assert max(len(line) for line in table.splitlines()[2:]) <= width
    assert not re.search(r"\d\n|±\n", table)  # no number is broken
    assert (
        table.count("±") == 2 * 4 * 6 + 2 * 4 * 5
    )  # accuracies, and differences to the best of each column
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


def test_one_data_set_is_a_list_with_the_same_signs(frame, capsys):
    print_summary(frame[frame["test_on"] == "eurosat"], json=False)
    output = capsys.readouterr().out
    assert "difference to best" in output
    assert "linear_probe °!" in output

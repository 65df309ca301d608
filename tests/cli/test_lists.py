"""Options that take several words."""

import pytest

from workbench.cli._lists import widen
from workbench.errors import UsageError


@pytest.mark.parametrize(
    "line",
    [
        "compare protonet maml --shots 1 5",
        "compare --shots 1 5 protonet maml",
        "compare protonet --shots 1 5 maml",
        "compare protonet maml --shots=1,5",
        "compare protonet maml --shots=1 5",
        "compare protonet maml --shots 1,5",
        "compare protonet maml --shots 1 --shots 5",
    ],
)
def test_integer_lists_take_the_integers_that_follow(line):
    wide = widen(line.split())
    flags = [wide[at + 1] for at, word in enumerate(wide) if word == "--shots"]
    others = [
        word
        for at, word in enumerate(wide)
        if word != "--shots" and (at == 0 or wide[at - 1] != "--shots")
    ]
    assert flags == ["1", "5"]
    assert others == ["compare", "protonet", "maml"]


def test_name_lists_take_the_words_up_to_the_next_flag():
    wide = widen(
        [
            "compare",
            "protonet",
            "--on",
            "omniglot",
            "glyphs:size=32,seed=1",
            "--seeds",
            "2",
            "--backbone",
            "conv4",
            "conv4:width=8",
        ]
    )
    data = ["--on", "omniglot", "--on", "glyphs:size=32,seed=1"]
    backbones = ["--backbone", "conv4", "--backbone", "conv4:width=8"]
    assert wide == ["compare", "protonet", *data, "--seeds", "2", *backbones]


def test_other_words_pass_unchanged():
    for line in (
        "train maml --shots 5 --on glyphs",
        "compare a -- --shots",
        "--help",
        "",
        "eval runs/x --episodes 5",
    ):
        assert widen(line.split()) == line.split()


@pytest.mark.parametrize(
    "line",
    [
        "compare a --shots",
        "compare a --shots --ways 5",
        "compare --on",
        "compare a --on --shots 1",
        "eval a --shots=x",
    ],
)
def test_a_list_without_a_value_is_an_error(line):
    with pytest.raises(UsageError, match="--"):
        widen(line.split())


def test_test_on_is_another_name_of_on():
    for command in ("compare protonet", "eval runs/x"):
        wide = widen(f"{command} --test-on glyphs omniglot:size=84".split())
        assert wide == [*command.split(), "--on", "glyphs", "--on", "omniglot:size=84"]
    wide = widen(["compare", "protonet", "--train-on", "a", "b", "--test-on", "c", "d"])
    data = ["--train-on", "a", "--train-on", "b", "--on", "c", "--on", "d"]
    assert wide == ["compare", "protonet", *data]


def test_train_on_is_another_name_of_on_where_one_trains():
    wide = widen(["train", "protonet", "--train-on", "glyphs", "glyphs:seed=1", "--shots", "5"])
    assert wide == ["train", "protonet", "--on", "glyphs", "--on", "glyphs:seed=1", "--shots", "5"]


def test_both_names_are_one_sentence():
    words = r"^--on and --test-on are two names of one option; give one of them$"
    with pytest.raises(UsageError, match=words):
        widen(["compare", "protonet", "--on", "glyphs", "--test-on", "omniglot"])
    words = r"^--test-on needs a value, for instance: --test-on omniglot$"
    with pytest.raises(UsageError, match=words):
        widen(["compare", "protonet", "--test-on"])

"""Arguments of both doors: plain values in their type and bounds, or one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.commands import compare, evaluate, train
from workbench.commands.arguments import (
    EXAMPLES,
    NUMBERS,
    PLACES,
    SINGLE,
    checked,
    evaluations,
    one,
    training_settings,
)
from workbench.commands.arguments import workspace as workspace_of
from workbench.commands.keywords import TrainKeywords
from workbench.errors import UnknownName, UsageError
from workbench.tasks.settings import EvaluationSettings

KNOWN = compare.KNOWN
NAMES = evaluate.KNOWN


def test_every_argument_has_a_check():
    known = {*compare.KNOWN, *train.KNOWN, *evaluate.KNOWN} - {"report", "note", "code"}
    assert known <= {*EXAMPLES, *NUMBERS, *PLACES, *SINGLE, *TrainKeywords.__annotations__}


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("episodes", np.int64(20), 20),
        ("episodes", torch.tensor(20), 20),
        ("episodes", "20", 20),
        ("seeds", np.uint8(3), 3),
        ("shots", 5, (5,)),
        ("shots", "5", (5,)),
        ("shots", np.int64(1), (1,)),
        ("shots", np.array([1, 2]), (1, 2)),
        ("shots", pd.Series([5, 1, 5]), (5, 1)),
        ("shots", range(1, 4), (1, 2, 3)),
        ("shots", (n for n in (2, 1)), (2, 1)),
        ("ways", [np.int32(5), "20"], (5, 20)),
        ("on", "omniglot", ("omniglot",)),
        ("on", Path("images") / "birds", ("images/birds",)),
        ("on", np.array(["a", "b", "a"]), ("a", "b")),
        ("on", {"b", "a"}, ("a", "b")),
        ("algorithms", ("maml:inner_lr=0.1,inner_steps=2",), ("maml:inner_lr=0.1,inner_steps=2",)),
        ("out", "there", Path("there")),
        ("out", Path("there"), Path("there")),
        ("lr", np.float32(0.5), 0.5),
        ("lr", 1, 1.0),
        ("steps", np.int16(7), 7),
        ("fresh", np.True_, True),
        ("train_ways", "none", None),
        ("init", Path("runs/x"), "runs/x"),
    ],
)
def test_a_value_becomes_a_plain_one(name, value, plain):
    found = checked({name: value}, KNOWN)[name]
    assert found == plain
    assert type(found) is type(plain)
    if isinstance(found, tuple):
        assert [type(each) for each in found] == [type(each) for each in plain]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("episodes", 0, "episodes=0: must be from 2 to 1,000,000"),
        ("episodes", 1, "must be from 2"),
        ("episodes", 10**12, "to 1,000,000"),
        ("episodes", 20.5, "episodes=20.5: must be int"),
        ("episodes", True, "must be int"),
        ("seeds", 0, "seeds=0: must be from 1 to 1,000"),
        ("task_seed", -1, "must be from 0"),
        ("task_seed", 2**64, "task_seed=18446744073709551616: must be at most 9,2"),
        ("steps", 10**30, "must be at most 9,2"),
        ("steps", -1, "steps=-1: must be at least 0"),
        ("shots", [], "shots is empty"),
        ("shots", np.array([]), "shots is empty"),
        ("shots", [1, 0], "shots=0: must be at least 1"),
        ("shots", {"a": 1}, "shots must be a whole number or several"),
        ("shots", [[1]], r"shots=\[1\]: must be int"),
        ("shots", "five", "shots=five: must be int"),
        ("ways", 1, "ways=1: must be at least 2"),
        ("ways", 2.5, "ways=2.5: must be int"),
        ("on", [], "on is empty; omit it, or give a name"),
        ("on", [""], "on must be a name or several"),
        ("on", 3, "on must be a name or several, for instance"),
        ("on", b"x", "on must be a name"),
        ("on", ["a", None], "on must be a name or several.*not None"),
        ("on", "a,b", r"'a,b' is not one name.*spaces between them: a b, in Python as a list"),
        ("algorithms", "protonet maml:lr=1", "is not one name"),
        ("backbone", "conv4,conv4:width=8", "is not one name"),
        ("fresh", "perhaps", "fresh=perhaps: must be bool"),
        ("leave_one_out", 2, "must be bool"),
        ("recipe", 3, r"recipe=3: must be str"),
        ("device", 0, "device=0: must be str"),
        ("out", 3, "out must be a folder or file, not 3"),
        ("note", "print", "note must be a function"),
        ("report", 1, "report must be a function"),
    ],
)
def test_a_wrong_value_is_one_sentence(name, value, words):
    with pytest.raises(UsageError, match=words) as caught:
        checked({name: value}, KNOWN)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value) or "one name" in str(caught.value)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=3)
    | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=2)
        | st.lists(st.integers() | st.floats(), max_size=3).map(np.array)
    ),
    max_leaves=5,
)


@given(st.sampled_from(sorted(KNOWN)), ANYTHING)
def test_any_value_is_plain_or_refused(name, value):
    try:
        found = checked({name: value}, KNOWN)
    except UsageError:
        return
    for each in found.values():
        assert isinstance(each, str | int | float | bool | tuple | Path | None)


@pytest.mark.parametrize("value", ["x" * 300, "a\0b"])
def test_a_name_that_no_place_can_have(value):
    with pytest.raises(UsageError, match=r"out cannot be .*(File name too long|embedded null)"):
        checked({"out": value}, KNOWN)
    with pytest.raises(UsageError, match="is not one name; give several apart"):
        checked({"on": f"glyphs {value}"}, KNOWN)


def test_none_is_as_if_omitted():
    assert checked({"ways": None, "lr": None, "shots": 2}, KNOWN) == {"shots": (2,)}
    with pytest.raises(UsageError, match=r"^algorithms is missing; give for instance \['proto"):
        checked({"algorithms": None}, KNOWN, needed="algorithms")


def test_a_name_where_one_is_taken():
    assert one("algorithm", ("protonet",)) == "protonet"
    with pytest.raises(UsageError, match="algorithm takes one name, not 2: a, b"):
        one("algorithm", ("a", "b"))


# --- names that there are not


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("shot", "shots"),
        ("n_shot", "shots"),
        ("k_shot", "shots"),
        ("n_way", "ways"),
        ("n_ways", "ways"),
        ("num_classes", "ways"),
        ("n_query", "queries"),
        ("num_episodes", "episodes"),
        ("n_tasks", "episodes"),
        ("epochs", "steps"),
        ("n_epochs", "steps"),
        ("iterations", "steps"),
        ("learning_rate", "lr"),
        ("bs", "batch_size"),
        ("batchsize", "batch_size"),
        ("dataset", "on"),
        ("model", "backbone"),
        ("gpu", "device"),
        ("train_shot", "train_shots"),
        ("protokol", "protocol"),
        ("Shots", "shots"),
    ],
)
def test_the_words_of_the_field_are_known(name, meant):
    with pytest.raises(UnknownName, match=rf"no argument '{name}'\. Did you mean {meant}\?"):
        checked({"algorithms": "protonet", name: 5}, KNOWN)


def test_an_option_of_an_algorithm_is_written_after_its_name():
    words = r"temperature is no argument .*; as an option of protonet, write protonet:temperature=2"
    with pytest.raises(UsageError, match=words):
        checked({"algorithms": ["maml", "protonet"], "temperature": 2}, KNOWN)


def test_a_name_that_is_like_nothing_gets_the_list():
    with pytest.raises(UnknownName, match=r"no argument 'xyz'\. Available: algorithms, augment"):
        checked({"algorithms": "nothing", "xyz": 2}, KNOWN)


# --- what they stand for


def test_ways_and_shots_are_crossed_each_once():
    given = checked({"ways": [5, 20, 5], "shots": [1, 5], "queries": 3, "split": "val"}, NAMES)
    found = evaluations(given)
    assert [(each.ways, each.shots) for each in found] == [(5, 1), (5, 5), (20, 1), (20, 5)]
    assert {(each.queries, each.split) for each in found} == {(3, "val")}


def test_ways_and_shots_that_are_omitted():
    assert evaluations({}) == (EvaluationSettings(),)
    found = evaluations(checked({"shots": 2}, NAMES), ways=7, shots=1)
    assert found == (EvaluationSettings(ways=7, shots=2),)


def test_settings_and_workspace_are_told_apart():
    given = checked({"steps": 0, "out": "x", "device": "cpu", "train_queries": 4}, KNOWN)
    assert training_settings(given) == {"steps": 0, "train_queries": 4}
    place = workspace_of(given)
    assert (place.out, place.device, place.fresh) == (Path("x"), "cpu", False)

"""Summaries as matrices: when there is one, its blocks, and what was trained on."""

from __future__ import annotations

import pytest
from frames import cell, frame_of

from workbench.results.matrix import blocks, is_matrix, training_words
from workbench.results.summary import summary


def table_of(*pairs, **given):
    """A summary of one method for pairs of training and test data."""
    cells = [cell("a", [0.5, 0.6], train_on=train, test_on=test, **given) for train, test in pairs]
    return summary(frame_of(*cells))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("mini", "land")], False),
        ([("mini", "land"), ("mini", "skin")], True),
        ([("mini", "land"), ("tiered", "land")], True),
    ],
)
def test_several_data_sets_are_a_matrix(pairs, expected):
    assert is_matrix(table_of(*pairs)) is expected


def test_tasks_that_ask_several_times_are_none():
    cells = [cell("a", [0.5], test_on=on, instance=i) for on in ("x", "y") for i in (0, 1)]
    assert not is_matrix(summary(frame_of(*cells)))


def test_a_block_for_each_training_and_form_of_tasks():
    trainings = [("mini", "x"), ("mini", "y"), ("omniglot + mini", "x")]
    titles = [title for title, _ in blocks(table_of(*trainings))]
    assert titles == ["trained on mini\n5-way 1-shot", "trained on omniglot + mini\n5-way 1-shot"]
    varying = {"protocol": "meta-dataset", "ways": None, "shots": None, "queries": None}
    ((title, rows),) = blocks(table_of(("mini", "x"), ("mini", "y"), **varying))
    assert title == "meta-dataset, varying ways and shots"
    assert rows["test_on"].tolist() == ["x", "y"]


def test_one_block_where_each_test_data_set_has_its_own_training():
    ((title, _),) = blocks(table_of(("x", "y"), ("y", "x")))
    assert title == "5-way 1-shot"


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([("mini", "x"), ("mini", "y")], "trained on mini"),
        ([("x", "x"), ("y", "y")], "trained on the training classes of the test data set"),
        ([("y", "x"), ("x", "y")], "trained on y for x; x for y"),
        ([("mini", "x"), ("x", "x")], ""),
    ],
)
def test_training_words(pairs, words):
    assert training_words(table_of(*pairs)) == words

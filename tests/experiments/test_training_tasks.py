"""Training tasks: as at test, or as many classes and images as the data give."""

from __future__ import annotations

import pytest
from small_runs import BY_BATCH, plan_of

from workbench.errors import DataError, UsageError
from workbench.testing import tiny_data


@pytest.mark.parametrize(
    ("shots", "settings", "trained"),
    [  # of classes of 10 images; protonet's recipe has 5 queries
        (1, {}, (1, 5)),
        (5, {}, (5, 5)),
        (8, {}, (5, 5)),
        (20, {}, (5, 5)),
        (20, {"train_queries": 2}, (8, 2)),
        (20, {"train_shots": 9}, (9, 1)),
    ],
)
def test_training_tasks_have_the_shots_of_the_test_or_what_the_classes_give(
    shots, settings, trained
):
    fitted = plan_of(tiny_data(images=10), shots=shots, **settings).settings
    assert (fitted.train_shots, fitted.train_queries) == trained


def test_training_ways_are_the_recipe_s_or_all_classes(data):
    assert plan_of(data).settings.train_ways == 8  # the recipe's 20 are more than there are
    assert plan_of(data, train_ways=4).settings.train_ways == 4
    with pytest.raises(DataError, match="9 ways are more than the 8 classes"):
        plan_of(data, train_ways=9)


def test_only_a_learner_of_a_fixed_number_of_ways_has_ways(data):
    assert plan_of(data).ways is None
    maml = plan_of(data, "maml")
    assert (maml.ways, maml.settings.train_ways, maml.backbone) == (3, 3, BY_BATCH)
    with pytest.raises(UsageError, match="cannot train at 4 ways for 3 at test"):
        plan_of(data, "maml", train_ways=4)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("protonet:train_protocol=prequential", "prequential is for tests only; train with way-"),
        ("maml:train_protocol=meta-dataset", "fixed number of ways, and meta-dataset draws"),
        ("protonet:train_protocol=metadataset", "Did you mean meta-dataset"),
    ],
)
def test_a_protocol_that_cannot_train_is_refused(data, spec, words):
    with pytest.raises(UsageError, match=words):
        plan_of(data, spec)


def test_several_data_sets_are_not_stacked(two):
    plan = plan_of(two)
    assert plan.data == ("one", "other")
    assert plan.data_label == "one + other"
    assert plan.settings.stack == 1
    assert plan.settings.train_ways == 6  # the smaller one has six classes

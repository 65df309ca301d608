"""Settings of an evaluation, fitted to data, and the test tasks that they give."""

from __future__ import annotations

import numpy as np
import pytest
from class_indices import class_index

from workbench.data.opening import OpenDataset
from workbench.data.tables import Table
from workbench.errors import DataError, UnknownName, UsageError
from workbench.plugin.registry import DEFAULT_PROTOCOL
from workbench.tasks import settings as module
from workbench.tasks.protocols.unbalanced import Unbalanced
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.settings import EvaluationSettings, evaluation_tasks
from workbench.testing import tiny_data


@pytest.fixture
def tiny():
    return tiny_data().members[0]


def test_the_usual_settings():
    usual = EvaluationSettings()
    assert (usual.ways, usual.shots, usual.queries) == (None, 1, None)
    assert (usual.protocol, usual.episodes, usual.task_seed) == (DEFAULT_PROTOCOL, 600, 0)
    assert usual.split == "test"


@pytest.mark.parametrize(
    ("counts", "shots", "fitted"),
    [
        ([20] * 9, 1, (5, 15)),
        ([20] * 9, 5, (5, 15)),
        ([20] * 9, 10, (5, 10)),  # what the shots leave
        ([20] * 3, 1, (3, 15)),  # as many ways as there are classes
        ([20, 7, 20, 20, 20, 20], 4, (5, 3)),  # the smallest class decides
        ([20] * 9, 20, (5, 1)),  # refused later, by the protocol
    ],
)
def test_what_is_omitted_is_as_usual_or_what_the_classes_give(counts, shots, fitted):
    shape = EvaluationSettings(shots=shots).shape(class_index(counts))
    assert (shape.ways, shape.queries) == fitted
    assert shape.shots == shots


def test_what_is_given_is_not_changed():
    given = EvaluationSettings(ways=7, shots=3, queries=40)
    assert given.shape(class_index([20] * 5)) == (7, 3, 40)


def test_a_run_has_its_own_usual_ways():
    classes = class_index([20] * 30)
    assert EvaluationSettings().shape(classes, usual_ways=20).ways == 20
    assert EvaluationSettings(ways=3).shape(classes, usual_ways=20).ways == 3
    assert EvaluationSettings().shape(class_index([20] * 4), usual_ways=20).ways == 4


def uneven(*counts):
    """Return a data set whose test classes have these numbers of images."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    names = tuple(f"class{number}" for number in range(len(counts)))
    images = np.zeros((starts[-1], 1, 4, 4), np.uint8)
    return OpenDataset("lab", "lab", {"test": Table(images, names, starts, "lab")})


@pytest.mark.parametrize(
    ("counts", "asked", "departures"),
    [
        ([20] * 6, {"shots": 5}, ()),
        (
            [20, 6, 20, 20, 20, 20],
            {"shots": 5},
            ("lab at 5-shot: 1 query per class instead of 15, because class class1 has 6 images",),
        ),
        (
            [20, 20, 12, 20, 11, 20],
            {},
            (
                "lab at 1-shot: 10 queries per class instead of 15, because class class4 has "
                "11 images, and 2 classes have too few",
            ),
        ),
        (
            [20] * 4,
            {},
            (
                "lab: 4 ways instead of 5, because it has 4 test classes",
                "lab: all tasks have the same 4 classes and share 80 images, so ± says how much "
                "the choice of support images matters, not how it is on other classes or new "
                "images",
            ),
        ),
        ([6] * 4, {"ways": 3, "queries": 2}, ()),  # as asked
        ([6] * 5, {"protocol": "meta-dataset"}, ()),  # as the protocol says
        ([6] * 6, {"protocol": "prequential", "shots": 2}, ()),
    ],
)
def test_what_is_not_as_usual_is_said_with_the_class_that_is_the_reason(counts, asked, departures):
    assert evaluation_tasks(uneven(*counts), EvaluationSettings(**asked)).departures == departures


def test_test_tasks_are_those_of_the_protocol(tiny):
    tasks = evaluation_tasks(tiny, EvaluationSettings(3, 2))
    assert tasks.protocol == WayShot(3, 2, 10)
    assert (tasks.ways, tasks.shots, tasks.queries, tasks.shape.ways) == (3, 2, 10, 3)
    assert tasks.dataset is tiny
    unbalanced = evaluation_tasks(tiny, EvaluationSettings(3, 2, protocol="unbalanced:alpha=5"))
    assert isinstance(unbalanced.protocol, Unbalanced)
    assert unbalanced.ways == 3


def test_where_ways_vary_they_are_missing(tiny):
    tasks = evaluation_tasks(tiny, EvaluationSettings(protocol="meta-dataset"))
    assert (tasks.ways, tasks.shots, tasks.queries) == (None, None, None)
    assert tasks.shape.ways == 5  # a learner of a fixed number of ways is trained for these


def test_a_protocol_is_built_once(tiny, monkeypatch):
    built = []
    original = module.build_protocol

    def count(*given):
        built.append(given)
        return original(*given)

    monkeypatch.setattr(module, "build_protocol", count)
    tasks = evaluation_tasks(tiny, EvaluationSettings(3, 2, 4))
    assert (tasks.ways, tasks.shots, tasks.queries) == (3, 2, 4)
    assert tasks.protocol is tasks.protocol
    assert built == [("way-shot", 3, 2, 4)]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"ways": 9}, DataError, "9 ways are more than the 8 classes.*test classes of tiny"),
        ({"shots": 12}, DataError, "12 shots leave no query"),
        ({"split": "holdout"}, DataError, "tiny has no holdout classes"),
        ({"protocol": "within-group"}, DataError, "no groups"),
        ({"protocol": "metadataset"}, UnknownName, "Did you mean meta-dataset"),
        ({"protocol": "unbalanced:beta=1"}, UsageError, "no option 'beta'"),
        ({"ways": 1}, UsageError, "use --ways 2 or more"),
        ({"shots": 0}, DataError, "0 shots"),
    ],
)
def test_tasks_that_the_data_cannot_give_are_refused(tiny, settings, error, words):
    with pytest.raises(error, match=words):
        evaluation_tasks(tiny, EvaluationSettings(**settings))

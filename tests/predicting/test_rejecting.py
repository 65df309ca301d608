"""What a conformal threshold promises: the true class is possible as often as asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import workbench as mlw
from workbench.data.opening import open_dataset
from workbench.errors import UsageError
from workbench.predicting.answer import probabilities
from workbench.predicting.rejecting import possible, quantile, threshold
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.splits import domain

CPU = torch.device("cpu")


def test_the_threshold_by_hand():
    scores = np.arange(1, 20) / 20  # 19 of them
    assert quantile(scores, 0.95) == 0.95  # the 19th: ceil(20 * 0.95)
    assert quantile(scores, 0.9) == 0.9
    assert quantile(scores, 0.5) == 0.5


@pytest.mark.parametrize("count", range(1, 1000))
def test_as_few_scores_as_a_level_needs_give_the_highest(count):
    level = count / (count + 1)
    assert quantile(np.arange(count), level) == count - 1


def test_a_score_that_is_missing_counts_as_the_worst():
    scores = np.array([0.1, np.nan, 0.3])
    assert quantile(scores, 0.5) == 0.3
    assert quantile(scores, 0.75) == np.inf


def test_classes_are_possible_up_to_the_threshold():
    found = np.array([[0.7, 0.2, 0.1], [0.4, 0.4, 0.2], [np.nan] * 3])
    expected = [[True, False, False], [True, True, False], [False] * 3]
    assert possible(found, 0.65).tolist() == expected


@pytest.mark.parametrize(("level", "count"), [(0.95, 19), (0.9, 30), (0.8, 25)])
def test_new_scores_do_not_exceed_it_as_often_as_asked(level, count):
    """By Vovk's theorem the chance is between level and level + 1 / (count + 1)."""
    generator = np.random.default_rng(0)
    below = []
    for _ in range(20_000):
        scores = generator.normal(size=count + 1)
        below.append(scores[-1] <= quantile(scores[:-1], level))
    share, slack = np.mean(below), 0.006  # above three standard errors
    assert level - slack <= share <= level + 1 / (count + 1) + slack


@pytest.fixture(scope="module")
def learner(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    return mlw.load(mlw.train("protonet", on="glyphs", steps=30, validate_every=0, out=out))


def test_true_classes_of_new_images_are_possible_as_often_as_asked(learner):
    dataset = open_dataset("glyphs")
    images = dataset.table("test").images
    source = Source([domain(dataset, "test")], WayShot(5, 8, 8), seed=1)
    covered, wrong, answered = [], [], []
    for task in range(40):
        rows = next(source.stacks(task, 1, 1))
        support, labels = images[rows.support[0]], rows.support_y[0]
        truth = rows.query_y[0]
        found = probabilities(learner, support, labels, images[rows.query[0]], device=CPU)
        sets = possible(found, threshold(learner, support, labels, 0.9, device=CPU))
        covered.append(sets[np.arange(len(truth)), truth].mean())
        alone = sets.sum(axis=1) == 1
        answered.append(alone.mean())
        wrong.append((alone & (found.argmax(1) != truth)).mean())
    assert np.mean(covered) > 0.88  # 1,600 queries
    assert np.mean(wrong) < 0.1
    assert 0.05 < np.mean(answered) < 1


def test_each_image_is_scored_by_a_learner_that_has_not_seen_it(learner):
    """A copy of an image would be certain of its class if it were."""
    images = open_dataset("glyphs").table("test").images
    labels = np.repeat(np.arange(4), 5)
    alone = np.array(images[:20])
    assert threshold(learner, alone, labels, 0.9, device=CPU) > threshold(
        learner, np.repeat(alone[::5], 5, axis=0), labels, 0.9, device=CPU
    )


@pytest.mark.parametrize(
    ("labels", "level", "words"),
    [
        ([0, 0, 1], 0.5, "at least two images of each class"),
        ([0, 1] * 5, 0.95, "needs at least 19 images to learn from, and there are 10.*reject 0.9"),
        ([0, 1] * 9, 0.95, "at least 19.*there are 18.*--reject 0.94"),
    ],
)
def test_too_few_images_are_refused(learner, labels, level, words):
    images = np.zeros((len(labels), 1, 28, 28), np.uint8)
    with pytest.raises(UsageError, match=words):
        threshold(learner, images, np.array(labels), level, device=CPU)

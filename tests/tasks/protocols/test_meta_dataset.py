"""The rules of Meta-Dataset, over up to 10,000 tasks."""

from __future__ import annotations

import numpy as np
import pytest
from class_indices import alphabets, class_index, class_of

from workbench.errors import DataError
from workbench.tasks.protocols.meta_dataset import MetaDataset
from workbench.tasks.sampling import BLOCK


def draw(classes, count=10_000, **options):
    protocol = MetaDataset(**options)
    protocol.check(classes, "the data")
    tasks = []
    for block in range(count // BLOCK + 1):
        tasks += protocol.draw(classes, 0, block)
    return tasks[:count]


def test_ways_are_uniform_from_5_to_the_number_of_classes():
    ways = np.array([rows.ways for rows in draw(class_index([20] * 30))])
    counts = np.bincount(ways, minlength=31)
    assert (ways.min(), ways.max()) == (5, 30)
    expected = len(ways) / 26
    chi_square = ((counts[5:] - expected) ** 2 / expected).sum()
    assert chi_square < 52.6  # 99.9th percentile, 25 degrees of freedom


def test_there_are_at_most_50_ways():
    ways = [rows.ways for rows in draw(class_index([20] * 200), 2000)]
    assert (min(ways), max(ways)) == (5, 50)


@pytest.mark.parametrize(
    ("counts", "queries"),
    [([6] * 5, 3), ([7, 300, 300, 300, 300], 3), ([200] * 5, 10), ([2] * 5, 1)],
)
def test_queries_are_half_of_the_smallest_class_and_at_most_10(counts, queries):
    for rows in draw(class_index(counts), 200):
        assert (np.bincount(rows.query_y[0]) == queries).all()


def paper_shots(counts, random):
    """Draw support sizes of classes as the paper says, with the distributions of numpy."""
    queries = min(10, min(count // 2 for count in counts))
    beta = random.uniform()
    size = min(500, sum(int(beta * min(100, count - queries)) + 1 for count in counts))
    weights = [np.exp(random.uniform(np.log(0.5), np.log(2))) * count for count in counts]
    shots = []
    for weight, count in zip(weights, counts, strict=True):
        share = int(weight / sum(weights) * (size - len(counts)))
        shots.append(min(share + 1, count - queries))
    return shots


def kolmogorov_smirnov(ours, theirs):
    """Return the largest difference of two empirical distributions."""
    grid = np.unique(np.concatenate([ours, theirs]))
    below = [np.searchsorted(np.sort(x), grid, side="right") / len(x) for x in (ours, theirs)]
    return np.abs(below[0] - below[1]).max()


@pytest.mark.parametrize("counts", [[60] * 5, [7, 300, 30, 12, 60], [1000, 1000, 900, 500, 20, 20]])
def test_support_sizes_are_distributed_as_the_paper_says(counts):
    classes, random = class_index(counts), np.random.default_rng(0)
    ways = len(counts)
    tasks = draw(classes, min_ways=ways, max_ways=ways)
    ours = np.zeros((len(tasks), ways))
    for shots, rows in zip(ours, tasks, strict=True):
        np.add.at(shots, class_of(classes, rows.support[0]), 1)
    theirs = np.array([paper_shots(counts, random) for _ in tasks])
    assert ours.min() >= 1
    assert (ours <= np.array(counts) - min(10, min(counts) // 2)).all()
    error = np.sqrt(ours.var(0) / len(ours) + theirs.var(0) / len(theirs))
    assert (np.abs(ours.mean(0) - theirs.mean(0)) <= 4 * error).all()
    limit = 1.95 * np.sqrt(2 / len(ours))  # at 0.1%
    assert kolmogorov_smirnov(ours.sum(1), theirs.sum(1)) < limit
    largest_shares = [x.max(1) / x.sum(1) for x in (ours, theirs)]
    assert kolmogorov_smirnov(*largest_shares) < limit


def test_the_support_has_at_most_500_images():
    sizes = [rows.support.shape[1] for rows in draw(class_index([1000] * 40), 3000)]
    assert max(sizes) <= 500
    assert np.mean(np.array(sizes) > 450) > 0.3  # 500 is frequent: 40 ways of beta * 100


def test_a_class_adds_at_most_100_to_the_size_of_the_support():
    sizes = [rows.support.shape[1] for rows in draw(class_index([1000] * 5), 1000, max_ways=5)]
    assert max(sizes) <= 500


def test_larger_classes_get_larger_supports():
    classes = class_index([20, 20, 20, 20, 400])
    shares = []
    for rows in draw(classes, 1000):
        shares.append(np.mean(class_of(classes, rows.support[0]) == 4))
    assert np.mean(shares) > 0.5


def test_a_task_of_omniglot_is_of_one_alphabet():
    classes = alphabets()
    tasks = draw(classes, 2000)
    seen = set()
    for rows in tasks:
        found = np.searchsorted([14, 17, 40], class_of(classes, rows.support[0]), side="right")
        assert len(set(found)) == 1
        seen.add(found[0])
    assert seen == {0, 2}  # three characters are too few for a task
    assert {rows.ways for rows in tasks} == set(range(5, 24))


def test_a_task_of_imagenet_has_all_leaves_below_a_node():
    nodes = class_index([20] * 100, [range(0, 7), range(0, 100), range(50, 62)], whole=True)
    tasks = draw(nodes, 2000)
    ways = np.array([rows.ways for rows in tasks])
    assert set(ways) == {7, 12, 50}  # all leaves, or 50 of 100 at random
    assert abs(np.mean(ways == 50) - 1 / 3) < 0.04  # nodes are uniform
    largest = [class_of(nodes, rows.query[0]) for rows in tasks if rows.ways == 50]
    assert set(np.concatenate(largest)) == set(range(100))


@pytest.mark.parametrize(
    ("counts", "words"),
    [([9] * 4, "5 ways are more than the 4 classes"), ([9] * 5 + [1], "has a class of 1 image")],
)
def test_what_the_classes_cannot_give_is_said_in_numbers(counts, words):
    with pytest.raises(DataError, match=words):
        MetaDataset().check(class_index(counts), "the data")

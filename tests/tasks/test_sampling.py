"""Random words, samples, and stacks of tasks."""

from __future__ import annotations

import tracemalloc

import numpy as np
from class_indices import check_labels, class_index
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.tasks.protocols.unbalanced import Unbalanced
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.sampling import (
    MOST_CLASSES,
    MOST_IMAGES,
    Rows,
    Words,
    apportion,
    smallest,
)


def test_words_are_those_of_philox():
    expected = np.random.Philox(key=[3, 4], counter=[0, 0, 0, 0]).random_raw(4)
    assert (Words(3, 4).raw(4) == expected).all()


def test_words_as_numbers():
    words = Words(0, 0)
    assert {words.integer(5, 8) for _ in range(200)} == {5, 6, 7, 8}
    uniform = Words(1, 0).uniform(1000)
    assert 0 <= uniform.min() < 0.01
    assert 0.99 < uniform.max() < 1
    assert sorted(words.sample(9, 9)) == list(range(9))


@given(st.integers(1, 30), st.integers(31, 60), st.integers(0, 1000))
@settings(deadline=None)
def test_the_smallest_words_are_the_first_of_an_argsort(size, n, seed):
    words = np.random.default_rng(seed).integers(0, 2**63, (3, n)).astype(np.uint64)
    assert (smallest(words, size) == np.argsort(words, axis=-1)[:, :size]).all()


@given(weights=st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=8), data=st.data())
@settings(deadline=None)
def test_apportion_distributes_all_within_the_limits(weights, data):
    n = len(weights)
    limits = np.array(data.draw(st.lists(st.integers(1, 30), min_size=n, max_size=n)))
    total = data.draw(st.integers(0, int(limits.sum())))
    given_out = apportion(np.array(weights), total, limits)
    assert given_out.sum() == total
    assert (given_out <= limits).all()
    assert (given_out >= 0).all()


def test_apportion_gives_the_rest_to_the_largest_remainders():
    weights, limits = np.array([0.5, 0.3, 0.2]), np.array([9, 9, 9])
    assert apportion(weights, 7, limits).tolist() == [4, 2, 1]  # of 3.5, 2.1, 1.4
    assert apportion(weights, 8, limits).tolist() == [4, 2, 2]  # of 4, 2.4, 1.6
    assert apportion(weights, 8, np.array([2, 9, 9])).tolist() == [2, 3, 3]  # 2 are left over


def test_samples_from_many_candidates_are_uniform_in_every_place_and_without_repetition():
    words, n = Words(0, 0), MOST_IMAGES + 500
    samples = np.stack([words.sample(n, 12) for _ in range(4000)])
    assert (np.diff(np.sort(samples)) > 0).all()
    for place in (0, 5, 11):  # each place by itself: the first become the support
        counts = np.bincount(samples[:, place] * 20 // n, minlength=20)
        chi_square = ((counts - 200) ** 2 / 200).sum()
        assert chi_square < 43.8  # 99.9th percentile with 19 degrees of freedom
    assert sorted(words.sample(n, n)) == list(range(n))


def test_a_task_of_large_classes_has_its_images():
    classes = class_index([MOST_IMAGES + 5, 4, 50_000])
    (rows,) = WayShot(3, 1, 3).draw(classes, 0, 0)
    check_labels(classes, rows)
    assert len(np.unique(rows.support)) > 200


def test_a_small_class_beside_a_large_one_gets_no_more_queries_than_it_has():
    classes = class_index([16, 16, 16, 16, MOST_IMAGES + 1])
    (rows,) = Unbalanced(5, 1, 15).draw(classes, 0, 0)
    check_labels(classes, rows)


def test_many_classes_are_drawn_without_repetition():
    classes = class_index([2] * (MOST_CLASSES + 1))
    (rows,) = WayShot(20, 1, 1).draw(classes, 0, 0)
    check_labels(classes, rows)
    assert len(np.unique(rows.support)) > 2000


def test_memory_does_not_grow_with_the_largest_class():
    tracemalloc.start()
    try:
        WayShot(20, 5, 15).draw(class_index([100_000] * 20), 0, 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**25  # a word for each image would be 4 GB


def test_joined_stacks_are_one_stack():
    (rows,) = WayShot(4, 2, 3).draw(class_index([8] * 12), 0, 0)
    again = Rows.join([rows.part(slice(0, 100)), rows.part(slice(100, 256))])
    assert all(np.array_equal(a, b) for a, b in zip(rows, again, strict=True))

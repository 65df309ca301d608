"""A temperature is the minimum of the cross-entropy, and the scores of probabilities are theirs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from workbench.learning.calibration import (
    best_temperature,
    brier_scores,
    calibration_error,
    confidence_bins,
    confidences_of,
    losses_of,
    side_by_side,
)


def drawn(seed, count=400, ways=5, sharpness=1.0):
    """Return scores, and classes drawn from the softmax of `sharpness` times these."""
    random = torch.Generator().manual_seed(seed)
    scores = 2 * torch.randn(count, ways, generator=random, dtype=torch.float64)
    y = torch.multinomial((sharpness * scores).softmax(1), 1, generator=random)[:, 0]
    return scores, y


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.2, 4.0))
def test_the_temperature_is_the_minimum_that_scipy_finds(seed, sharpness):
    scores, y = drawn(seed, sharpness=sharpness)

    def loss(log_temperature):
        return F.cross_entropy(scores / np.exp(log_temperature), y).item()

    theirs = minimize_scalar(loss, bounds=(np.log(1e-3), np.log(1e3)), method="bounded")
    assert best_temperature(scores, y) == pytest.approx(np.exp(theirs.x), rel=1e-3)


def test_it_finds_how_sure_the_scores_should_have_been():
    scores, y = drawn(0, count=20_000, sharpness=0.4)
    assert best_temperature(scores, y) == pytest.approx(1 / 0.4, rel=0.05)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 20.0))
def test_larger_scores_have_a_larger_temperature(seed, factor):
    scores, y = drawn(seed)
    expected = factor * best_temperature(scores, y)
    assert best_temperature(factor * scores, y) == pytest.approx(expected, rel=1e-9)


def test_queries_with_different_numbers_of_classes():
    few, y_of_few = drawn(1, ways=3)
    many, y_of_many = drawn(2, ways=7)
    together = side_by_side([few, many])
    y = torch.cat([y_of_few, y_of_many])
    assert together.shape == (800, 7)

    def loss(log_temperature):
        temperature = np.exp(log_temperature)
        of_few = F.cross_entropy(few / temperature, y_of_few)
        return (of_few + F.cross_entropy(many / temperature, y_of_many)).item()

    theirs = minimize_scalar(loss, bounds=(-5, 5), method="bounded")
    assert best_temperature(together, y) == pytest.approx(np.exp(theirs.x), rel=1e-3)


def test_where_no_temperature_is_better_or_none_is_best():
    y = torch.tensor([0, 1, 2])
    assert best_temperature(torch.full((3, 3), 0.7), y) == 1.0
    always_right = torch.eye(3)
    assert best_temperature(always_right, y) == pytest.approx(1e-3)  # the end of the range
    assert best_temperature(-always_right, y) == pytest.approx(1e3)


def test_scores_of_probabilities_by_hand():
    scores = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]]]).log()
    y = torch.tensor([[1, 1]])
    assert losses_of(scores, y)[0].tolist() == pytest.approx([np.log(4), np.log(1.25)], abs=1e-6)
    by_hand = [0.5**2 + 0.75**2 + 0.25**2, 0.1**2 + 0.2**2 + 0.1**2]
    assert brier_scores(scores, y)[0].tolist() == pytest.approx(by_hand, abs=1e-6)
    bins = confidence_bins(confidences_of(scores), np.array([[False, True]]))
    assert calibration_error(bins) == pytest.approx((0.5 + 0.2) / 2, abs=1e-6)

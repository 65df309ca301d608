"""How sure a method is: proper scores of its probabilities, and a temperature that corrects them.

Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017, arXiv 1706.04599.
Brier: Verification of Forecasts Expressed in Terms of Probability, Monthly Weather Review 78, 1950.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from workbench.functional import one_hot

CONFIDENCE_BINS = 15
LOWEST, HIGHEST = 1e-3, 1e3  # temperatures that are considered
HALVINGS = 50  # of the interval of log temperatures, which then is shorter than rounding


def losses_of(scores: Tensor, y: Tensor) -> Tensor:
    """Return the cross-entropy in nats of each query: `(tasks, m, ways)`, `(tasks, m)`."""
    loss = F.cross_entropy(scores.flatten(0, 1), y.flatten(), reduction="none")
    of_tasks: Tensor = loss.unflatten(0, y.shape)
    return of_tasks


def brier_scores(scores: Tensor, y: Tensor) -> Tensor:
    """Return the Brier score of each query, 0..2: the squared distance of the probabilities.

    Args:
        scores: `(tasks, m, ways)`.
        y: `(tasks, m)`.
    """
    truth = one_hot(y, scores.shape[-1]).to(scores)
    return (scores.softmax(-1) - truth).square().sum(-1)


def confidences_of(scores: Tensor) -> NDArray[np.float64]:
    """Return the probability of each answer, `(tasks, m, ways)` to `(tasks, m)`."""
    confidences: NDArray[np.float64] = scores.softmax(-1).amax(-1).double().cpu().numpy()
    return confidences


def confidence_bins(
    confidences: NDArray[np.float64], hits: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return counts, summed confidence and summed hits by bin of confidence, `(3, bins)`.

    Args:
        confidences, hits: of any shape: the probability of an answer, and whether it is right.
    """
    confidences, hits = confidences.ravel(), hits.ravel()
    bins = np.minimum((confidences * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    return np.stack(
        [
            np.bincount(bins, minlength=CONFIDENCE_BINS),
            np.bincount(bins, confidences, minlength=CONFIDENCE_BINS),
            np.bincount(bins, hits, minlength=CONFIDENCE_BINS),
        ]
    )


def calibration_error(bins: NDArray[np.float64]) -> float:
    """Return the expected calibration error: the mean gap between confidence and accuracy."""
    counts, confidence, hits = bins
    return float(np.abs(confidence - hits).sum() / counts.sum())


def best_temperature(scores: Tensor, y: Tensor) -> float:
    """Return the T with the lowest cross-entropy of softmax(scores / T), within 0.001..1000.

    The cross-entropy is convex in 1 / T, so the sign of its derivative says on which side of T the
    minimum is. It is 1 where all scores are equal, so that no T is better.

    Args:
        scores: `(n, ways)`; minus infinity for a class that a query cannot have.
        y: `(n,)`.
    """
    scores = scores.double()
    finite = scores.masked_fill(scores.isinf(), 0.0)  # such a class has the probability 0
    of_truth = finite.gather(1, y[:, None])
    if torch.equal(finite.amax(1), finite.amin(1)):
        return 1.0
    low, high = np.log(LOWEST), np.log(HIGHEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        expected = ((scores / np.exp(middle)).softmax(1) * finite).sum(1, keepdim=True)
        too_sure = (expected - of_truth).mean() > 0  # the derivative by 1 / T
        low, high = (middle, high) if too_sure else (low, middle)
    return float(np.exp((low + high) / 2))


def side_by_side(parts: list[Tensor]) -> Tensor:
    """Put scores `(n, ways)` of different numbers of ways together; no query has the others."""
    ways = max(part.shape[1] for part in parts)
    padded = [F.pad(part, (0, ways - part.shape[1]), value=float("-inf")) for part in parts]
    return torch.cat(padded)

"""Which classes an image may have: conformal prediction, calibrated on the images to learn from.

Vovk: Cross-conformal predictors, Annals of Mathematics and Artificial Intelligence 74 (2015), in
the form with one threshold. Each image to learn from is scored by the method after it has seen the
others, and its score is 1 - the probability of its class. A class is possible for a new image if
its score is no higher than most of these. If new images are like those to learn from, the true
class is among the possible ones about as often as asked, and more often where few images are left
to learn from while calibrating. So of all images, about 1 - level get a wrong answer at most.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from workbench.errors import UsageError
from workbench.learning.learner import Learner
from workbench.predicting.answer import probabilities

FOLDS = 5
ROUNDING = 1e-9  # 0.9 of 10 images are 9, whatever floating point says


def threshold(
    learner: Learner,
    support: NDArray[np.uint8],
    labels: NDArray[np.int64],
    level: float,
    *,
    device: torch.device,
    precision: str = "float32",
) -> float:
    """Return the highest score of a possible class.

    Args:
        support: images to learn from, `(n, channels, height, width)`.
        labels: `(n,)`, in 0 .. ways - 1.
        level: how often the true class is to be possible, in 0..1.

    Raises:
        UsageError: there are too few images for the level, or one of a class.
    """
    _check(labels, level)
    scores = np.empty(len(labels))
    folds = _folds(labels)
    for fold in range(folds.max() + 1):
        held = folds == fold
        found = probabilities(
            learner,
            support[~held],
            labels[~held],
            support[held],
            device=device,
            precision=precision,
        )
        scores[held] = 1 - found[np.arange(len(found)), labels[held]]
    return quantile(scores, level)


def possible(found: NDArray[np.float64], highest: float) -> NDArray[np.bool_]:
    """Return which classes are possible, `(m, ways)`, by their probabilities; none where NaN."""
    return 1 - found <= highest


def quantile(scores: NDArray[np.float64], level: float) -> float:
    """Return the score that `level` of new ones do not exceed, if they are drawn like these."""
    place = math.ceil((len(scores) + 1) * level - ROUNDING)
    worst_if_broken = np.nan_to_num(scores, nan=np.inf)
    return float(np.sort(worst_if_broken)[place - 1])


def _check(labels: NDArray[np.int64], level: float) -> None:
    if np.bincount(labels).min() < 2:
        raise UsageError(
            "--reject needs at least two images of each class: one is left out in turn"
        )
    least = math.ceil(level / (1 - level) - ROUNDING)
    if len(labels) < least:
        most = math.floor(100 * len(labels) / (len(labels) + 1)) / 100
        raise UsageError(
            f"--reject {level:g} needs at least {least} images to learn from, and there are "
            f"{len(labels)}: give more, or --reject {most:g}"
        )


def _folds(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the fold of each image: those of a class are dealt out in turn."""
    count = min(FOLDS, int(np.bincount(labels).min()))
    folds = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        folds[members] = np.arange(len(members)) % count
    return folds

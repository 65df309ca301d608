"""The nearest-centroid classifier with cosines that FiLM, URL and TSA fit their features to."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from workbench import Examples, Predictor
from workbench.functional import cosines, one_hot


def nearest_centroid(support: Examples, scale: float = 10.0) -> Predictor:
    """Return a predictor that scores `(m, ways)` by the scaled cosine to the mean of each class.

    A class without support images is never predicted.
    """
    members = one_hot(support.y, support.ways).to(support.x.dtype).mT  # (ways, n)
    sums = members @ support.x  # (ways, dim); with the mean, the cosine would be the same
    empty = members.sum(-1) == 0  # (ways,)
    return lambda x: (scale * cosines(x, sums)).masked_fill(empty, float("-inf"))


def centroid_loss(support: Examples, scale: float = 10.0) -> Tensor:
    """Return the cross-entropy of the support under its own nearest-centroid classifier."""
    return F.cross_entropy(nearest_centroid(support, scale)(support.x), support.y)

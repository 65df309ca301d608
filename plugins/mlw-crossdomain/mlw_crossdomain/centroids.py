"""The nearest-centroid classifier that FiLM, URL and TSA fit their features to, with cosines."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from workbench import Examples, Predictor
from workbench.functional import cosines, one_hot


def nearest_centroid(support: Examples, scale: float = 10.0) -> Predictor:
    """The scaled cosine to the mean of each class; a class that was not met is never predicted."""
    members = one_hot(support.y, support.ways).to(support.x.dtype).mT  # (ways, n)
    sums = members @ support.x  # (ways, dim); a cosine does not tell them from means
    return lambda x: (scale * cosines(x, sums)).masked_fill(members.sum(-1) == 0, float("-inf"))


def centroid_loss(support: Examples, scale: float = 10.0) -> Tensor:
    """The support's own cross-entropy about its nearest centroids."""
    return F.cross_entropy(nearest_centroid(support, scale)(support.x), support.y)

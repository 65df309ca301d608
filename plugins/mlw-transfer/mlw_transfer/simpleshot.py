"""SimpleShot: nearest class mean of transformed features of a trained classifier.

Wang, Chao, Weinberger, van der Maaten: SimpleShot: Revisiting Nearest-Neighbor Classification for Few-Shot
Learning, 2019, arXiv 1911.04623.

    UN:    z                           (unnormalised)
    L2N:   z / |z|
    CL2N:  (z - mean) / |z - mean|     mean of all training images' features

A query belongs to the class whose mean, of its transformed support features, is nearest by Euclidean distance.
Scores are negative squared distances; the paper only compares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from workbench import Backbone, Examples, Learner, Predictor, Source
from workbench.functional import class_means, squared_distances


class SimpleShot(Learner):
    """Classify by the nearest class mean of centred, normalised features."""

    batched = True
    episodic = False
    base_mean: Tensor

    def __init__(
        self,
        backbone: Backbone,
        *,
        transform: Annotated[
            Literal["un", "l2n", "cl2n"],
            "features as they are, of length 1, or centred and then of length 1",
        ] = "cl2n",
    ):
        super().__init__()
        self.backbone = backbone
        self.transform = transform
        self.register_buffer("base_mean", torch.zeros(backbone.dim))

    def embed(self, images: Tensor) -> Tensor:
        z = self.backbone(images)  # (n, dim)
        if self.transform == "un":
            return z
        return F.normalize(z - self.base_mean if self.transform == "cl2n" else z, dim=-1)

    def adapt(self, support: Examples) -> Predictor:
        centroids = class_means(support)  # (ways, dim)
        return lambda x: -squared_distances(x, centroids)  # (n, ways)

    @torch.no_grad()
    def losses(self, source: Source) -> Iterator[Tensor]:
        self.eval()  # the mean is of the features that tests will meet
        total, count = torch.zeros_like(self.base_mean), 0
        for x, _ in source.sweep():
            total += self.backbone(x).sum(0)
            count += len(x)
        self.base_mean.copy_(total / count)
        return iter(())

"""SimpleShot: nearest class mean of transformed features of a trained classifier.

Wang, Chao, Weinberger, van der Maaten: SimpleShot: Revisiting Nearest-Neighbor Classification for
Few-Shot Learning, 2019, arXiv 1911.04623.

    UN:    z                           (unnormalised)
    L2N:   z / |z|
    CL2N:  (z - mean) / |z - mean|     mean of the features of all training images

A query gets the class whose mean, computed from its transformed support features, is nearest by
Euclidean distance. Scores are negative squared distances; the paper only compares them.
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
    equivariant = True
    episodic = False
    base_mean: Tensor

    def __init__(
        self,
        backbone: Backbone,
        *,
        transform: Annotated[
            Literal["un", "l2n", "cl2n"],
            "un: features as they are; l2n: of length 1; cl2n: centred, then of length 1",
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
        if self.transform == "cl2n":
            z = z - self.base_mean
        return F.normalize(z, dim=-1)

    def adapt(self, support: Examples) -> Predictor:
        centroids = class_means(support)  # (ways, dim)
        return lambda x: -squared_distances(x, centroids)  # (m, ways)

    @torch.no_grad()
    def losses(self, source: Source) -> Iterator[Tensor]:
        """Compute the mean of all training features. The backbone is already trained."""
        self.eval()  # the features must be those of test time
        total = torch.zeros_like(self.base_mean)
        count = 0
        for x, _ in source.sweep():
            total += self.backbone(x).sum(0)
            count += len(x)
        self.base_mean.copy_(total / count)
        return iter(())

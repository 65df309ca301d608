"""Nearest neighbours: predict the class of the nearest support images, by pixels or by features.

Cover, Hart: Nearest neighbor pattern classification, IEEE Transactions on Information Theory 13,
1967. On pixels it learns nothing and is the lower bound of a table. On features of a trained
classifier it is the first baseline of Ravi, Larochelle: Optimization as a Model for Few-Shot
Learning, ICLR 2017.

Each of the k nearest images has one vote. Ties go to the class whose images are nearer: the r-th
nearest adds 2^-r to its vote, and all of these together stay below one vote. Scores are votes, so
their softmax is not a measure of confidence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from torch import Tensor

from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source
from workbench.errors import UsageError
from workbench.functional import cosines, one_hot, squared_distances


class NearestNeighbor(Learner):
    """Classify by the nearest support images."""

    batched = True
    episodic = False

    def __init__(
        self,
        backbone: Backbone | None,
        *,
        space: Annotated[Literal["features", "pixels"], "what is compared"] = "features",
        distance: Annotated[
            Literal["euclidean", "cosine"], "Euclidean distance, or cosine distance"
        ] = "euclidean",
        neighbors: Annotated[int, "k, how many of the nearest images vote", AtLeast(1)] = 1,
    ):
        super().__init__()
        if space == "features" and backbone is None:
            raise UsageError("nearest_neighbor:space=features needs a backbone; use space=pixels")
        self.backbone = backbone if space == "features" else None
        self.space = space
        self.distance = distance
        self.neighbors = neighbors

    def embed(self, images: Tensor) -> Tensor:
        if self.backbone is None:
            return images.flatten(1)  # (n, channels * height * width)
        return self.backbone(images)  # (n, dim)

    def adapt(self, support: Examples) -> Predictor:
        k = min(self.neighbors, len(support.x))
        votes = 1 + 0.5 ** torch.arange(1, k + 1, device=support.x.device)  # (k,)

        def predict(x: Tensor) -> Tensor:
            nearest = self.similarities(x, support.x).topk(k).indices  # (m, k)
            classes = one_hot(support.y[nearest], support.ways).to(x)  # (m, k, ways)
            return votes.to(x) @ classes  # (m, ways)

        return predict

    def similarities(self, x: Tensor, y: Tensor) -> Tensor:
        """Return a number `(m, n)` for each pair that is larger the nearer the two are."""
        if self.distance == "cosine":
            return cosines(x, y)
        return -squared_distances(x, y)

    def losses(self, source: Source) -> Iterator[Tensor]:  # noqa: ARG002 - nothing is trained here
        return iter(())

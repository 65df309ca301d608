"""Nearest neighbours: the class of the support images nearest to a query, by pixels or by features.

Cover, Hart: Nearest neighbor pattern classification, IEEE Transactions on Information Theory 13, 1967. In
pixels it learns nothing, and is the floor of a table; in features of a trained classifier it is the first
baseline of Ravi, Larochelle: Optimization as a Model for Few-Shot Learning, ICLR 2017.

Each of the k nearest has one vote. A tie goes to the class of the nearer ones: the r-th adds 2^-r to its
vote, which all together stay below one vote. Scores are votes, so their softmax says nothing of certainty.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from torch import Tensor

from workbench import AtLeast, Backbone, Examples, Learner, Predictor, Source
from workbench.functional import cosines, one_hot, squared_distances


class NearestNeighbor(Learner):
    """Classify by the nearest support images."""

    batched = True
    episodic = False

    def __init__(
        self,
        backbone: Backbone,
        *,
        space: Annotated[Literal["features", "pixels"], "what is compared"] = "features",
        distance: Annotated[
            Literal["euclidean", "cosine"], "by distance, or by angle"
        ] = "euclidean",
        neighbors: Annotated[int, "how many of the nearest vote", AtLeast(1)] = 1,
    ):
        super().__init__()
        self.backbone = backbone
        self.space = space
        self.distance = distance
        self.neighbors = neighbors

    def embed(self, images: Tensor) -> Tensor:
        return self.backbone(images) if self.space == "features" else images.flatten(1)  # (n, dim)

    def adapt(self, support: Examples) -> Predictor:
        nearest = min(self.neighbors, len(support.x))
        votes = 1 + 0.5 ** torch.arange(1, nearest + 1, device=support.x.device)  # (nearest,)

        def predict(x: Tensor) -> Tensor:
            near = (
                cosines(x, support.x)
                if self.distance == "cosine"
                else -squared_distances(x, support.x)
            )  # (m, n)
            classes = support.y[near.topk(nearest).indices]  # (m, nearest)
            return votes.to(x) @ one_hot(classes, support.ways).to(x)  # (m, ways)

        return predict

    def losses(self, source: Source) -> Iterator[Tensor]:  # noqa: ARG002 - the backbone is trained already
        return iter(())

"""Relation networks.

Sung, Yang, Zhang, Xiang, Torr, Hospedales: Learning to Compare: Relation Network for Few-Shot
Learning, CVPR 2018, arXiv 1711.06025.

A class is the sum of its support's feature maps. Beside a query's maps it goes through the relation
module: two blocks of convolution, normalisation, pooling, ReLU, and layers of 8 and 1. Its sigmoid r
(equation 1) is trained by squared error to 1 for the query's class, else 0 (equation 2). A score is r
before the sigmoid. The first convolution is linear: classes and queries pass it apart and are added.

The authors' code normalises by the batch always: support alone, queries together, all pairs together.
That is `norm=batch` here, transductive; by default running averages are used at test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench import (
    AtLeast,
    Backbone,
    Examples,
    Learner,
    Predictor,
    Source,
    query_loss,
    uses_batch_statistics,
)
from workbench.functional import one_hot


class Relation(Learner):
    """Learn to compare: a network judges how well a query's feature maps go with a class's."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        norm: Annotated[
            Literal["running", "batch"],
            "normalisation of pairs: running averages at test, or the batch's own statistics always (transductive)",
        ] = "running",
        padding: Annotated[
            int,
            "of maps in the relation module; the authors: 1 at 28 x 28, 0 at 84 x 84",
            AtLeast(0),
        ] = 1,
    ):
        super().__init__()
        self.backbone = backbone
        self.norm = norm
        self.padding = padding
        self.maps_shape: tuple[int, int, int] = getattr(
            backbone, "maps_shape", (backbone.dim, 1, 1)
        )
        channels, *sides = self.maps_shape
        self.first, second = (
            nn.Conv2d(inputs, channels, 3, padding=padding) for inputs in (2 * channels, channels)
        )
        layers: list[nn.Module] = []
        for convolution in (self.first, second):
            sides = [side + 2 * padding - 2 for side in sides]
            if min(sides) < 1:
                raise ValueError(
                    f"maps of {self.maps_shape[1]} x {self.maps_shape[2]} need padding=1"
                )
            pool = min(sides[0], 2), min(sides[1], 2)  # maps of 1 x 1 stay
            normal = nn.BatchNorm2d(channels, track_running_stats=norm == "running")
            layers += [convolution, normal, nn.MaxPool2d(pool), nn.ReLU()]
            sides = [side // by for side, by in zip(sides, pool, strict=True)]
        layers += [
            nn.Flatten(),
            nn.Linear(channels * sides[0] * sides[1], 8),
            nn.ReLU(),
            nn.Linear(8, 1),
        ]
        self.rest = nn.Sequential(*layers[1:])
        self.by_batch = uses_batch_statistics(backbone)
        self.transductive = norm == "batch" or self.by_batch

    def embed(self, images: Tensor) -> Tensor:
        return images if self.by_batch else self._maps(images)  # (n, channels, height, width)

    def adapt(self, support: Examples) -> Predictor:
        maps = self._maps if self.by_batch else nn.Identity()
        for_class, for_query = self.first.weight.chunk(2, 1)
        members = one_hot(support.y, support.ways).to(support.x).mT  # (ways, n)
        sums = (members @ maps(support.x).flatten(1)).unflatten(
            1, self.maps_shape
        )  # (ways, channels, height, width)
        classes = F.conv2d(sums, for_class, self.first.bias, padding=self.padding)

        def predict(x: Tensor) -> Tensor:
            pairs = (
                F.conv2d(maps(x), for_query, padding=self.padding)[:, None] + classes
            )  # (m, ways, channels, ...)
            scores = self.rest(pairs.flatten(0, 1)).view(pairs.shape[:2])  # (m, ways)
            return torch.where(
                members.sum(-1) > 0, scores, -torch.inf
            )  # a class not met yet is never meant

        return predict

    def losses(self, source: Source) -> Iterator[Tensor]:
        return (query_loss(self, tasks, squared_error) for tasks in source.tasks())

    def _maps(self, images: Tensor) -> Tensor:
        maps: Tensor = self.backbone(images).unflatten(1, self.maps_shape)
        return maps


def squared_error(scores: Tensor, y: Tensor) -> Tensor:
    """Equation 2: scores `(m, ways)`, labels `(m,)`."""
    return F.mse_loss(scores.sigmoid(), one_hot(y, scores.shape[-1]).to(scores))

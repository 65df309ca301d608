"""Relation networks.

Sung, Yang, Zhang, Xiang, Torr, Hospedales: Learning to Compare: Relation Network for Few-Shot
Learning, CVPR 2018, arXiv 1711.06025.

The feature maps of a class are the sum of its support's feature maps. They are concatenated with
the maps of a query, and the relation module turns the pair into the relation score r (equation 1):
two blocks of convolution, normalisation, max pooling and ReLU, then layers of 8 and 1 units and a
sigmoid. The loss is the squared error between r and 1 for the query's class, 0 for all others
(equation 2). A score is r before the sigmoid.

The first convolution is linear, so classes and queries pass through their halves of it separately,
and the results are added for each pair. This gives the same numbers with less work.

What differs: the authors' code always normalises by batch statistics, over the support, the
queries, and all pairs. `norm=batch` does the same and is transductive. The default uses running
averages at test.
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
    """Learn to compare: a network scores how well a query's feature maps match those of a class."""

    cross_entropy = False  # a squared error
    equivariant = True

    def __init__(
        self,
        backbone: Backbone,
        *,
        norm: Annotated[
            Literal["running", "batch"],
            "normalisation in the relation module: running averages at test, "
            "or always the batch's own statistics (transductive)",
        ] = "running",
        padding: Annotated[
            int,
            "padding in the relation module; the authors use 1 at 28 x 28 and 0 at 84 x 84",
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
        channels, height, width = self.maps_shape
        self.first = nn.Conv2d(2 * channels, channels, 3, padding=padding)
        second = nn.Conv2d(channels, channels, 3, padding=padding)
        layers: list[nn.Module] = []
        for convolution in (self.first, second):
            height += 2 * padding - 2
            width += 2 * padding - 2
            if min(height, width) < 1:
                raise ValueError(
                    f"maps of {self.maps_shape[1]} x {self.maps_shape[2]} need padding=1"
                )
            pool = (min(height, 2), min(width, 2))  # maps of 1 x 1 are not pooled
            normalisation = nn.BatchNorm2d(channels, track_running_stats=norm == "running")
            layers += [convolution, normalisation, nn.MaxPool2d(pool), nn.ReLU()]
            height //= pool[0]
            width //= pool[1]
        layers += [nn.Flatten(), nn.Linear(channels * height * width, 8)]
        layers += [nn.ReLU(), nn.Linear(8, 1)]
        self.rest = nn.Sequential(*layers[1:])  # all but the first convolution
        self.by_batch = uses_batch_statistics(backbone)
        self.transductive = norm == "batch" or self.by_batch

    def embeds(self) -> bool:
        return not self.by_batch  # features that depend on the batch are computed in `adapt`

    def embed(self, images: Tensor) -> Tensor:
        return self._maps(images) if self.embeds() else images  # (n, channels, height, width)

    def adapt(self, support: Examples) -> Predictor:
        maps = self._maps if self.by_batch else nn.Identity()
        for_class, for_query = self.first.weight.chunk(2, 1)
        members = one_hot(support.y, support.ways).to(support.x).mT  # (ways, n)
        sums = members @ maps(support.x).flatten(1)
        sums = sums.unflatten(1, self.maps_shape)  # (ways, channels, height, width)
        classes = F.conv2d(sums, for_class, self.first.bias, padding=self.padding)

        def predict(x: Tensor) -> Tensor:
            queries = F.conv2d(maps(x), for_query, padding=self.padding)  # (m, channels, ...)
            pairs = queries[:, None] + classes  # (m, ways, channels, ...)
            scores = self.rest(pairs.flatten(0, 1)).view(pairs.shape[:2])  # (m, ways)
            # A class without support images is never predicted.
            return torch.where(members.sum(-1) > 0, scores, -torch.inf)

        return predict

    def losses(self, source: Source) -> Iterator[Tensor]:
        for tasks in source.tasks():
            yield query_loss(self, tasks, squared_error)

    def _maps(self, images: Tensor) -> Tensor:
        maps: Tensor = self.backbone(images).unflatten(1, self.maps_shape)
        return maps


def squared_error(scores: Tensor, y: Tensor) -> Tensor:
    """Return equation 2, the mean squared error of scores `(m, ways)` for labels `(m,)`."""
    return F.mse_loss(scores.sigmoid(), one_hot(y, scores.shape[-1]).to(scores))

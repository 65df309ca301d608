"""Four convolution blocks, the backbone of the first few-shot papers.

Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra: Matching Networks for One Shot Learning, NeurIPS
2016, arXiv 1606.04080 (max pooling); Finn, Abbeel, Levine: Model-Agnostic Meta-Learning, ICML 2017,
arXiv 1703.03400 (strides instead of pooling on Omniglot, 32 channels on miniImageNet); Sung, Yang,
Zhang, Xiang, Torr, Hospedales: Learning to Compare, CVPR 2018, arXiv 1711.06025 (two blocks halve).

A block is convolution 3 x 3, normalisation, max pooling, ReLU. The papers write ReLU before pooling;
maximum and ReLU commute, and this order does a quarter of the work.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from workbench import AtLeast, Backbone
from workbench.functional import batch_norm


class BatchStatistics(nn.Module):
    """Normalise by the batch's own statistics, in training and at test; nothing is tracked."""

    batch_statistics = True  # what comes out for one image depends on the others

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return batch_norm(x, self.weight, self.bias)


class Conv4(Backbone):
    """Four blocks of 3 x 3 convolution: images in 0..1 to features `(n, dim)`, 64 of them at 28 x 28."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        width: Annotated[int, "channels of each block", AtLeast(1)] = 64,
        norm: Annotated[
            Literal["running", "batch", "group"],
            "normalisation: running averages at test, the batch's own statistics always (transductive), or groups",
        ] = "running",
        pooling: Annotated[
            Literal["max", "stride"],
            "halve by 2 x 2 max pooling, or by strides and then a mean over space",
        ] = "max",
        pooled: Annotated[
            int, "the first so many blocks halve the maps; 2 for relation networks", AtLeast(0)
        ] = 4,
        unpadded: Annotated[
            int, "the first so many blocks do not pad; 2 in relation networks' code", AtLeast(0)
        ] = 0,
    ):
        super().__init__()
        self.width = width
        self.norm = norm
        self.pooling = pooling
        self.pooled = pooled
        self.unpadded = unpadded
        channels, *sides = image_shape
        blocks: list[nn.Module] = []
        for number, inputs in enumerate((channels, width, width, width)):
            factor, padding = 2 if number < pooled else 1, 0 if number < unpadded else 1
            blocks.append(
                nn.Conv2d(
                    inputs, width, 3, padding=padding, stride=factor if pooling == "stride" else 1
                )
            )
            blocks.append(normalisation(norm, width))
            blocks += (
                [nn.MaxPool2d(2), nn.ReLU()] if pooling == "max" and factor == 2 else [nn.ReLU()]
            )
            sides = [max(side + 2 * padding - 2, 0) for side in sides]
            sides = [side // factor if pooling == "max" else -(-side // factor) for side in sides]
        self.blocks = nn.Sequential(*blocks)
        height, wide = sides if pooling == "max" else (min(side, 1) for side in sides)
        self.maps_shape = width, height, wide  # of the maps that a feature is made of
        self.dim = width * height * wide
        self.to(memory_format=torch.channels_last)  # twice as fast on a CPU

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(x)  # (n, width, height / 16, width / 16), or as many as blocks halve
        return x.mean((-2, -1)) if self.pooling == "stride" else x.flatten(1)


def normalisation(norm: str, channels: int) -> nn.Module:
    """The module that a backbone's option `norm` names."""
    if norm == "group":
        return nn.GroupNorm(8, channels)
    return BatchStatistics(channels) if norm == "batch" else nn.BatchNorm2d(channels)

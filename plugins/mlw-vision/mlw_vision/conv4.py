"""Four convolution blocks, the backbone of the first few-shot papers.

Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra: Matching Networks for One Shot Learning,
NeurIPS 2016, arXiv 1606.04080 (max pooling). Finn, Abbeel, Levine: Model-Agnostic Meta-Learning,
ICML 2017, arXiv 1703.03400 (strides instead of pooling on Omniglot, 32 channels on miniImageNet).
Sung, Yang, Zhang, Xiang, Torr, Hospedales: Learning to Compare, CVPR 2018, arXiv 1711.06025
(pooling in two blocks). Rajeswaran, Finn, Kakade, Levine: Meta-Learning with Implicit Gradients,
NeurIPS 2019, arXiv 1909.04630 (strides, and the whole of the last maps: 256 numbers at 28 x 28).

A block is a 3 x 3 convolution, normalisation, max pooling and ReLU. The papers apply ReLU before
pooling. Maximum and ReLU commute, and this order needs a quarter of the work.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from mlw_vision.colours import Normalise, colours
from workbench import AtLeast, Backbone
from workbench.functional import batch_norm


class BatchStatistics(nn.Module):
    """Normalise by the batch's own statistics, in training and at test; nothing is tracked."""

    batch_statistics = True  # the output for one image depends on the other images

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return batch_norm(x, self.weight, self.bias)


class Conv4(Backbone):
    """Four blocks of 3 x 3 convolution: images in 0..1 to features `(n, dim)`, 64 at 28 x 28."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        width: Annotated[int, "channels of each block", AtLeast(1)] = 64,
        norm: Annotated[
            Literal["running", "batch", "group"],
            "normalisation: running averages at test, always the batch's own statistics "
            "(transductive), or groups",
        ] = "running",
        pooling: Annotated[
            Literal["max", "stride", "stride-whole"],
            "max: 2 x 2 max pooling; stride: strided convolutions, and a mean over space at last; "
            "stride-whole: without the mean",
        ] = "max",
        pooled: Annotated[
            int,
            "how many blocks, from the first, halve the maps; 2 for relation networks",
            AtLeast(0),
        ] = 4,
        unpadded: Annotated[
            int,
            "how many blocks, from the first, use no padding; 2 in the code of relation networks",
            AtLeast(0),
        ] = 0,
        normalise: Normalise = "none",
    ):
        super().__init__()
        self.width = width
        self.norm = norm
        self.pooling = pooling
        self.strided = pooling != "max"
        self.pooled = pooled
        self.unpadded = unpadded
        self.normalise = normalise
        self.colours = colours(normalise, image_shape[0])
        inputs, *sides = image_shape
        blocks: list[nn.Module] = []
        for number in range(4):
            factor = 2 if number < pooled else 1
            padding = 0 if number < unpadded else 1
            blocks += self._block(inputs, factor, padding)
            sides = [self._side_after(side, factor, padding) for side in sides]
            inputs = width
        self.blocks = nn.Sequential(*blocks)
        if pooling == "stride":
            sides = [min(side, 1) for side in sides]  # the mean over space
        height, wide = sides
        self.maps_shape = (width, height, wide)  # of the maps that a feature consists of
        self.dim = width * height * wide
        self.to(memory_format=torch.channels_last)  # twice as fast on a CPU

    def forward(self, x: Tensor) -> Tensor:
        x = self.colours(x)
        x = self.blocks(x)  # (n, width, height / 16, width / 16), if all blocks halve the maps
        if self.pooling == "stride":
            return x.mean((-2, -1))
        return x.flatten(1)

    def _block(self, inputs: int, factor: int, padding: int) -> list[nn.Module]:
        """Return the layers of a block that divides the sides of the maps by `factor`."""
        stride = factor if self.strided else 1
        convolution = nn.Conv2d(inputs, self.width, 3, padding=padding, stride=stride)
        layers = [convolution, normalisation(self.norm, self.width)]
        if factor == 2 and not self.strided:
            layers.append(nn.MaxPool2d(2))
        return [*layers, nn.ReLU()]

    def _side_after(self, side: int, factor: int, padding: int) -> int:
        """Return the height or width of the maps after a block; 0 if the maps are too small."""
        side = max(side + 2 * padding - 2, 0)  # after the convolution
        if self.strided:
            return -(-side // factor)  # strides round up
        return side // factor


def normalisation(norm: str, channels: int) -> nn.Module:
    """Return the layer for a value of the option `norm`."""
    if norm == "group":
        return nn.GroupNorm(8, channels)
    if norm == "batch":
        return BatchStatistics(channels)
    return nn.BatchNorm2d(channels)

"""Residual networks of 10 and 18 layers.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv 1512.03385: `resnet18`, two
basic blocks a stage, 64 to 512 channels. Chen, Liu, Kira, Wang, Huang: A Closer Look at Few-shot Classification, ICLR
2019, arXiv 1904.04232: `resnet10`, one block a stage, also the network of the cross-domain benchmark (Guo et al.,
ECCV 2020, arXiv 1912.07200).

A block is f(main(x) + shortcut(x)), the shortcut x itself, or a 1 x 1 convolution where the shape changes.

First layers of `resnet10` and `resnet18`: "large" is He's, 7 x 7 with stride 2 and 3 x 3 max pooling, for 224 x 224;
"medium" is 5 x 5 with stride 2 (URL and TSA, 84 x 84); "small" is 3 x 3 with neither (SimpleShot, 84 x 84),
thirteen times the work of "large". First weights are He's, of variance 2 / (outputs * kernel area).

Maps are averaged over space at the end.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from mlw_vision.conv4 import normalisation
from workbench import Backbone

LARGE = 96  # pixels a side from which on the first layer is the large one
Shape = tuple[int, int, int]  # channels, height, width
Norm = Annotated[
    Literal["running", "batch", "group"],
    "normalisation: running averages at test, the batch's own statistics always (transductive), or groups",
]
Stem = Annotated[
    Literal["auto", "large", "medium", "small"],
    "first layer: 7 x 7, stride 2, pooling; 5 x 5, stride 2; 3 x 3. auto: large from 96 pixels a side on, else small",
]
Pool = Annotated[bool, "a feature is the means of the last maps; false: the maps, whole"]


class ResNet10(Backbone):
    """Four basic blocks: images in 0..1 to features `(n, 512)`."""

    def __init__(
        self, image_shape: Shape, *, norm: Norm = "running", stem: Stem = "auto", pool: Pool = True
    ):
        super().__init__()
        self.norm = norm
        self.stem = stem
        self.pool = pool
        self.blocks, whole = _basic_blocks(image_shape, 1, norm, stem)
        self.maps_shape, self.dim = begin(self, whole, pool)

    def forward(self, x: Tensor) -> Tensor:
        return features(self.blocks(x), self.pool)


class ResNet18(Backbone):
    """Eight basic blocks: images in 0..1 to features `(n, 512)`."""

    def __init__(
        self, image_shape: Shape, *, norm: Norm = "running", stem: Stem = "auto", pool: Pool = True
    ):
        super().__init__()
        self.norm = norm
        self.stem = stem
        self.pool = pool
        self.blocks, whole = _basic_blocks(image_shape, 2, norm, stem)
        self.maps_shape, self.dim = begin(self, whole, pool)

    def forward(self, x: Tensor) -> Tensor:
        return features(self.blocks(x), self.pool)


class Residual(nn.Module):
    """f(main(x) + shortcut(x))."""

    def __init__(self, main: nn.Module, shortcut: nn.Module, f: nn.Module):
        super().__init__()
        self.main = main
        self.shortcut = shortcut
        self.f = f

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.f(self.main(x) + self.shortcut(x))
        return y


def _basic_blocks(
    image_shape: Shape, each: int, norm: str, stem: str
) -> tuple[nn.Sequential, Shape]:
    """The first layer and so many blocks in each of four stages; and the shape of the last maps."""
    inputs, *sides = image_shape
    stem = ("large" if min(sides) >= LARGE else "small") if stem == "auto" else stem
    kernel, stride, padding = {"large": (7, 2, 3), "medium": (5, 2, 1), "small": (3, 1, 1)}[stem]
    first = nn.Conv2d(inputs, 64, kernel, stride, padding, bias=False)
    pooling = [nn.MaxPool2d(3, 2, 1)] if stem == "large" else []
    blocks: list[nn.Module] = [nn.Sequential(first, normalisation(norm, 64), nn.ReLU(), *pooling)]
    inputs = 64
    for outputs in (64, 128, 256, 512):
        for number in range(each):
            blocks.append(
                _basic_block(inputs, outputs, norm, stride=2 if number == 0 and outputs > 64 else 1)
            )
            inputs = outputs
    halved = 2 ** (4 if pooling else 3)  # by what follows the convolution; odd sides are rounded up
    height, width = (-(-((side + 2 * padding - kernel) // stride + 1) // halved) for side in sides)
    return nn.Sequential(*blocks), (inputs, height, width)


def _basic_block(inputs: int, outputs: int, norm: str, stride: int) -> Residual:
    first = [convolution(inputs, outputs, 3, stride), normalisation(norm, outputs), nn.ReLU()]
    second = [convolution(outputs, outputs, 3), normalisation(norm, outputs)]
    return Residual(
        nn.Sequential(*first, *second), shortcut(inputs, outputs, norm, stride), nn.ReLU()
    )


def shortcut(inputs: int, outputs: int, norm: str, stride: int = 1) -> nn.Module:
    """x itself, or a 1 x 1 convolution where the shape changes."""
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(convolution(inputs, outputs, 1, stride), normalisation(norm, outputs))


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the sides of maps, or divides them by the stride; normalisation brings the bias."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def begin(network: nn.Module, whole: Shape, pool: bool) -> tuple[Shape, int]:
    """Draw first weights; return the shape of the maps that a feature is made of, and its length."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
    network.to(memory_format=torch.channels_last)  # faster on a CPU
    channels, height, width = whole
    if pool:
        height, width = min(height, 1), min(width, 1)  # 0: the images are too small
    return (channels, height, width), channels * height * width


def features(maps: Tensor, pool: bool) -> Tensor:
    """Maps `(n, channels, height, width)` as features, averaged over space or whole."""
    return maps.mean((-2, -1)) if pool else maps.flatten(1)  # (n, dim)

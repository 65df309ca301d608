"""Residual networks of 10 and 18 layers.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv 1512.03385:
`resnet18`, with two basic blocks per stage and 64 to 512 channels. Chen, Liu, Kira, Wang, Huang: A
Closer Look at Few-shot Classification, ICLR 2019, arXiv 1904.04232: `resnet10`, with one block per
stage. It is also the network of the cross-domain benchmark (Guo et al., ECCV 2020, arXiv
1912.07200).

A block computes f(main(x) + shortcut(x)). The shortcut is x itself, or a 1 x 1 convolution where
the shape changes.

First layers, `stem`: "large" is He's, 7 x 7 with stride 2 and 3 x 3 max pooling, for 224 x 224.
"medium" is 5 x 5 with stride 2 (URL and TSA, 84 x 84). "small" is 3 x 3 with stride 1 and without
pooling (SimpleShot, 84 x 84); it needs thirteen times the work of "large". Initial weights are
He's, with variance 2 / (outputs * kernel area). At the end, maps are averaged over space.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from mlw_vision.colours import Normalise, colours
from mlw_vision.conv4 import normalisation
from workbench import Backbone

LARGE = 96  # pixels per side from which `stem=auto` is large
STEMS = {"large": (7, 2, 3), "medium": (5, 2, 1), "small": (3, 1, 1)}  # kernel, stride, padding
Shape = tuple[int, int, int]  # channels, height, width
Norm = Annotated[
    Literal["running", "batch", "group"],
    "normalisation: running averages at test, always the batch's own statistics (transductive), "
    "or groups",
]
Stem = Annotated[
    Literal["auto", "large", "medium", "small"],
    "first layer: 7 x 7, stride 2, pooling; 5 x 5, stride 2; or 3 x 3. "
    "auto: large from 96 pixels per side, otherwise small",
]
Pool = Annotated[bool, "a feature is the mean of each of the last maps; false: the whole maps"]


class ResNet10(Backbone):
    """Four basic blocks: images in 0..1 to features `(n, 512)`."""

    def __init__(
        self,
        image_shape: Shape,
        *,
        norm: Norm = "running",
        stem: Stem = "auto",
        pool: Pool = True,
        normalise: Normalise = "none",
    ):
        super().__init__()
        self.norm = norm
        self.stem = stem
        self.pool = pool
        self.normalise = normalise
        self.colours = colours(normalise, image_shape[0])
        self.blocks, last_shape = _basic_blocks(image_shape, 1, norm, stem)
        self.maps_shape, self.dim = initialise(self, last_shape, pool)

    def forward(self, x: Tensor) -> Tensor:
        return features(self.blocks(self.colours(x)), self.pool)


class ResNet18(Backbone):
    """Eight basic blocks: images in 0..1 to features `(n, 512)`."""

    def __init__(
        self,
        image_shape: Shape,
        *,
        norm: Norm = "running",
        stem: Stem = "auto",
        pool: Pool = True,
        normalise: Normalise = "none",
    ):
        super().__init__()
        self.norm = norm
        self.stem = stem
        self.pool = pool
        self.normalise = normalise
        self.colours = colours(normalise, image_shape[0])
        self.blocks, last_shape = _basic_blocks(image_shape, 2, norm, stem)
        self.maps_shape, self.dim = initialise(self, last_shape, pool)

    def forward(self, x: Tensor) -> Tensor:
        return features(self.blocks(self.colours(x)), self.pool)


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
    image_shape: Shape, per_stage: int, norm: str, stem: str
) -> tuple[nn.Sequential, Shape]:
    """Return the stem and the blocks of four stages, and the shape of the last maps."""
    channels, height, width = image_shape
    if stem == "auto":
        stem = "large" if min(height, width) >= LARGE else "small"
    blocks = [_stem(channels, norm, stem)]
    height = _side_after(height, stem)
    width = _side_after(width, stem)
    inputs = 64
    for outputs in (64, 128, 256, 512):
        for number in range(per_stage):
            halves = number == 0 and outputs > 64
            blocks.append(_basic_block(inputs, outputs, norm, stride=2 if halves else 1))
            inputs = outputs
    return nn.Sequential(*blocks), (inputs, height, width)


def _stem(channels: int, norm: str, stem: str) -> nn.Module:
    kernel, stride, padding = STEMS[stem]
    convolution = nn.Conv2d(channels, 64, kernel, stride, padding, bias=False)
    layers = [convolution, normalisation(norm, 64), nn.ReLU()]
    if stem == "large":
        layers.append(nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(*layers)


def _side_after(side: int, stem: str) -> int:
    """Return the height or width of the last maps for an image of this side length."""
    kernel, stride, padding = STEMS[stem]
    side = (side + 2 * padding - kernel) // stride + 1
    factor = 16 if stem == "large" else 8  # pooling and three of the stages halve the maps
    return -(-side // factor)  # rounded up


def _basic_block(inputs: int, outputs: int, norm: str, stride: int) -> Residual:
    main = nn.Sequential(
        convolution(inputs, outputs, 3, stride),
        normalisation(norm, outputs),
        nn.ReLU(),
        convolution(outputs, outputs, 3),
        normalisation(norm, outputs),
    )
    return Residual(main, shortcut(inputs, outputs, norm, stride), nn.ReLU())


def shortcut(inputs: int, outputs: int, norm: str, stride: int = 1) -> nn.Module:
    """Return the identity, or a 1 x 1 convolution where the shape changes."""
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(convolution(inputs, outputs, 1, stride), normalisation(norm, outputs))


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution that divides the sides of maps by the stride.

    It has no bias, because a normalisation with a bias follows.
    """
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def initialise(network: nn.Module, last_shape: Shape, pool: bool) -> tuple[Shape, int]:
    """Draw the initial weights of a network.

    Args:
        last_shape: of the last maps.

    Returns:
        The shape of the maps that a feature consists of, and the length of a feature.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
    network.to(memory_format=torch.channels_last)  # faster on a CPU
    channels, height, width = last_shape
    if pool:
        height = min(height, 1)  # 0: the images are too small
        width = min(width, 1)
    return (channels, height, width), channels * height * width


def features(maps: Tensor, pool: bool) -> Tensor:
    """Turn maps `(n, channels, height, width)` into features `(n, dim)`, averaged or whole."""
    if pool:
        return maps.mean((-2, -1))
    return maps.flatten(1)

"""Residual networks of 10, 12 and 18 layers.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, arXiv 1512.03385: `resnet18`, two
basic blocks a stage, 64 to 512 channels. Chen, Liu, Kira, Wang, Huang: A Closer Look at Few-shot Classification, ICLR
2019, arXiv 1904.04232: `resnet10`, one block a stage, also the network of the cross-domain benchmark (Guo et al.,
ECCV 2020, arXiv 1912.07200). Lee, Maji, Ravichandran, Soatto: Meta-Learning with Differentiable Convex Optimization,
CVPR 2019, arXiv 1904.03758 (MetaOptNet): `resnet12`, three convolutions a block, 64-160-320-640 channels, leaky ReLU,
max pooling, DropBlock (Ghiasi, Lin, Le, NeurIPS 2018, arXiv 1810.12890).

A block is f(main(x) + shortcut(x)), the shortcut x itself, or a 1 x 1 convolution where the shape changes.

First layers of `resnet10` and `resnet18`: "large" is He's, 7 x 7 with stride 2 and 3 x 3 max pooling, for 224 x 224;
"medium" is 5 x 5 with stride 2 (URL and TSA, 84 x 84); "small" is 3 x 3 with neither (SimpleShot, 84 x 84),
thirteen times the work of "large". First weights are He's, of variance 2 / (outputs * kernel area).

Maps are averaged over space at the end; MetaOptNet's code keeps them whole, `resnet12:pool=false`. It drops single
entries after the first two blocks, and squares after the other two by a rate that grows over 40,000 batches.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlw_vision.conv4 import normalisation as normalisation
from workbench import Backbone

LARGE = 96  # pixels a side from which on the first layer is the large one
SLOPE = 0.1  # of leaky ReLUs below 0
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

    def __init__(self, image_shape: Shape, *, norm: Norm = "running", stem: Stem = "auto", pool: Pool = True):
        super().__init__()
        self.norm = norm
        self.stem = stem
        self.pool = pool
        self.blocks, whole = _basic_blocks(image_shape, 1, norm, stem)
        self.maps_shape, self.dim = _begin(self, whole, pool)

    def forward(self, x: Tensor) -> Tensor:
        return _features(self.blocks(x), self.pool)


class ResNet18(Backbone):
    """Eight basic blocks: images in 0..1 to features `(n, 512)`."""

    def __init__(self, image_shape: Shape, *, norm: Norm = "running", stem: Stem = "auto", pool: Pool = True):
        super().__init__()
        self.norm = norm
        self.stem = stem
        self.pool = pool
        self.blocks, whole = _basic_blocks(image_shape, 2, norm, stem)
        self.maps_shape, self.dim = _begin(self, whole, pool)

    def forward(self, x: Tensor) -> Tensor:
        return _features(self.blocks(x), self.pool)


class ResNet12(Backbone):
    """Four blocks of three convolutions, each of which halves the maps: images in 0..1 to features `(n, 640)`."""

    def __init__(
        self,
        image_shape: Shape,
        *,
        norm: Norm = "running",
        pool: Pool = True,
        drop: Annotated[float, "part of the maps that training drops; 0.1 in MetaOptNet"] = 0.0,
        square: Annotated[int, "pixels a side of what DropBlock drops; 2 for CIFAR in MetaOptNet"] = 5,
        ramp: Annotated[int, "batches over which DropBlock's rate grows; 0: it is whole at once"] = 40_000,
    ):
        super().__init__()
        self.norm = norm
        self.pool = pool
        self.drop = drop
        self.square = square
        self.ramp = ramp
        inputs, height, width = image_shape
        blocks: list[nn.Module] = []
        for outputs in (64, 160, 320, 640):
            dropping: nn.Module = nn.Identity()
            if drop > 0:
                dropping = nn.Dropout(drop) if outputs < 320 else DropBlock(drop, square, ramp)
            blocks.append(_threefold_block(inputs, outputs, norm, dropping))
            inputs, height, width = outputs, height // 2, width // 2
        self.blocks = nn.Sequential(*blocks)
        self.maps_shape, self.dim = _begin(self, (inputs, height, width), pool)

    def forward(self, x: Tensor) -> Tensor:
        return _features(self.blocks(x), self.pool)


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


class DropBlock(nn.Module):
    """In training, squares in maps `(n, channels, height, width)` become 0: about `rate` of the area."""

    batches: Tensor  # met in training

    def __init__(self, rate: float, square: int, ramp: int):
        super().__init__()
        self.rate = rate
        self.square = square
        self.ramp = ramp
        self.register_buffer("batches", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        self.batches += 1
        rate = self.rate * (self.batches / max(self.ramp, 1)).clamp(max=1)
        *stack, height, width = x.shape
        side = min(self.square, height, width)
        down, across = height - side + 1, width - side + 1  # places for the corner of a square
        corners = torch.rand(*stack, down, across, device=x.device) < rate * height * width / (side**2 * down * across)
        kept = 1 - F.max_pool2d(F.pad(corners.to(x.dtype), [side - 1] * 4), side, stride=1)  # like x
        return x * kept * (kept.numel() / kept.sum().clamp_min(1))  # the mean stays


def _basic_blocks(image_shape: Shape, each: int, norm: str, stem: str) -> tuple[nn.Sequential, Shape]:
    """The first layer and so many blocks in each of four stages; and the shape of the last maps."""
    inputs, *sides = image_shape
    stem = ("large" if min(sides) >= LARGE else "small") if stem == "auto" else stem
    kernel, stride, padding = {"large": (7, 2, 3), "medium": (5, 2, 1), "small": (3, 1, 1)}[stem]
    convolution = nn.Conv2d(inputs, 64, kernel, stride, padding, bias=False)
    pooling = [nn.MaxPool2d(3, 2, 1)] if stem == "large" else []
    blocks: list[nn.Module] = [nn.Sequential(convolution, normalisation(norm, 64), nn.ReLU(), *pooling)]
    inputs = 64
    for outputs in (64, 128, 256, 512):
        for number in range(each):
            blocks.append(_basic_block(inputs, outputs, norm, stride=2 if number == 0 and outputs > 64 else 1))
            inputs = outputs
    halved = 2 ** (4 if pooling else 3)  # by what follows the convolution; odd sides are rounded up
    height, width = (-(-((side + 2 * padding - kernel) // stride + 1) // halved) for side in sides)
    return nn.Sequential(*blocks), (inputs, height, width)


def _basic_block(inputs: int, outputs: int, norm: str, stride: int) -> Residual:
    first = [_convolution(inputs, outputs, 3, stride), normalisation(norm, outputs), nn.ReLU()]
    second = [_convolution(outputs, outputs, 3), normalisation(norm, outputs)]
    return Residual(nn.Sequential(*first, *second), _shortcut(inputs, outputs, norm, stride), nn.ReLU())


def _threefold_block(inputs: int, outputs: int, norm: str, dropping: nn.Module) -> Residual:
    layers: list[nn.Module] = []
    for number in range(3):
        layers += [_convolution(inputs if number == 0 else outputs, outputs, 3), normalisation(norm, outputs)]
        layers += [nn.LeakyReLU(SLOPE)] if number < 2 else []
    after = nn.Sequential(nn.LeakyReLU(SLOPE), nn.MaxPool2d(2), dropping)
    return Residual(nn.Sequential(*layers), _shortcut(inputs, outputs, norm), after)


def _shortcut(inputs: int, outputs: int, norm: str, stride: int = 1) -> nn.Module:
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return nn.Sequential(_convolution(inputs, outputs, 1, stride), normalisation(norm, outputs))


def _convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def _begin(network: nn.Module, whole: Shape, pool: bool) -> tuple[Shape, int]:
    """Draw first weights; return the shape of the maps that a feature is made of, and its length."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
    network.to(memory_format=torch.channels_last)  # faster on a CPU
    channels, height, width = whole
    if pool:
        height, width = min(height, 1), min(width, 1)  # 0: the images are too small
    return (channels, height, width), channels * height * width


def _features(maps: Tensor, pool: bool) -> Tensor:
    return maps.mean((-2, -1)) if pool else maps.flatten(1)  # (n, dim)

"""ResNet-12, the residual network that few-shot papers use most.

Lee, Maji, Ravichandran, Soatto: Meta-Learning with Differentiable Convex Optimization, CVPR 2019,
arXiv 1904.03758 (MetaOptNet): three convolutions per block, 64-160-320-640 channels, leaky ReLU,
max pooling, and DropBlock (Ghiasi, Lin, Le, NeurIPS 2018, arXiv 1810.12890).

Maps are averaged over space at the end. MetaOptNet's code keeps the whole maps, `pool=false`. It
drops single entries after the first two blocks, and squares after the other two, at a rate that
grows over 40,000 batches.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlw_vision.colours import Normalise, colours
from mlw_vision.conv4 import normalisation
from mlw_vision.resnet import (
    Norm,
    Pool,
    Residual,
    Shape,
    convolution,
    features,
    initialise,
    shortcut,
)
from workbench import AtLeast, Backbone

SLOPE = 0.1  # of leaky ReLUs below 0


class ResNet12(Backbone):
    """Four blocks of three convolutions: images in 0..1 to features `(n, 640)`."""

    def __init__(
        self,
        image_shape: Shape,
        *,
        norm: Norm = "running",
        pool: Pool = True,
        drop: Annotated[
            float, "share of the maps to drop in training; 0.1 in MetaOptNet", AtLeast(0)
        ] = 0.0,
        square: Annotated[
            int,
            "side in pixels of the squares that DropBlock drops; 2 for CIFAR in MetaOptNet",
            AtLeast(1),
        ] = 5,
        ramp: Annotated[
            int,
            "batches over which the rate of DropBlock grows; 0: full from the start",
            AtLeast(0),
        ] = 40_000,
        normalise: Normalise = "none",
    ):
        super().__init__()
        self.norm = norm
        self.pool = pool
        self.drop = drop
        self.square = square
        self.ramp = ramp
        self.normalise = normalise
        self.colours = colours(normalise, image_shape[0])
        inputs, height, width = image_shape
        blocks: list[nn.Module] = []
        for outputs in (64, 160, 320, 640):
            blocks.append(_block(inputs, outputs, norm, self._dropping(outputs)))
            inputs = outputs
            height //= 2
            width //= 2
        self.blocks = nn.Sequential(*blocks)
        self.maps_shape, self.dim = initialise(self, (inputs, height, width), pool)

    def forward(self, x: Tensor) -> Tensor:
        return features(self.blocks(self.colours(x)), self.pool)

    def _dropping(self, outputs: int) -> nn.Module:
        if self.drop == 0:
            return nn.Identity()
        if outputs < 320:
            return nn.Dropout(self.drop)
        return DropBlock(self.drop, self.square, self.ramp)


class DropBlock(nn.Module):
    """Set squares in maps `(n, channels, height, width)` to 0 in training, `rate` of the area."""

    batches: Tensor  # seen in training

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
        random = torch.rand(*stack, down, across, device=x.device)
        corners = random < rate * height * width / (side**2 * down * across)
        padded = F.pad(corners.to(x.dtype), [side - 1] * 4)
        kept = 1 - F.max_pool2d(padded, side, stride=1)  # of the shape of x
        return x * kept * (kept.numel() / kept.sum().clamp_min(1))  # the mean does not change


def _block(inputs: int, outputs: int, norm: str, dropping: nn.Module) -> Residual:
    main = nn.Sequential(
        convolution(inputs, outputs, 3),
        normalisation(norm, outputs),
        nn.LeakyReLU(SLOPE),
        convolution(outputs, outputs, 3),
        normalisation(norm, outputs),
        nn.LeakyReLU(SLOPE),
        convolution(outputs, outputs, 3),
        normalisation(norm, outputs),
    )
    after = nn.Sequential(nn.LeakyReLU(SLOPE), nn.MaxPool2d(2), dropping)
    return Residual(main, shortcut(inputs, outputs, norm), after)

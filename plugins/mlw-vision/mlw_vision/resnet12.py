"""The residual network of 12 layers that the few-shot field settled on.

Lee, Maji, Ravichandran, Soatto: Meta-Learning with Differentiable Convex Optimization, CVPR 2019, arXiv 1904.03758
(MetaOptNet): three convolutions a block, 64-160-320-640 channels, leaky ReLU, max pooling, DropBlock (Ghiasi, Lin, Le,
NeurIPS 2018, arXiv 1810.12890).

Maps are averaged over space at the end; MetaOptNet's code keeps them whole, `pool=false`. It drops single entries
after the first two blocks, and squares after the other two by a rate that grows over 40,000 batches.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlw_vision.conv4 import normalisation
from mlw_vision.resnet import Norm, Pool, Residual, Shape, begin, convolution, features, shortcut
from workbench import AtLeast, Backbone

SLOPE = 0.1  # of leaky ReLUs below 0


class ResNet12(Backbone):
    """Four blocks of three convolutions, each of which halves the maps: images in 0..1 to features `(n, 640)`."""

    def __init__(
        self,
        image_shape: Shape,
        *,
        norm: Norm = "running",
        pool: Pool = True,
        drop: Annotated[
            float, "part of the maps that training drops; 0.1 in MetaOptNet", AtLeast(0)
        ] = 0.0,
        square: Annotated[
            int, "pixels a side of what DropBlock drops; 2 for CIFAR in MetaOptNet", AtLeast(1)
        ] = 5,
        ramp: Annotated[
            int, "batches over which DropBlock's rate grows; 0: it is whole at once", AtLeast(0)
        ] = 40_000,
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
        self.maps_shape, self.dim = begin(self, (inputs, height, width), pool)

    def forward(self, x: Tensor) -> Tensor:
        return features(self.blocks(x), self.pool)


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
        corners = torch.rand(*stack, down, across, device=x.device) < rate * height * width / (
            side**2 * down * across
        )
        kept = 1 - F.max_pool2d(
            F.pad(corners.to(x.dtype), [side - 1] * 4), side, stride=1
        )  # like x
        return x * kept * (kept.numel() / kept.sum().clamp_min(1))  # the mean stays


def _threefold_block(inputs: int, outputs: int, norm: str, dropping: nn.Module) -> Residual:
    layers: list[nn.Module] = []
    for number in range(3):
        layers += [
            convolution(inputs if number == 0 else outputs, outputs, 3),
            normalisation(norm, outputs),
        ]
        layers += [nn.LeakyReLU(SLOPE)] if number < 2 else []
    after = nn.Sequential(nn.LeakyReLU(SLOPE), nn.MaxPool2d(2), dropping)
    return Residual(nn.Sequential(*layers), shortcut(inputs, outputs, norm), after)

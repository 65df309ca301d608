"""Wide residual networks.

Zagoruyko, Komodakis: Wide Residual Networks, BMVC 2016, arXiv 1605.07146. `wrn-28-10` has 28 layers
and ten times the channels of a thin network: 160, 320 and 640 in three groups of four blocks. Few-
shot papers use it at 84 x 84 (LEO, arXiv 1807.05960; SimpleShot, arXiv 1911.04623).

A block is shortcut(x) + main(x), where main normalises before each of its two 3 x 3 convolutions.
The second and the third group halve the maps. Initial weights are He's, with variance 2 / (outputs
* kernel area). At the end, maps are averaged over space.
"""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from mlw_vision.colours import Normalise, colours
from mlw_vision.conv4 import normalisation
from mlw_vision.resnet import Norm, Pool, Shape, convolution, features, initialise
from workbench import AtLeast, Backbone

FIRST = 16  # channels of the first layer
GROUPS = (160, 320, 640)  # channels: ten times 16, 32 and 64
BLOCKS = 4  # per group, of two layers each


class WideResNet(Backbone):
    """Three groups of four wide blocks: images in 0..1 to features `(n, 640)`."""

    def __init__(
        self,
        image_shape: Shape,
        *,
        drop: Annotated[
            float, "share of the maps' entries to drop in training, inside blocks", AtLeast(0)
        ] = 0.0,
        norm: Norm = "running",
        pool: Pool = True,
        normalise: Normalise = "none",
    ):
        super().__init__()
        self.drop = drop
        self.norm = norm
        self.pool = pool
        self.normalise = normalise
        channels, height, width = image_shape
        layers: list[nn.Module] = [colours(normalise, channels), convolution(channels, FIRST, 3)]
        inputs = FIRST
        for outputs in GROUPS:
            for number in range(BLOCKS):
                halves = number == 0 and outputs > GROUPS[0]
                layers.append(WideBlock(inputs, outputs, norm, 2 if halves else 1, drop))
                inputs = outputs
        layers += [normalisation(norm, inputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers)
        last_shape = (inputs, _quarter(height), _quarter(width))
        self.maps_shape, self.dim = initialise(self, last_shape, pool)

    def forward(self, x: Tensor) -> Tensor:
        return features(self.layers(x), self.pool)


class WideBlock(nn.Module):
    """x + main(f(x)); where the shape changes, shortcut(f(x)) + main(f(x)), f = norm and ReLU."""

    def __init__(self, inputs: int, outputs: int, norm: str, stride: int, drop: float):
        super().__init__()
        self.first = nn.Sequential(normalisation(norm, inputs), nn.ReLU())
        self.main = nn.Sequential(
            convolution(inputs, outputs, 3, stride),
            normalisation(norm, outputs),
            nn.ReLU(),
            nn.Dropout(drop),
            convolution(outputs, outputs, 3),
        )
        self.changes = inputs != outputs or stride > 1
        self.shortcut: nn.Module = nn.Identity()
        if self.changes:
            self.shortcut = convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        active = self.first(x)
        passed = self.shortcut(active if self.changes else x)
        y: Tensor = passed + self.main(active)
        return y


def _quarter(side: int) -> int:
    """Return the side of maps after two halvings, each rounded up."""
    return -(-side // 4)

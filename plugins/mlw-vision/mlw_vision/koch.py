"""Koch's network: four large convolutions for drawings of 105 x 105.

Koch, Zemel, Salakhutdinov: Siamese Neural Networks for One-shot Image Recognition, ICML Deep
Learning Workshop 2015, figure 4.

64 filters of 10 x 10, 128 of 7 x 7, 128 of 4 x 4, 256 of 4 x 4, each followed by ReLU and, except
the last, by 2 x 2 max pooling. There is no padding and no normalisation. The layer of 4,096
sigmoids belongs to the method (`siamese:units=4096`). The initial weights are torch's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mlw_vision.colours import Normalise, colours
from workbench import Backbone

FILTERS = ((64, 10), (128, 7), (128, 4), (256, 4))  # number and side length


class Koch(Backbone):
    """Four large convolutions, of Koch's siamese network: 9,216 features at 105 x 105."""

    def __init__(self, image_shape: tuple[int, int, int], *, normalise: Normalise = "none"):
        super().__init__()
        self.normalise = normalise
        self.colours = colours(normalise, image_shape[0])
        inputs, height, width = image_shape
        layers: list[nn.Module] = []
        for outputs, kernel in FILTERS:
            layers.append(nn.Conv2d(inputs, outputs, kernel))
            height += 1 - kernel
            width += 1 - kernel
            if outputs < 256:
                layers.append(nn.MaxPool2d(2))
                height //= 2
                width //= 2
            layers.append(nn.ReLU())
            inputs = outputs
        self.layers = nn.Sequential(*layers)
        self.maps_shape = (inputs, max(height, 0), max(width, 0))
        self.dim = inputs * max(height, 0) * max(width, 0)
        self.to(memory_format=torch.channels_last)  # faster on a CPU

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.layers(self.colours(x))
        return maps.flatten(1)  # (n, 256 * height * width)

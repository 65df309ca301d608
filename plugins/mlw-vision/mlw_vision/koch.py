"""Koch's network: four large convolutions for drawings of 105 x 105.

Koch, Zemel, Salakhutdinov: Siamese Neural Networks for One-shot Image Recognition, ICML Deep Learning
Workshop 2015, figure 4.

64 filters of 10 x 10, 128 of 7 x 7, 128 of 4 x 4, 256 of 4 x 4, each followed by ReLU and, but for the
last, 2 x 2 max pooling; nothing is padded or normalised. The layer of 4,096 sigmoids belongs to the
method (`siamese:units=4096`). First weights are torch's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from workbench import Backbone


class Koch(Backbone):
    """Four large convolutions, of Koch's siamese network: 9,216 features at 105 x 105."""

    def __init__(self, image_shape: tuple[int, int, int]):
        super().__init__()
        channels, height, width = image_shape
        layers: list[nn.Module] = []
        for inputs, outputs, kernel in (
            (channels, 64, 10),
            (64, 128, 7),
            (128, 128, 4),
            (128, 256, 4),
        ):
            last = outputs == 256
            layers += [
                nn.Conv2d(inputs, outputs, kernel),
                *([] if last else [nn.MaxPool2d(2)]),
                nn.ReLU(),
            ]
            height, width = ((side - kernel + 1) // (1 if last else 2) for side in (height, width))
        self.layers = nn.Sequential(*layers)
        self.maps_shape = 256, max(height, 0), max(width, 0)
        self.dim = self.maps_shape[0] * self.maps_shape[1] * self.maps_shape[2]
        self.to(memory_format=torch.channels_last)  # faster on a CPU

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.layers(x)
        return maps.flatten(1)  # (n, 256 * height * width)

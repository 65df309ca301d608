"""Fully connected layers on the pixels, or the pixels themselves.

For methods whose papers use no convolution: MANN (Santoro et al., arXiv 1605.06065) reads pixels,
and learned optimisers (Andrychowicz et al., arXiv 1606.04474) train one hidden layer of 20 sigmoid
units on MNIST.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from torch import Tensor, nn

from mlw_vision.colours import Normalise, colours
from workbench import AtLeast, Backbone

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}


class MLP(Backbone):
    """Fully connected layers: images to features `(n, dim)`; without layers, the pixels."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        layers: Annotated[int, "layers; 0: a feature is the pixels", AtLeast(0)] = 1,
        width: Annotated[int, "units of each layer", AtLeast(1)] = 64,
        activation: Annotated[Literal["relu", "sigmoid"], "what follows each layer"] = "relu",
        normalise: Normalise = "none",
    ):
        super().__init__()
        self.layers = layers
        self.width = width
        self.activation = activation
        self.normalise = normalise
        self.dim = math.prod(image_shape)
        parts: list[nn.Module] = [colours(normalise, image_shape[0]), nn.Flatten()]
        for _ in range(layers):
            parts += [nn.Linear(self.dim, width), ACTIVATIONS[activation]()]
            self.dim = width
        self.parts = nn.Sequential(*parts)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.parts(images)
        return features

"""Normalisation of the colours of images, the first step of a backbone.

What a network expects of its input belongs to its weights, so this is an option of the backbone and
not of a data set: images stay in 0..1 wherever they are augmented, shown or shared between methods
of different backbones.

    none        as they are, in 0..1
    imagenet    minus ImageNet's mean colour, divided by its standard deviation, as most networks
                that were trained on ImageNet expect (the same numbers as torchvision's)
    signed      in -1..1, as Meta-Dataset's readers give them
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from workbench.errors import UsageError

Normalise = Annotated[
    Literal["none", "imagenet", "signed"],
    "colours of the images: none: in 0..1; imagenet: ImageNet's mean and standard deviation; "
    "signed: in -1..1",
]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and standard deviation


class Colours(nn.Module):
    """(x - mean) / std of images `(n, channels, height, width)`."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        # Options say what they are, so they are no part of the weights.
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


def colours(normalise: str, channels: int) -> nn.Module:
    """Return the first layer for a value of the option `normalise`.

    Raises:
        UsageError: ImageNet's colours are asked for, and the images have no three channels.
    """
    if normalise == "none":
        return nn.Identity()
    if normalise == "signed":
        return Colours((0.5,), (0.5,))
    if channels != 3:
        raise UsageError(
            f"normalise=imagenet needs images of 3 channels, and these have {channels}; use "
            "normalise=signed, or colour images (some data sets take channels=3)"
        )
    return Colours(*IMAGENET)

"""What methods share that modulate every channel of a backbone (FiLM).

Perez, Strub, de Vries, Dumoulin, Courville: FiLM: Visual Reasoning with a General Conditioning Layer, AAAI 2018,
arXiv 1709.07871: out = gamma * h + beta for each channel, here behind every normalisation. A film is a tensor
`(2, channels)` of gamma - 1 and beta, the channels of all sites one after another: zeros are the bare backbone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from mlw_crossdomain.sites import modulated, normalisations
from workbench import Backbone
from workbench.errors import UsageError


def film_sites(backbone: Backbone, image_shape: tuple[int, int, int]) -> dict[str, int]:
    """The normalisations that are followed by FiLM, with their channels.

    Raises:
        UsageError: the backbone has none.
    """
    if not (sites := normalisations(backbone, image_shape)):
        raise UsageError(
            f"FiLM scales and shifts the maps behind each normalisation, and {type(backbone).__name__} normalises no "
            "maps (n, channels, height, width); type --backbone conv4"
        )
    return sites


def film_features(
    backbone: Backbone, sites: Mapping[str, int], film: Tensor, images: Tensor
) -> Tensor:
    """Features `(n, dim)` of images under a film `(2, channels)`, or under one each `(n, 2, channels)`."""
    parts = film.split(list(sites.values()), -1)
    with modulated(
        backbone, {name: partial(_modulate, part) for name, part in zip(sites, parts, strict=True)}
    ):
        return backbone(images)


def _modulate(film: Tensor, _: Tensor, h: Tensor) -> Tensor:
    gamma, beta = film[..., None, None].unbind(-4)  # (channels, 1, 1), or (n, channels, 1, 1)
    return torch.addcmul(h + beta, gamma, h)


class SetEncoder(nn.Module):
    """A set of images `(n, channels, height, width)` to one vector `(out,)`, whatever their order and number.

    Zaheer et al.: Deep Sets, NeurIPS 2017, arXiv 1703.06114: a network of the mean of what another makes of each.
    That one is four strided convolutions, normalised by groups: no image's embedding depends on the others.
    """

    def __init__(self, channels: int, out: int, *, width: int = 64):
        super().__init__()
        blocks: list[nn.Module] = []
        for inputs in (channels, width, width, width):
            blocks += [
                nn.Conv2d(inputs, width, 3, stride=2, padding=1),
                nn.GroupNorm(8, width),
                nn.ReLU(),
            ]
        self.of_each = nn.Sequential(*blocks)
        self.of_all = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, out))

    def forward(self, images: Tensor) -> Tensor:
        embedded: Tensor = self.of_each(images).mean((-2, -1))  # (n, width)
        vector: Tensor = self.of_all(embedded.mean(0))
        return vector

"""Feature-wise linear modulation (FiLM), shared by the methods that modulate every channel.

Perez, Strub, de Vries, Dumoulin, Courville: FiLM: Visual Reasoning with a General Conditioning
Layer, AAAI 2018, arXiv 1709.07871: out = gamma * h + beta for each channel, here after every
normalisation.

A film is a tensor `(2, channels)` that holds gamma - 1 and beta for the channels of all sites, one
site after another. Zeros give the unmodulated backbone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn

from mlw_crossdomain.sites import modulated, normalisations
from workbench import Backbone
from workbench.errors import UsageError

WIDTH = 64  # channels of each convolution of a set encoder


def film_sites(backbone: Backbone, image_shape: tuple[int, int, int]) -> dict[str, int]:
    """Return the normalisations that FiLM follows, with their channels.

    Raises:
        UsageError: the backbone has none.
    """
    sites = normalisations(backbone, image_shape)
    if not sites:
        raise UsageError(
            "FiLM scales and shifts the maps after each normalisation, and "
            f"{type(backbone).__name__} does not normalise maps (n, channels, height, width). "
            "Use --backbone conv4."
        )
    return sites


def film_features(
    backbone: Backbone, sites: Mapping[str, int], film: Tensor, images: Tensor
) -> Tensor:
    """Return features `(n, dim)` under one film `(2, channels)` or one each `(n, 2, channels)`."""
    parts = film.split(list(sites.values()), -1)
    changes = {}
    for name, part in zip(sites, parts, strict=True):
        changes[name] = partial(_modulate, part)
    with modulated(backbone, changes):
        return backbone(images)


def _modulate(film: Tensor, _: Tensor, h: Tensor) -> Tensor:
    gamma, beta = film[..., None, None].unbind(-4)  # (channels, 1, 1), or (n, channels, 1, 1)
    return torch.addcmul(h + beta, gamma, h)


class SetEncoder(nn.Module):
    """Encode a set of images `(n, channels, height, width)` as one vector `(out,)`.

    Zaheer et al.: Deep Sets, NeurIPS 2017, arXiv 1703.06114: one network embeds each image, another
    maps the mean of the embeddings, so the order and number of images do not matter. The first
    network has four strided convolutions with group normalisation, so the embedding of an image
    does not depend on the others.
    """

    def __init__(self, channels: int, out: int):
        super().__init__()
        blocks: list[nn.Module] = []
        for inputs in (channels, WIDTH, WIDTH, WIDTH):
            blocks.append(nn.Conv2d(inputs, WIDTH, 3, stride=2, padding=1))
            blocks.append(nn.GroupNorm(8, WIDTH))
            blocks.append(nn.ReLU())
        self.of_each = nn.Sequential(*blocks)
        self.of_all = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, out))

    def forward(self, images: Tensor) -> Tensor:
        embedded: Tensor = self.of_each(images).mean((-2, -1))  # (n, WIDTH)
        vector: Tensor = self.of_all(embedded.mean(0))
        return vector

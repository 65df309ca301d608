"""Fully connected layers, against the formula."""

from __future__ import annotations

import pytest
import torch

from workbench.errors import UsageError
from workbench.experiments.build import build_backbone

SHAPE = (1, 4, 5)


def images():
    return torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(0))


def test_without_layers_a_feature_is_the_pixels():
    backbone = build_backbone("mlp:layers=0", SHAPE)
    assert backbone.dim == 20
    assert torch.equal(backbone(images()), images().view(3, 20))
    assert not list(backbone.parameters())


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_each_layer_is_followed_by_its_activation(activation):
    backbone = build_backbone(f"mlp:layers=2,width=7,activation={activation}", SHAPE)
    first, first_bias, second, second_bias = backbone.parameters()
    function = getattr(torch, activation)
    hidden = function(images().flatten(1) @ first.T + first_bias)
    assert backbone.dim == 7
    assert torch.allclose(backbone(images()), function(hidden @ second.T + second_bias))


def test_colours_are_normalised_first():
    backbone = build_backbone("mlp:layers=0,normalise=signed", SHAPE)
    assert torch.allclose(backbone(images()), 2 * images().view(3, 20) - 1)


def test_a_layer_has_units():
    with pytest.raises(UsageError, match="width"):
        build_backbone("mlp:width=0", SHAPE)

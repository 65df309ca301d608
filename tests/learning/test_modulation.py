"""Changing the output of modules of a backbone from outside."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.autograd.functional import jacobian
from torch.func import functional_call, grad

from workbench.experiments.build import build_backbone
from workbench.learning.modulation import modulated, normalisations

SHAPE = (3, 16, 16)


def pictures(n=4):
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(0))


def scaled(gamma, _, h):
    return gamma * h


class Residual(nn.Module):
    """A block with a strided convolution, a projection and two unusual normalisations."""

    def __init__(self):
        super().__init__()
        self.unused = nn.BatchNorm2d(7)
        self.conv = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.project = nn.Conv2d(3, 5, 1, stride=2)
        self.after = nn.Sequential(nn.GroupNorm(5, 5), nn.ReLU())
        self.vectors = nn.GroupNorm(1, 5)

    def forward(self, x):
        return self.vectors(self.after(self.conv(x) + self.project(x)).mean((-2, -1)))


@pytest.mark.parametrize("norm", ["running", "batch", "group"])
def test_normalisations_are_found_with_their_channels(norm):
    backbone = build_backbone(f"conv4:width=8,norm={norm}", SHAPE)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    assert normalisations(backbone, SHAPE) == dict.fromkeys(
        ["blocks.1", "blocks.5", "blocks.9", "blocks.13"], 8
    )
    assert backbone.training
    assert all(torch.equal(before[name], value) for name, value in backbone.state_dict().items())


def test_what_is_no_normalisation_of_maps_is_left_out():
    assert normalisations(Residual(), SHAPE) == {"after.0": 5}
    assert normalisations(nn.Flatten(), SHAPE) == {}  # no parameters


def test_a_change_sees_what_came_in_and_what_came_out():
    backbone = Residual()
    with modulated(backbone, {"conv": lambda x, h: h - backbone.conv.forward(x)}):
        assert torch.allclose(backbone.conv(pictures()), torch.zeros(()))
    assert backbone.conv(pictures()).abs().sum() > 0


def test_the_backbone_is_what_it_was_even_after_an_error():
    backbone = build_backbone("conv4:width=8", SHAPE).eval()
    before = backbone(pictures())

    def fail():
        with modulated(backbone, {"blocks.1": partial(scaled, 0), "blocks.5": partial(scaled, 0)}):
            assert not torch.equal(before, backbone(pictures()))
            raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fail()
    with (
        pytest.raises(AttributeError),
        modulated(backbone, {"blocks.1": partial(scaled, 0), "nowhere": scaled}),
    ):
        pass
    assert torch.equal(before, backbone(pictures()))


def test_changes_add_up_and_names_stay():
    backbone = build_backbone("conv4:width=8,norm=group", SHAPE)
    names = list(backbone.state_dict())
    with (
        modulated(backbone, {"blocks.13": partial(scaled, 2)}),
        modulated(backbone, {"blocks.13": partial(scaled, 3)}),
    ):
        assert list(backbone.state_dict()) == names
        assert torch.allclose(
            backbone.blocks[13](pictures(1).new_ones(1, 8, 2, 2)), torch.zeros(()), atol=1e-5
        )
        assert torch.allclose(backbone.blocks[:14](pictures()), 6 * _plain(backbone), atol=1e-5)


def _plain(backbone):
    x = pictures()
    for part in backbone.blocks[:14]:
        x = part.forward(x)  # without the hooks
    return x


@pytest.mark.parametrize("norm", ["running", "batch", "group"])
def test_stacked_gradients_equal_those_one_by_one(norm, float64):
    backbone = build_backbone(f"conv4:width=8,norm={norm}", SHAPE).eval()
    sites, weights = normalisations(backbone, SHAPE), dict(backbone.named_parameters())

    def loss(gamma, x):
        with modulated(backbone, {name: partial(scaled, gamma[i]) for i, name in enumerate(sites)}):
            return functional_call(backbone, weights, x).square().sum()

    gammas, x = torch.rand(3, len(sites)), pictures(12).double().unflatten(0, (3, 4))
    stacked = torch.vmap(grad(loss))(gammas, x)
    alone = torch.stack(
        [jacobian(partial(loss, x=each), gamma) for gamma, each in zip(gammas, x, strict=True)]
    )
    assert stacked.abs().sum() > 0
    assert torch.allclose(stacked, alone, atol=1e-9)

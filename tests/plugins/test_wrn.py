"""The wide residual network against its formula, and its size against the paper's."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from mlw_vision.wrn import WideBlock, WideResNet

from workbench.testing import check_backbone


def test_contract():
    check_backbone("wrn-28-10:drop=0.1")


def test_size():
    """Of the 36.5 million parameters with a classifier of ten classes."""
    network = WideResNet((3, 32, 32))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters == 36_479_194 - 641 * 10


@pytest.mark.parametrize(("shape", "side"), [((3, 84, 84), 21), ((1, 28, 28), 7), ((1, 30, 30), 8)])
def test_shapes(shape, side):
    pooled, whole = WideResNet(shape), WideResNet(shape, pool=False)
    assert pooled.dim == 640
    assert whole.maps_shape == (640, side, side)
    with torch.no_grad():
        assert whole.eval()(torch.rand(1, *shape)).shape == (1, whole.dim)


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(6, 6, 1), (6, 8, 1), (6, 8, 2)])
def test_a_block_is_that_of_the_paper(inputs, outputs, stride, float64):
    """Normalisation and ReLU come before convolutions; a shortcut that changes shape has both."""
    block = WideBlock(inputs, outputs, "running", stride, 0.0).eval()
    weights = block.state_dict()
    x = torch.randn(2, inputs, 9, 9)

    def active(x, name):
        mean, variance = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
        scale, shift = weights[f"{name}.weight"], weights[f"{name}.bias"]
        normal = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
        return (scale[:, None, None] * normal + shift[:, None, None]).relu()

    first = active(x, "first.0")
    inner = F.conv2d(first, weights["main.0.weight"], stride=stride, padding=1)
    main = F.conv2d(active(inner, "main.1"), weights["main.4.weight"], padding=1)
    if inputs == outputs:
        expected = x + main
    else:
        expected = F.conv2d(first, weights["shortcut.weight"], stride=stride) + main
    assert torch.allclose(block(x), expected)

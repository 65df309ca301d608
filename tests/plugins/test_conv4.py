"""The four convolutional blocks: their order, their maps, and images that are too small."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from workbench.errors import UsageError
from workbench.experiments.build import build_backbone
from workbench.testing import check_backbone


@pytest.mark.parametrize("norm", ["running", "batch", "group"])
@pytest.mark.parametrize("pooling", ["max", "stride", "stride-whole"])
def test_the_contract(norm, pooling):
    check_backbone(f"conv4:norm={norm},pooling={pooling},width=16")


def test_pooling_before_relu_is_the_papers_relu_before_pooling(float64):
    module = build_backbone("conv4:width=4", (1, 28, 28)).eval()
    x = torch.rand(3, 1, 28, 28)
    expected = x
    for block in range(4):
        conv, norm = module.blocks[4 * block], module.blocks[4 * block + 1]
        expected = F.max_pool2d(F.relu(norm(conv(expected))), 2)
    assert torch.allclose(module(x), expected.flatten(1))


@pytest.mark.parametrize(
    "options",
    [
        "pooled=2",
        "pooled=2,unpadded=2",
        "pooled=2,pooling=stride",
        "pooling=stride-whole",
        "unpadded=1",
    ],
)
def test_it_keeps_maps(options, float64):
    check_backbone(f"conv4:width=8,{options}")
    module = build_backbone(f"conv4:width=8,{options}", (1, 20, 26)).eval()
    x = torch.rand(2, 1, 20, 26)
    maps = module.blocks(x)
    if options.endswith("pooling=stride"):
        maps = maps.mean((-2, -1), keepdim=True)
    assert torch.equal(module(x).unflatten(1, module.maps_shape), maps)


def test_images_that_are_too_small_are_refused():
    with pytest.raises(UsageError, match="too small for conv4:unpadded=4"):
        build_backbone("conv4:unpadded=4", (1, 12, 12))

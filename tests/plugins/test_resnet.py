"""The residual networks against torchvision's, the papers' sizes, and an independent DropBlock."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mlw_vision.resnet import ResNet10, ResNet18
from mlw_vision.resnet12 import DropBlock, ResNet12
from torch import nn
from torch.func import functional_call
from torchvision import models

from workbench.errors import UsageError
from workbench.experiments.build import build_backbone
from workbench.testing import check_backbone

COLOUR = (3, 84, 84)


@pytest.mark.parametrize("norm", ["running", "batch", "group"])
@pytest.mark.parametrize("name", ["resnet10", "resnet12", "resnet18"])
def test_contract(name, norm):
    check_backbone(f"{name}:norm={norm}")


@pytest.mark.parametrize(
    "spec",
    [
        "resnet10:stem=large",
        "resnet10:stem=medium",
        "resnet10:pool=false",
        "resnet12:pool=false",
        "resnet12:drop=0.1",
    ],
)
def test_contract_with_options(spec):
    check_backbone(spec)


@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (1, 105, 105), (3, 32, 32), (3, 84, 84), (3, 64, 96)], ids=str
)
@pytest.mark.parametrize(
    "spec", ["resnet10", "resnet10:pool=false,stem=medium", "resnet12", "resnet12:pool=false"]
)
def test_images_of_many_shapes(spec, shape):
    backbone = build_backbone(spec, shape).eval()
    with torch.no_grad():
        maps, features = backbone.blocks(torch.rand(1, *shape)), backbone(torch.rand(1, *shape))
    assert features.shape == (1, backbone.dim)
    assert (maps if "pool=false" in spec else features[..., None, None]).shape[
        1:
    ] == backbone.maps_shape


@pytest.mark.parametrize("spec", ["resnet12", "resnet12:pool=false"])
def test_too_small_images_are_one_sentence(spec):
    with pytest.raises(UsageError, match="too small for resnet12"):
        build_backbone(spec, (1, 15, 28))


@pytest.mark.parametrize("name", ["resnet10", "resnet12"])
def test_stacked_weights_as_one_by_one(name):
    """In gradient-based methods, each task has its own weights."""
    backbone = build_backbone(f"{name}:norm=batch", (1, 16, 16))
    weights = {key: torch.stack([value, 1.1 * value]) for key, value in backbone.named_parameters()}
    images = torch.rand(2, 3, 1, 16, 16)

    def features(weights: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
        return functional_call(backbone, weights, (images,))

    with torch.no_grad():
        stacked = torch.vmap(features)(weights, images)
        alone = [
            features({key: value[task] for key, value in weights.items()}, images[task])
            for task in range(2)
        ]
    torch.testing.assert_close(stacked, torch.stack(alone), rtol=1e-3, atol=1e-4)


def test_with_torchvisions_weights_resnet18_computes_torchvisions_features():
    theirs = models.resnet18(weights=None)
    for part in theirs.modules():  # as after training: initial averages are the same in every layer
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 2)
    theirs.fc = nn.Identity()
    ours = ResNet18((3, 224, 224))
    # the same layers in the same order
    values = zip(ours.state_dict(), theirs.state_dict().values(), strict=True)
    ours.load_state_dict(dict(values))
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), theirs.eval()(images), rtol=1e-4, atol=1e-4)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters():
    assert (
        parameters(ResNet18((3, 224, 224))) == 11_689_512 - 513_000
    )  # torchvision's, without its classifier
    assert round(parameters(ResNet10((3, 224, 224))) / 1e6, 1) == 4.9
    assert round(parameters(ResNet12(COLOUR)) / 1e6, 1) == 12.4
    assert parameters(ResNet12(COLOUR)) == parameters(ResNet12(COLOUR, norm="batch"))


def test_lengths_of_features():
    assert ResNet10((3, 224, 224)).dim == ResNet18(COLOUR).dim == 512
    assert ResNet12(COLOUR).dim == 640
    assert ResNet12(COLOUR, pool=False).dim == 16_000  # the input of MetaOptNet's SVM


@pytest.mark.parametrize(("side", "kernel"), [(28, 3), (84, 3), (95, 3), (96, 7), (224, 7)])
def test_the_first_layer_is_by_the_images(side, kernel):
    convolution = next(
        part for part in ResNet10((3, side, side)).modules() if isinstance(part, nn.Conv2d)
    )
    assert convolution.kernel_size == (kernel, kernel)


def test_first_weights_are_hes():
    weight = ResNet18(COLOUR).blocks[-1].main[0].weight  # (512, 512, 3, 3)
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)


def test_resnet12_block_by_hand():
    block = ResNet12((1, 8, 8)).blocks[0].eval()
    x = torch.randn(2, 1, 8, 8)
    convolutions = [part.weight for part in block.main if isinstance(part, nn.Conv2d)]
    h = x
    for number, weight in enumerate(convolutions):
        h = torch.conv2d(h, weight, padding=1) / (1 + 1e-5) ** 0.5  # the averages are still 0 and 1
        h = torch.where(h > 0, h, 0.1 * h) if number < 2 else h
    h = h + torch.conv2d(x, block.shortcut[0].weight) / (1 + 1e-5) ** 0.5
    h = torch.where(h > 0, h, 0.1 * h).unflatten(2, (4, 2)).unflatten(4, (4, 2)).amax((3, 5))
    torch.testing.assert_close(block(x), h, rtol=1e-4, atol=1e-5)


# --- DropBlock


def zeros(rate: float, square: int, side: int, *, batches: int = 1, ramp: int = 0) -> torch.Tensor:
    torch.manual_seed(0)
    drop = DropBlock(rate, square, ramp)
    for _ in range(batches):
        dropped = drop(torch.ones(64, 32, side, side))
    return dropped == 0


@given(square=st.integers(1, 5), side=st.integers(5, 9))
def test_what_is_dropped_is_squares(square, side):
    gone = zeros(0.1, square, side).float()
    # every dropped entry is in a dropped square: morphological opening changes nothing
    eroded = 1 - torch.max_pool2d(1 - gone, square, stride=1)
    grown = torch.max_pool2d(torch.constant_pad_nd(eroded, [square - 1] * 4), square, stride=1)
    assert torch.equal(grown, gone)


@pytest.mark.parametrize("side", [5, 10])
def test_the_dropped_area_is_the_rate(side):
    # overlapping squares cover less than the sum of their areas
    assert zeros(0.1, 5, side).float().mean().item() == pytest.approx(0.1, abs=0.015)


def test_squares_larger_than_the_map_drop_all_of_it():
    gone = zeros(0.2, 5, 3)
    assert ((gone.sum((2, 3)) == 0) | (gone.sum((2, 3)) == 9)).all()


def test_the_rate_grows_over_the_ramp():
    early, late = (
        zeros(0.2, 2, 8, batches=batches, ramp=10).float().mean().item() for batches in (1, 10)
    )
    assert early == pytest.approx(0.02, abs=0.005)
    assert late == pytest.approx(0.19, abs=0.02)


def test_the_mean_stays_and_evaluation_drops_nothing():
    drop, x = DropBlock(0.3, 3, 0), torch.ones(8, 16, 10, 10)
    assert drop(x).mean().item() == pytest.approx(1, abs=1e-5)
    assert torch.equal(drop.eval()(x), x)
    assert int(drop.batches) == 1


def test_resnet12_drops_entries_first_and_squares_later():
    kinds = [type(block.f[2]) for block in ResNet12(COLOUR, drop=0.1).blocks]
    assert kinds == [nn.Dropout, nn.Dropout, DropBlock, DropBlock]
    assert all(isinstance(block.f[2], nn.Identity) for block in ResNet12(COLOUR).blocks)

"""Normalisation of colours against torchvision's, in every backbone."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms import v2

from workbench.errors import UsageError
from workbench.experiments.build import build_backbone
from workbench.testing import check_backbone

BACKBONES = {
    "conv4:width=8": (3, 28, 28),
    "koch": (3, 105, 105),
    "resnet10": (3, 28, 28),
    "resnet12": (3, 28, 28),
    "resnet18:stem=medium": (3, 28, 28),
    "torchvision:name=shufflenet_v2_x0_5": (3, 64, 64),
}
TRANSFORMS = {
    "imagenet": v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    "signed": v2.Normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
}


def built(spec, normalise, shape):
    torch.manual_seed(0)
    joined = "," if ":" in spec else ":"
    return build_backbone(f"{spec}{joined}normalise={normalise}", shape).eval()


@pytest.mark.parametrize("normalise", TRANSFORMS)
@pytest.mark.parametrize("spec", BACKBONES)
def test_it_is_torchvisions(spec, normalise):
    shape = BACKBONES[spec]
    plain, ours = built(spec, "none", shape), built(spec, normalise, shape)
    images = torch.rand(2, *shape)
    with torch.no_grad():
        features = ours(images)
        torch.testing.assert_close(features, plain(TRANSFORMS[normalise](images)))
        assert not torch.allclose(features, plain(images))
    assert ours.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize("normalise", TRANSFORMS)
def test_the_contract_holds(normalise):
    check_backbone(f"conv4:normalise={normalise},width=8", (3, 28, 28))


def test_imagenets_colours_are_not_those_of_grey_images():
    with pytest.raises(UsageError, match="needs images of 3 channels, and these have 1"):
        build_backbone("conv4:normalise=imagenet", (1, 28, 28))

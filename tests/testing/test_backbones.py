"""The conformance test of backbones."""

from __future__ import annotations

import pytest

from workbench import Backbone
from workbench.errors import PluginError
from workbench.testing import check_backbone


class Network(Backbone):
    """Keeps the contract, or breaks it in the one way that `fault` names."""

    fault = ""

    def __init__(self, image_shape):
        super().__init__()
        self.dim = image_shape[1] * image_shape[2]

    def forward(self, images):
        features = images.flatten(1)
        if self.fault == "length":
            return features[:, 1:]
        if self.fault == "mixing":
            return features - features.mean(0)
        return features


def test_a_backbone_that_keeps_the_contract(register):
    register("backbones", "network", Network)
    check_backbone("network")


def test_a_backbone_that_declares_batch_statistics(register, monkeypatch):
    register("backbones", "network", Network)
    monkeypatch.setattr(Network, "fault", "mixing")
    monkeypatch.setattr(Network, "batch_statistics", True, raising=False)
    check_backbone("network")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fault": "length"}, r"must return features \(n, dim\), here \(5, 784\), not \(5, 783\)"),
        ({"fault": "mixing"}, "must declare batch_statistics = True"),
        ({"pretrained_on": "imagenet"}, "pretrained_on as a tuple of names, not 'imagenet'"),
    ],
)
def test_a_backbone_that_breaks_the_contract(change, words, register, monkeypatch):
    register("backbones", "network", Network)
    for name, value in change.items():
        monkeypatch.setattr(Network, name, value)
    with pytest.raises((AssertionError, PluginError), match=words):
        check_backbone("network")

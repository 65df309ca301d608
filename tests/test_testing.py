"""The conformance tests accept what keeps the contract and name what breaks it."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import Annotated

import numpy as np
import pytest
import registered
import torch
from torch import nn

from workbench import Backbone, Learner, testing
from workbench.data.opening import OpenDataset
from workbench.errors import PluginError
from workbench.functional import one_hot
from workbench.learning.learner import query_loss
from workbench.testing import (
    check_backbone,
    check_constructor,
    check_dataset,
    check_learner,
    check_stored,
    tiny_data,
    tiny_source,
)


@pytest.fixture
def register(monkeypatch):
    """Return a function that registers a class for one test."""
    return partial(registered.register, monkeypatch)


# --- algorithms


class Method(Learner):
    """Keeps the contract, or breaks it in the one way that `fault` names."""

    fault = ""

    def __init__(self, *, sharpness: Annotated[float, "multiplies the scores"] = 1.0):
        super().__init__()
        self.sharpness = sharpness
        if self.fault == "option":
            self.sharpness += 1
        self.register_buffer("tasks_met", torch.zeros(1))
        self.weight = nn.Parameter(torch.ones(()))

    def embed(self, images):
        rows = images.flatten(1)
        if self.fault == "embed":
            rows = rows - rows.mean()
        return rows

    def adapt(self, support):
        means = self.means(support)
        if self.fault == "random":
            means = means + torch.randn(means.shape)
        if self.fault == "state":
            self.tasks_met += 1

        def predict(x):
            if self.fault == "query":
                x = x - x.mean(0)
            scores = self.weight.detach() * self.sharpness * x @ means.T
            if self.fault == "column" and not self.training:
                return scores[:, :-1]
            return scores

        if self.fault == "graph":
            return torch.enable_grad()(lambda x: self.weight * predict(x))
        return predict

    def means(self, support):
        members = one_hot(support.y, support.ways).T  # (ways, n)
        counts = members.sum(1, keepdim=True)
        means = members @ support.x / counts.clamp_min(1)
        if self.fault == "missing":
            return means + 0 / counts.min()
        return means

    def losses(self, source):
        for tasks in source.tasks():
            loss = query_loss(self, tasks) * self.weight
            if self.fault == "loss":
                loss = loss[None]
            if self.fault == "infinite":
                loss = loss * torch.inf
            yield loss


FAULTS = {
    "option": "must store its option 'sharpness' unchanged",
    "loss": "losses must yield scalars",
    "infinite": "losses must be finite at the start, not inf",
    "embed": "embed must work row by row",
    "column": r"must return scores (n, ways), here (12, 3), not (12, 2)",
    "random": "adapt must be deterministic",
    "graph": "adapt must build no graph",
    "missing": "must not make the scores of the other classes NaN",
    "state": "adapt must leave the learner unchanged, and it changed tasks_met",
    "query": "declare transductive = True",
}


@pytest.fixture
def method(register, monkeypatch):
    register("algorithms", "method", Method)
    monkeypatch.setattr("workbench.plugin.recipes._read", lambda _: {"method": [{"quick": {}}]})
    return Method


def test_a_method_that_keeps_the_contract(method):
    check_learner("method")
    check_learner("method:sharpness=2")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_method_that_breaks_the_contract(fault, method, monkeypatch):
    monkeypatch.setattr(method, "fault", fault)
    with pytest.raises(AssertionError, match=re.escape(FAULTS[fault])):
        check_learner("method")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"episodic": False}, "that draws tasks must not set episodic = False"),
        ({"transductive": True}, "but no prediction depends on the other queries"),
        ({"selects": {"depth": (1, 2)}}, "selects may only name options, and 'depth' is none"),
        ({"selects": {"sharpness": ()}}, "at least one value for 'sharpness'"),
    ],
)
def test_a_flag_that_is_not_true(flags, words, method, monkeypatch):
    for name, value in flags.items():
        monkeypatch.setattr(method, name, value)
    with pytest.raises(AssertionError, match=words):
        check_learner("method")


def test_a_method_that_is_batched(method, monkeypatch):
    monkeypatch.setattr(method, "batched", True)
    check_learner("method")


def test_a_method_that_is_not_batched(method, monkeypatch):
    monkeypatch.setattr(method, "batched", True)
    monkeypatch.setattr(testing, "scores", lambda learner, support, x: torch.zeros(3, 12, 3))
    with pytest.raises(AssertionError, match="the same for stacked tasks as for each alone"):
        check_learner("method")


# --- constructors


class Bare(Learner):
    def __init__(self, *, depth=1):
        super().__init__()


class Clash(Learner):
    def __init__(self, *, lr: Annotated[float, "a rate"] = 0.1):
        super().__init__()


class Greedy(Learner):
    def __init__(self, moon: int):
        super().__init__()


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        (Bare, PluginError, "'depth'"),
        (Clash, AssertionError, r"like training settings: \['lr'\]"),
        (Greedy, AssertionError, r"asks the workbench to fill in \['moon'\]"),
        (nn.Identity, AssertionError, "must be a subclass of workbench.Learner"),
    ],
)
def test_constructors_that_break_the_contract(target, error, words, register):
    register("algorithms", "broken", target)
    with pytest.raises(error, match=words):
        check_constructor("algorithms", "broken")


def test_options_are_stored_unchanged():
    check_stored(Method(sharpness=3.0), {"sharpness": 3.0})
    with pytest.raises(AssertionError, match="Method must store its option 'depth' unchanged"):
        check_stored(Method(), {"depth": 1})


class ByPosition(Learner):
    def __init__(self, ways: int, /):
        super().__init__()


def test_a_parameter_that_cannot_be_passed_by_name(register):
    register("algorithms", "broken", ByPosition)
    with pytest.raises(PluginError, match="takes 'ways' by position only"):
        check_constructor("algorithms", "broken")


@pytest.mark.parametrize("kind", ["backbones", "datasets"])
def test_what_is_filled_in_differs_by_kind(kind, register):
    register(kind, "broken", type("Broken", (), {"__init__": lambda self, ways: None}))
    words = rf"asks the workbench to fill in \['ways'\], and for {kind} it can"
    with pytest.raises(AssertionError, match=words):
        check_constructor(kind, "broken")


# --- backbones


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
    with pytest.raises(AssertionError, match=words):
        check_backbone("network")


# --- data sets


def test_a_data_set_that_keeps_the_contract():
    check_dataset("glyphs")


def float_images(table):
    return table._replace(images=table.images.astype(np.float32))


def wide_images(table):
    return table._replace(images=table.images[..., :-1])


def an_empty_class(table):
    starts = table.starts.copy()
    starts[1] = starts[0]
    return table._replace(starts=starts)


def classes_of_training(table):
    return table._replace(names=tuple(f"train{number}" for number in range(8)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (float_images, "must be uint8, not float32"),
        (wide_images, "must have the same shape"),
        (an_empty_class, "must have images; one in val has none"),
        (classes_of_training, "no class of glyphs may be in two splits"),
    ],
)
def test_a_data_set_that_breaks_the_contract(change, words, monkeypatch):
    (dataset,) = tiny_data().members
    broken = {**dataset.tables, "val": change(dataset.tables["val"])}
    opened: OpenDataset = replace(dataset, tables=broken)
    monkeypatch.setattr(testing, "open_dataset", lambda spec: opened)
    with pytest.raises(AssertionError, match=words):
        check_dataset("glyphs")


# --- tiny data


def test_tiny_data():
    data = tiny_data((3, 5, 6), classes=4, images=7, name="small")
    assert data.labels == ("small",)
    assert data.image_shape == (3, 5, 6)
    (domain,) = data.domains("test")
    assert domain.images.shape == (4 * 7, 3, 5, 6)
    assert domain.classes.counts.tolist() == [7] * 4


def test_tiny_source():
    task = next(tiny_source(ways=4, shots=1, queries=2, stack=2).tasks())
    assert task.support.x.shape == (2, 4, 1, 16, 16)
    assert task.query.y.tolist() == [[0, 0, 1, 1, 2, 2, 3, 3]] * 2

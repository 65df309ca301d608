"""The conformance test accepts a learner that keeps the contract, and names what breaks it."""

from __future__ import annotations

import re

import pytest
import torch
import wrong_predictors  # adds its own to WRONG
from places import ROOT
from wrong_learners import MET, WRONG, Right

from workbench.testing import check_learner
from workbench.testing.learners import LEARNER_CHECKS


@pytest.fixture
def checked(register, monkeypatch):
    """Return a function that checks a class of learner."""
    monkeypatch.setattr("workbench.plugin.recipes._read", lambda _: {"method": [{"quick": {}}]})

    def check(target, **settings):
        register("algorithms", "method", target)
        check_learner("method", **settings)

    return check


def test_the_tutorial_lists_the_checks():
    page = (ROOT / "docs" / "writing-a-plugin.md").read_text(encoding="utf-8")
    table = "".join(f"| {check.name} | {check.asks} |\n" for check in LEARNER_CHECKS)
    assert f"| check | what is asked |\n|---|---|\n{table}\n" in page


def test_each_check_has_a_name_and_needs_earlier_ones():
    earlier: set[str] = set()
    for check in LEARNER_CHECKS:
        assert check.name not in earlier
        assert set(check.needs) <= earlier
        earlier.add(check.name)


def test_a_learner_that_keeps_the_contract(checked):
    checked(Right)


def test_another_shape_and_dtype(checked):
    checked(Right, shape=(3, 9, 7), dtype=torch.float32)


def test_there_are_many_wrong_learners():
    assert len(WRONG) > 60
    assert wrong_predictors.PredictsByPosition in WRONG


@pytest.mark.parametrize("learner", WRONG, ids=lambda learner: learner.__name__)
def test_a_learner_that_breaks_the_contract(learner, checked):
    MET.clear()
    with pytest.raises(AssertionError, match=re.escape(WRONG[learner])):
        checked(learner)


class Averaging(Right):
    """Keeps a count and averaged weights, in the right place."""

    def __init__(self, image_shape):
        super().__init__(image_shape)
        self.register_buffer("average", torch.zeros_like(self.backbone[1].weight))

    def stepped(self):
        self.count += 1
        self.average.lerp_(self.backbone[1].weight, 0.1)


class DrawingInLosses(Right):
    def losses(self, source):
        for loss in super().losses(source):
            yield loss * torch.rand(())


class Batched(Right):
    batched = True


class WithoutTraining(Right):
    def losses(self, source):
        return iter(())


class AskingForValues(Right):
    def adapt(self, support):
        count = int(support.y.max()) + 1
        return lambda x: super(AskingForValues, self).adapt(support)(x) / count


@pytest.mark.parametrize(
    "learner", [Averaging, DrawingInLosses, Batched, WithoutTraining, AskingForValues]
)
def test_what_is_allowed(learner, checked):
    checked(learner)


def test_the_global_generators_are_given_back(checked):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    checked(Right)
    assert torch.equal(torch.rand(3), expected)

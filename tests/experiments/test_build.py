"""Learners and backbones from plans: weights from the seed, and one sentence for a bad value."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import pytest
import torch
from registered import register
from small_runs import plan_of
from taught import Taught

from workbench import Backbone, Learner
from workbench.errors import PluginError, RunError, UsageError
from workbench.experiments.build import build_backbone, build_learner


def weights(learner: Learner) -> torch.Tensor:
    return torch.cat([value.flatten() for value in learner.parameters()])


def test_initial_weights_are_those_of_the_seed(data):
    first, again, other = (build_learner(plan_of(data, seed=seed), data) for seed in (0, 0, 1))
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


def test_the_workbench_fills_in_what_a_constructor_asks_for(two):
    learner = build_learner(plan_of(two, "taught:sharpness=1"), two, seen=True)
    assert isinstance(learner, Taught)
    assert learner.taught.shape == (2,)  # one for each data set
    assert (learner.sharpness, learner.teachers, learner.seen) == (1.0, (), True)


def test_a_plan_with_options_that_are_gone_is_one_sentence(data):
    plan = plan_of(data, "protonet:temperature=2")
    old = replace(plan, options={**plan.options, "sharpness": 3})
    with pytest.raises(RunError, match="with the option sharpness, which protonet does not have"):
        build_learner(old, data)


class Curious(Learner):
    """Asks for what the workbench does not have."""

    def __init__(self, backbone: Backbone, weather: str):
        super().__init__()


class Picky(Learner):
    """Does not take the value that it was given."""

    def __init__(self, backbone: Backbone, *, rank: Annotated[int, "a rank"] = 3):
        super().__init__()
        raise ValueError("rank is odd\nand more")


def test_a_parameter_that_nobody_fills_in_is_the_plugin_s_error(data, monkeypatch):
    register(monkeypatch, "algorithms", "curious", Curious)
    with pytest.raises(PluginError, match=r"asks the workbench to fill in weather, and it can"):
        build_learner(plan_of(data, "curious"), data)


def test_a_value_that_a_constructor_does_not_take_is_one_sentence(data, monkeypatch):
    register(monkeypatch, "algorithms", "picky", Picky)
    with pytest.raises(UsageError, match=r"^picky cannot be built: rank is odd; see: mlw info pi"):
        build_learner(plan_of(data, "picky"), data)


def test_batch_statistics_are_refused_where_each_image_is_embedded_alone(data):
    plan = plan_of(data, backbone="conv4:norm=batch,width=8")
    with pytest.raises(UsageError, match=r"normalises by the batch; add --backbone conv4$"):
        build_learner(plan, data)


def test_images_that_are_too_small_for_a_backbone_are_refused():
    with pytest.raises(UsageError, match=r"Images of 1 x 8 x 8 are too small for conv4"):
        build_backbone("conv4", (1, 8, 8))


def test_a_network_that_memory_cannot_hold_is_one_sentence():
    with pytest.raises(UsageError, match=r"cannot be built: there is not enough memory; see: mlw"):
        build_backbone("conv4:width=10000000", (1, 28, 28))

"""Scores and losses of a stack of tasks, and backbones in a module."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from learners import NARROW, tiny_learner
from torch import nn

from workbench import Backbone
from workbench.errors import UsageError
from workbench.learning.learner import (
    Learner,
    backbones,
    query_loss,
    scores,
    uses_batch_statistics,
)
from workbench.tasks.task import Examples
from workbench.testing import tiny_source


def test_batch_statistics_are_refused_where_images_are_embedded_alone():
    with pytest.raises(UsageError, match="protonet embeds each image alone"):
        tiny_learner("protonet", "conv4:norm=batch")


def test_what_is_computed_from_features_is_computed_in_float32():
    learner = tiny_learner("baseline:head_epochs=5", ways=5, shots=1)
    features = torch.randn(2, 10, learner.backbone.dim) + 20
    features = features.bfloat16()  # as a network in bfloat16 makes them
    support = Examples(features[:, :5], torch.arange(5).expand(2, 5), 5)
    queries = features[:, 5:]
    exact = scores(learner, support._replace(x=support.x.float()), queries.float())
    with torch.autocast("cpu", torch.bfloat16):
        found = scores(learner, support, queries)
    assert found.dtype == torch.float32
    assert torch.equal(found, exact)


def test_the_loss_of_queries_is_the_mean_over_all_queries_of_a_stack(float64):
    learner = tiny_learner("protonet").eval()
    tasks = next(tiny_source(stack=2).tasks())
    losses = []
    for number in range(2):
        support = Examples(learner.embed(tasks.support.x[number]), tasks.support.y[number], 3)
        predicted = learner.adapt(support)(learner.embed(tasks.query.x[number]))
        losses.append(F.cross_entropy(predicted, tasks.query.y[number]))
    assert torch.allclose(query_loss(learner, tasks), torch.stack(losses).mean())


def test_support_and_query_are_normalised_together_in_training():
    learner = tiny_learner("protonet")
    tasks = next(tiny_source(stack=2).tasks())
    query_loss(learner, tasks)
    norm = learner.backbone.blocks[1]
    images = torch.cat([tasks.support.x, tasks.query.x], 1).flatten(0, 1)
    mean = learner.backbone.blocks[0](images).mean((0, 2, 3))
    assert norm.num_batches_tracked == 1
    assert torch.allclose(norm.running_mean, 0.1 * mean, atol=1e-6)


def test_a_class_that_implements_nothing_says_what_is_missing():
    with pytest.raises(NotImplementedError, match=r"Learner must implement adapt\(support\)"):
        Learner().adapt(None)
    with pytest.raises(NotImplementedError, match=r"Learner must implement losses\(source\)"):
        Learner().losses(None)


def test_backbones_are_found_in_any_module():
    learner = tiny_learner("protonet", NARROW)
    assert backbones(learner) == [learner.backbone]
    assert backbones(nn.Linear(1, 1)) == []
    assert Backbone.pretrained_on == ()


def test_batch_statistics_are_declared_by_parts():
    assert uses_batch_statistics(tiny_learner("maml", "conv4:norm=batch"))
    assert not uses_batch_statistics(tiny_learner("protonet", NARROW))

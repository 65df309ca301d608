"""ANIL against `create_graph=True` on the head, and NIL, which has no head."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from gradients import build, examples, meta_gradient, same, stack_of_tasks
from mlw_optimization.anil import ANIL

from workbench.learning.learner import query_loss


def anil_by_create_graph(learner, tasks, number, detach=False):
    features = learner.body(tasks.support.x[number])
    if detach:
        features = features.detach()
    weight, bias = learner.head.weight, learner.head.bias
    for _ in range(learner.inner_steps):
        loss = F.cross_entropy(F.linear(features, weight, bias), tasks.support.y[number])
        slopes = torch.autograd.grad(loss, [weight, bias], create_graph=True)
        weight, bias = weight - learner.inner_lr * slopes[0], bias - learner.inner_lr * slopes[1]
    return F.linear(learner.body(tasks.query.x[number]), weight, bias)


@pytest.mark.parametrize("batched", [True, False])
def test_anil_adapts_the_head_alone_and_the_body_learns_through_it(batched, float64, monkeypatch):
    monkeypatch.setattr(ANIL, "batched", batched)
    tasks, learner = stack_of_tasks(2), build("anil:inner_steps=3,inner_lr=0.5")
    ours = meta_gradient(learner, query_loss(learner, tasks))

    def loss(detach):
        logits = torch.stack(
            [anil_by_create_graph(learner, tasks, number, detach) for number in range(2)]
        )
        return F.cross_entropy(logits.flatten(0, 1), tasks.query.y.flatten())

    assert same(ours, meta_gradient(learner, loss(detach=False)))
    assert not same(ours, meta_gradient(learner, loss(detach=True)))  # that would be another method


def test_anil_leaves_the_body_untouched_in_adapt(float64):
    tasks, learner = stack_of_tasks(1), build("anil:inner_steps=20,inner_lr=5.0").eval()
    with torch.no_grad():
        predicted = learner.adapt(examples(tasks))(tasks.query.x[0])
        features = learner.body(tasks.query.x[0])
        augmented = torch.cat([features, torch.ones(len(features), 1)], 1)
        head = torch.linalg.lstsq(augmented, predicted).solution
    assert torch.allclose(augmented @ head, predicted)  # a linear layer on the body's own features
    assert not torch.allclose(learner.head(features), predicted)


def test_nil_weighs_the_supports_labels_by_cosine(float64):
    tasks, learner = stack_of_tasks(1), build("anil:nil=true").eval()
    support = examples(tasks)
    with torch.no_grad():
        predicted = learner.adapt(support)(tasks.query.x[0])
        features, queries = learner.body(support.x), learner.body(tasks.query.x[0])
        for number, query in enumerate(queries):
            attention = torch.stack(
                [F.cosine_similarity(query, feature, dim=0) for feature in features]
            ).softmax(0)
            expected = torch.stack([attention[support.y == way].sum() for way in range(3)])
            assert torch.allclose(predicted[number].softmax(0), expected)
    assert not torch.allclose(
        learner.train().adapt(support)(tasks.query.x[0]), predicted
    )  # it trains with the head

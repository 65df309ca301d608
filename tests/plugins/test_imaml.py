"""iMAML's implicit gradient on a quadratic, and for an inner loop that converges."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from gradients import Pixels, build, meta_gradient, nodes, same, stack_of_tasks
from mlw_optimization.imaml import IMAML
from torch.func import functional_call

from workbench.learning.learner import query_loss, scores
from workbench.tasks.task import Examples


@pytest.mark.parametrize("batched", [True, False])
def test_imamls_gradient_is_the_exact_implicit_one_on_a_quadratic(batched, float64, monkeypatch):
    """L(phi) = 1/2 phi' A phi - b' phi, so phi* = (A + lambda I)^-1 (b + lambda theta)."""
    monkeypatch.setattr(IMAML, "batched", batched)
    strength, size = 0.7, 9
    learner = IMAML(
        Pixels(), 3, inner_steps=400, inner_lr=0.3, proximity=strength, cg_steps=size
    ).train()
    roots = torch.randn(size, size) / 3

    def problem(x):
        return roots @ roots.T + torch.diag(x.flatten()[:size]), x.flatten()[-size:]

    def quadratic(phi, x, y):
        a, b = problem(x)
        return phi @ a @ phi / 2 - b @ phi

    monkeypatch.setattr(learner, "loss", quadratic)
    support = Examples(torch.rand(2, 6, 1, 1, 2), torch.zeros(2, 6, dtype=torch.long), 3)
    x, y = torch.rand(2, 4, 1, 1, 2), torch.randint(3, (2, 4))
    ours = meta_gradient(
        learner, F.cross_entropy(scores(learner, support, x).flatten(0, 1), y.flatten())
    )

    theta = list(learner.parameters())
    losses = []
    for number in range(2):
        a, b = problem(support.x[number])
        vector = torch.cat([weight.flatten() for weight in theta])
        phi = torch.linalg.solve(a + strength * torch.eye(size), b + strength * vector)
        logits = F.linear(x[number].flatten(1), phi[:6].view(3, 2), phi[6:])
        losses.append(F.cross_entropy(logits, y[number]))
    assert same(ours, torch.autograd.grad(torch.stack(losses).mean(), theta), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("batched", [True, False])
def test_imamls_gradient_is_that_through_an_inner_loop_that_converges(
    batched, float64, monkeypatch
):
    monkeypatch.setattr(IMAML, "batched", batched)
    learner = IMAML(Pixels(), 3, inner_steps=200, inner_lr=0.3, proximity=0.5, cg_steps=20).train()
    x, y = torch.rand(2, 6, 1, 1, 2), torch.arange(3).repeat_interleave(2).expand(2, 6)
    queries, labels = torch.rand(2, 4, 1, 1, 2), torch.randint(3, (2, 4))
    predicted = scores(learner, Examples(x, y, 3), queries)
    ours = meta_gradient(learner, F.cross_entropy(predicted.flatten(0, 1), labels.flatten()))

    theta = dict(learner.model.named_parameters())
    losses = []
    for number in range(2):
        phi = theta
        for _ in range(200):
            loss = F.cross_entropy(functional_call(learner.model, phi, x[number]), y[number])
            pull = sum((phi[name] - theta[name]).square().sum() for name in theta)
            gradients = torch.autograd.grad(
                loss + 0.25 * pull, list(phi.values()), create_graph=True
            )
            phi = {name: w - 0.3 * g for (name, w), g in zip(phi.items(), gradients, strict=True)}
        losses.append(
            F.cross_entropy(functional_call(learner.model, phi, queries[number]), labels[number])
        )
    assert same(
        ours,
        torch.autograd.grad(torch.stack(losses).mean(), list(theta.values())),
        rtol=1e-6,
        atol=1e-9,
    )


def test_imamls_gradient_is_the_same_stacked_and_looped(float64, monkeypatch):
    tasks, learner = stack_of_tasks(), build("imaml:inner_steps=3")
    stacked = meta_gradient(learner, query_loss(learner, tasks))
    monkeypatch.setattr(IMAML, "batched", False)
    assert same(stacked, meta_gradient(learner, query_loss(learner, tasks)), rtol=1e-7, atol=1e-9)


def test_imamls_graph_does_not_grow_with_the_inner_steps(float64):
    tasks = stack_of_tasks(1)
    assert nodes(query_loss(build("imaml:inner_steps=1"), tasks)) == nodes(
        query_loss(build("imaml:inner_steps=30"), tasks)
    )

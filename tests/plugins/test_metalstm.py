"""Meta-LSTM against the equations, weight by weight, with torch's own LSTM cell."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from gradients import build, examples, meta_gradient, nodes, same, stack_of_tasks
from mlw_optimization.metalstm import MetaLSTM
from torch.func import functional_call

from workbench.functional import flat, shaped
from workbench.learning.learner import query_loss

P = 10.0


def read(value):
    """Return size and sign of a number, as in appendix A of the learned optimisers' paper."""
    if abs(value) >= math.exp(-P):
        return [math.log(abs(value)) / P, math.copysign(1.0, value)]
    return [-1.0, math.exp(P) * value]


def by_torchs_cell(learner, x, y):
    """Return theta after the steps; gradient and loss are plain numbers."""
    names = dict(learner.model.named_parameters())
    theta = flat(names)
    state = None
    keep, enter = torch.ones(len(theta), 1), torch.zeros(len(theta), 1)
    for _ in range(learner.inner_steps):
        weights = {name: w.detach().requires_grad_() for name, w in shaped(theta, names).items()}
        loss = F.cross_entropy(functional_call(learner.model, weights, x), y)
        gradient = torch.cat(
            [each.flatten() for each in torch.autograd.grad(loss, list(weights.values()))]
        )
        seen = torch.tensor([read(g) + read(loss.item()) for g in gradient.tolist()])
        state = learner.read(seen, state)
        column = theta[:, None]
        enter = torch.sigmoid(learner.enter(torch.cat([state[0], column, enter], 1)))
        keep = torch.sigmoid(learner.keep(torch.cat([state[0], column, keep], 1)))
        theta = keep[:, 0] * theta - enter[:, 0] * gradient
    return shaped(theta, names)


@pytest.mark.parametrize("batched", [True, False])
def test_weights_follow_the_equations_and_gradients_count_as_constants(
    batched, float64, monkeypatch
):
    monkeypatch.setattr(MetaLSTM, "batched", batched)
    tasks, learner = (
        stack_of_tasks(2),
        build("metalstm:inner_steps=3,units=4", "conv4:norm=batch,width=2"),
    )
    ours = meta_gradient(learner, query_loss(learner, tasks))
    logits = []
    for number in range(2):
        support = examples(tasks, number)
        weights = by_torchs_cell(learner, support.x, support.y)
        logits.append(functional_call(learner.model, weights, tasks.query.x[number]))
    loss = F.cross_entropy(torch.cat(logits), tasks.query.y.flatten())
    assert torch.allclose(query_loss(learner, tasks), loss)
    assert same(ours, meta_gradient(learner, loss))


def test_it_starts_as_gradient_descent_at_a_rate_near_one_hundredth(float64):
    tasks, learner = stack_of_tasks(1), build("metalstm:inner_steps=1", "conv4:norm=batch,width=2")
    support = examples(tasks)
    names = dict(learner.model.named_parameters())
    loss = F.cross_entropy(functional_call(learner.model, names, support.x), support.y)
    gradient = flat(dict(zip(names, torch.autograd.grad(loss, list(names.values())), strict=True)))
    step = flat(names) - flat(by_torchs_cell(learner, support.x, support.y))
    shrunk = step - 0.0067 * flat(names)  # f = sigmoid(5)
    rates = (shrunk / gradient)[gradient.abs() > 1e-2]
    assert rates.median().item() == pytest.approx(0.011, abs=0.003)  # i = sigmoid(-4.5)


def test_steps_need_no_graph_of_the_network(float64):
    """The outer graph grows by the gates of a step, not by the network's backward pass."""
    tasks, learner = stack_of_tasks(1), build("metalstm:inner_steps=1", "conv4:norm=batch,width=2")
    sizes = []
    for _ in range(3):
        sizes.append(nodes(query_loss(learner, tasks)))
        learner.inner_steps += 1
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0] < 120

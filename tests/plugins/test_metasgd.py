"""Meta-SGD: equal to MAML with constant rates; otherwise the rates are learnt."""

from __future__ import annotations

import copy

import pytest
import torch
from gradients import build, meta_gradient, same, stack_of_tasks
from mlw_optimization.metasgd import MetaSGD

from workbench.learning.learner import query_loss


@pytest.mark.parametrize("batched", [True, False])
def test_metasgd_with_a_constant_alpha_is_maml(batched, float64, monkeypatch):
    monkeypatch.setattr(MetaSGD, "batched", batched)
    tasks = stack_of_tasks()
    ours = build("metasgd:alpha_low=0.3,alpha_high=0.3,inner_steps=2")
    theirs = build("maml:inner_lr=0.3,inner_steps=2")
    with torch.no_grad():
        for weight in theirs.model.parameters():
            weight.mul_(1.1)  # both are drawn from one seed, and so differ
    ours.model.load_state_dict(theirs.model.state_dict())
    gradient = torch.autograd.grad(query_loss(ours, tasks), list(ours.model.parameters()))
    assert same(gradient, meta_gradient(theirs, query_loss(theirs, tasks)))


def test_metasgds_alpha_is_drawn_learnt_and_may_turn_round(float64):
    tasks, learner = stack_of_tasks(2), build("metasgd")
    assert [alpha.shape for alpha in learner.alpha] == [
        weight.shape for weight in learner.model.parameters()
    ]
    drawn = torch.cat([alpha.detach().flatten() for alpha in learner.alpha])
    assert 0.005 <= float(drawn.min()) < 0.02 < 0.09 < float(drawn.max()) <= 0.1
    head = learner.alpha[-1]  # of the last layer's bias
    (slope,) = torch.autograd.grad(query_loss(learner, tasks), [head])
    with torch.no_grad():
        head[0] = -0.4
    below, above = copy.deepcopy(learner), copy.deepcopy(learner)
    with torch.no_grad():
        below.alpha[-1][0] -= 1e-5
        above.alpha[-1][0] += 1e-5
    quotient = (query_loss(above, tasks) - query_loss(below, tasks)) / 2e-5
    (at_negative,) = torch.autograd.grad(query_loss(learner, tasks), [head])
    assert torch.isclose(at_negative[0], quotient, rtol=1e-5)  # not clamped
    assert not torch.isclose(slope[0], at_negative[0])

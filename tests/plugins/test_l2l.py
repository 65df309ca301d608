"""Learned optimisers: rules against torch's, and what the outer gradient passes through."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from gradients import build, examples, meta_gradient, same, stack_of_tasks
from hypothesis import given, settings
from hypothesis import strategies as st
from mlw_learned.l2l import L2L
from mlw_learned.rules import LSTM, Transformer, by_hand
from torch import nn
from torch.func import functional_call

from workbench.testing import check_learner, tiny_source

NARROW = "conv4:norm=batch,width=2"


@pytest.mark.parametrize(
    "spec",
    [
        "l2l:rule=transformer,inner_steps=3,history=2",
        "l2l:rule=adam,inner_steps=2",
        "l2l:rule=momentum,first=learnt,inner_steps=2,second_order=true",
        "l2l:inner_steps=3,unroll=2,objective=support,units=3",
    ],
)
def test_the_contract_holds_with_options(spec):
    check_learner(spec, backbone=NARROW)


def moved(rule, gradients):
    """Return theta after each gradient, from 0."""
    theta, state = {"theta": torch.zeros(len(gradients[0]))}, None
    found = []
    for gradient in gradients:
        theta, state = rule.step(theta, {"theta": gradient}, state)
        found.append(theta["theta"])
    return found


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sgd", lambda theta: torch.optim.SGD(theta, 0.1)),
        ("momentum", lambda theta: torch.optim.SGD(theta, 0.1, momentum=0.9)),
        ("rmsprop", lambda theta: torch.optim.RMSprop(theta, 0.1)),
        ("adam", lambda theta: torch.optim.Adam(theta, 0.1)),
    ],
)
def test_rules_by_hand_are_torchs(name, make, float64):
    gradients = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    theta = nn.Parameter(torch.zeros(5))
    theirs = make([theta])
    for gradient, ours in zip(gradients, moved(by_hand(name, 0.1), gradients), strict=True):
        theta.grad = gradient.clone()
        theirs.step()
        assert torch.allclose(ours, theta)


def test_the_lstm_is_torchs_with_size_and_sign(float64):
    torch.manual_seed(0)
    rule = LSTM(0.1, 4)
    theirs = nn.LSTM(2, 4, num_layers=2)
    cells = (rule.first, rule.second)
    for layer, cell in enumerate(cells):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(theirs, f"{name}_l{layer}").data = getattr(cell, name).data
    gradients = torch.randn(5, 3) * torch.tensor([1.0, 1e-3, 1e-7])
    seen = []
    for gradient in gradients:
        row = []
        for g in gradient.tolist():
            large = abs(g) >= math.exp(-10)
            row.append(
                [math.log(abs(g)) / 10, math.copysign(1, g)] if large else [-1, math.exp(10) * g]
            )
        seen.append(row)
    outputs, _ = theirs(torch.tensor(seen, dtype=torch.float64))  # (steps, weights, units)
    expected = 0.1 * rule.move(outputs).squeeze(-1).cumsum(0)
    assert torch.allclose(torch.stack(moved(rule, gradients)), expected)


@settings(deadline=None, max_examples=20)
@given(order=st.permutations(range(5)))
def test_each_weight_is_treated_by_itself(order):
    order = list(order)
    gradients = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    for rule in (LSTM(0.1, 3), Transformer(0.1, 4, 3), by_hand("rmsprop", 0.1)):
        straight = torch.stack(moved(rule, gradients))
        shuffled = torch.stack(moved(rule, gradients[:, order]))
        assert torch.allclose(straight[:, order], shuffled, atol=1e-6)
        alone = torch.stack(moved(rule, gradients[:, :1]))
        assert torch.allclose(straight[:, :1], alone, atol=1e-6)


def test_the_transformer_sees_its_history_and_no_more():
    torch.manual_seed(0)
    rule = Transformer(0.1, 4, 3)
    gradients = torch.randn(5, 2)
    other = torch.cat([9 * gradients[:2], gradients[2:]])  # the first two are forgotten
    moves = [torch.stack(moved(rule, each)).diff(dim=0)[-1] for each in (gradients, other)]
    assert torch.allclose(*moves, atol=1e-7)
    other[2] *= 9
    assert not torch.allclose(moves[0], torch.stack(moved(rule, other)).diff(dim=0)[-1], atol=1e-7)


def by_autograd(learner, tasks, first, *, create_graph):
    """Return equation 2 with `torch.autograd.grad`, task after task."""
    start = {name: weight.clone().requires_grad_() for name, weight in first.items()}
    losses = []
    for number in range(len(tasks.support.x)):
        theta, state = start, None
        for _ in range(learner.inner_steps):
            predicted = functional_call(learner.model, theta, tasks.support.x[number])
            loss = F.cross_entropy(predicted, tasks.support.y[number])
            slopes = torch.autograd.grad(
                loss, list(theta.values()), create_graph=create_graph, retain_graph=True
            )
            gradient = dict(zip(theta, slopes, strict=True))
            theta, state = learner.learned.step(theta, gradient, state)
            predicted = functional_call(learner.model, theta, tasks.query.x[number])
            losses.append(F.cross_entropy(predicted, tasks.query.y[number]))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("batched", [True, False])
def test_the_rule_learns_from_the_losses_after_all_steps(
    second_order, batched, float64, monkeypatch
):
    monkeypatch.setattr(L2L, "batched", batched)
    spec = f"l2l:inner_steps=3,units=3,second_order={str(second_order).lower()}"
    tasks, learner = stack_of_tasks(2), build(spec, NARROW)
    learner.learned.move.weight.data.mul_(100)  # large moves, so that the orders differ
    theta = learner.first_weights()
    ours = learner.loss_of_steps(tasks, theta)
    theirs = by_autograd(learner, tasks, theta, create_graph=second_order)
    assert torch.allclose(ours, theirs)
    gradient = meta_gradient(learner, ours)
    assert same(gradient, meta_gradient(learner, theirs), rtol=1e-6, atol=1e-9)
    other = by_autograd(learner, tasks, theta, create_graph=not second_order)
    assert not same(gradient, meta_gradient(learner, other), rtol=1e-6, atol=1e-9)


def test_a_short_unroll_cuts_the_outer_gradient_and_changes_no_loss(float64):
    tasks = stack_of_tasks(1)
    whole, cut = (
        build("l2l:inner_steps=4,units=3", NARROW),
        build("l2l:inner_steps=4,units=3,unroll=2", NARROW),
    )
    theta = whole.first_weights()
    losses = [learner.loss_of_steps(tasks, theta) for learner in (whole, cut)]
    assert torch.equal(*losses)
    assert not same(meta_gradient(whole, losses[0]), meta_gradient(cut, losses[1]))


def test_fresh_weights_are_another_draw_and_test_tasks_start_from_one():
    learner = build("l2l:inner_steps=1", NARROW)
    names = dict(learner.model.named_parameters())
    first, second = learner.first_weights(), learner.first_weights()
    for name, weight in names.items():
        assert torch.equal(first[name].flatten().sort().values, weight.flatten().sort().values)
    assert not torch.equal(first["1.weight"], second["1.weight"])
    start = next(iter(learner.predictors(stack_of_tasks(1).support)))
    x = stack_of_tasks(1).query.x[0]
    assert torch.allclose(start(x), learner.model(x), atol=1e-5)


def test_a_rule_by_hand_learns_nothing_from_fresh_weights():
    assert list(build("l2l:rule=adam", NARROW).losses(tiny_source())) == []
    learnt = build("l2l:rule=sgd,first=learnt,inner_steps=1", NARROW)
    next(learnt.losses(tiny_source())).backward()
    assert all(parameter.grad is not None for parameter in learnt.model.parameters())


def test_a_trained_rule_is_better_than_an_untrained_one_and_than_slow_descent():
    learner = build("l2l:inner_steps=6,units=8", NARROW)
    slow = build("l2l:rule=sgd,inner_steps=6,rate=0.001", NARROW)
    optimizer = torch.optim.Adam([p for p in learner.parameters() if p.requires_grad], 1e-2)
    tasks = next(tiny_source(stack=8, split="test").tasks())
    theta = dict(learner.model.named_parameters())
    untrained = learner.loss_of_steps(tasks, theta).item()
    for _, loss in zip(range(60), learner.losses(tiny_source(stack=4)), strict=False):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    trained = learner.loss_of_steps(tasks, theta).item()
    assert trained < untrained - 0.1
    assert trained < slow.loss_of_steps(tasks, theta).item() - 0.1


def test_more_steps_are_taken_at_test_than_in_training():
    learner = build("l2l:inner_steps=2,test_steps=5,units=3", NARROW)
    tasks = stack_of_tasks(1)
    support = examples(tasks)
    weights = dict(learner.model.named_parameters())
    assert len(list(learner.path(support, weights))) == 1 + 2
    assert len(list(learner.eval().path(support, weights))) == 1 + 5

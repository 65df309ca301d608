"""Reptile against `torch.optim` on a copy of the network, and its batches."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from gradients import GROUPED, build, meta_gradient, same, skip_on_old_torch, stack_of_tasks
from hypothesis import given
from hypothesis import strategies as st
from mlw_optimization.reptile import Reptile, mini_batches

from workbench.testing import tiny_source


def tuned_by_torch(learner, tasks, number, order, squares=None, taken=0):
    """Return phi and the second moments by torch.optim.Adam with beta1 = 0."""
    model = copy.deepcopy(learner.model)
    adam = torch.optim.Adam(model.parameters(), learner.inner_lr, betas=(0.0, 0.999))
    for index, weight in enumerate(model.parameters() if squares else []):
        moments = {"exp_avg": torch.zeros_like(weight), "exp_avg_sq": squares[index].clone()}
        adam.state[weight] = {"step": torch.tensor(float(taken)), **moments}
    for batch in order:
        adam.zero_grad()
        F.cross_entropy(
            model(tasks.support.x[number][batch]), tasks.support.y[number][batch]
        ).backward()
        adam.step()
    return [weight.detach() for weight in model.parameters()], [
        adam.state[w]["exp_avg_sq"] for w in model.parameters()
    ]


@pytest.mark.parametrize("batched", [True, False])
def test_reptiles_gradient_is_the_way_back_from_the_tuned_weights(batched, float64, monkeypatch):
    skip_on_old_torch("reptile", GROUPED)
    monkeypatch.setattr(Reptile, "batched", batched)
    learner = build("reptile:inner_steps=3,inner_batch=4", GROUPED)
    losses, tasks = learner.losses(tiny_source(stack=2)), tiny_source(stack=2).tasks()
    squares = None
    for taken in (0, 3):  # Adam's moments carry over
        torch.manual_seed(5)
        order = mini_batches(6, 4, 3)
        torch.manual_seed(5)
        ours = meta_gradient(learner, next(losses))
        stack = next(tasks)
        apart = [
            tuned_by_torch(learner, stack, number, order, squares, taken) for number in range(2)
        ]
        phi = [
            torch.stack(weights).mean(0)
            for weights in zip(*(weights for weights, _ in apart), strict=True)
        ]
        squares = [
            torch.stack(moments).mean(0)
            for moments in zip(*(moments for _, moments in apart), strict=True)
        ]
        theta = list(learner.parameters())
        assert same(
            ours, [start - end for start, end in zip(theta, phi, strict=True)], rtol=1e-7, atol=1e-9
        )
    assert learner.steps_taken == 6


def test_reptile_goes_on_from_its_state(float64):
    skip_on_old_torch("reptile", GROUPED)
    learner, source = build("reptile:inner_steps=2", GROUPED), tiny_source(stack=2)
    losses = learner.losses(source)
    next(losses)
    state, position, random = (
        copy.deepcopy(learner.state_dict()),
        source.state_dict(),
        torch.get_rng_state(),
    )
    expected = next(losses)
    again, fresh = build("reptile:inner_steps=2", GROUPED), tiny_source(stack=2)
    again.load_state_dict(state)
    fresh.load_state_dict(position)
    torch.set_rng_state(random)
    assert torch.equal(next(again.losses(fresh)), expected)


def test_sgd_of_rate_epsilon_is_reptiles_outer_step(float64):
    skip_on_old_torch("reptile", GROUPED)
    learner = build("reptile:inner_steps=2", GROUPED)
    torch.manual_seed(1)
    phi = tuned_by_torch(learner, stack_of_tasks(1), 0, mini_batches(6, 10, 2))[0]
    expected = [
        start + 0.3 * (end - start) for start, end in zip(learner.parameters(), phi, strict=True)
    ]
    sgd = torch.optim.SGD(learner.parameters(), 0.3)
    torch.manual_seed(1)
    next(learner.losses(tiny_source(stack=1))).backward()
    sgd.step()
    assert same(learner.parameters(), expected, rtol=1e-7, atol=1e-9)


@given(n=st.integers(1, 12), size=st.integers(1, 15), count=st.integers(0, 9))
def test_reptiles_batches_use_each_image_before_any_comes_again(n, size, count):
    batches = mini_batches(n, size, count, torch.Generator().manual_seed(0))
    assert [len(batch) for batch in batches] == [min(n, size)] * count
    order = [number for batch in batches for number in batch.tolist()]
    for first in range(0, len(order), n):
        one_pass = order[first : first + n]
        assert len(set(one_pass)) == len(one_pass)

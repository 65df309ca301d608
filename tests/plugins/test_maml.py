"""MAML against `torch.autograd` with `create_graph=True`, in float64, stacked and task by task."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from gradients import build, meta_gradient, nodes, same, skip_on_old_torch, stack_of_tasks
from mlw_optimization.maml import MAML
from torch.func import functional_call

from workbench.learning.learner import query_loss, scores
from workbench.testing import tiny_source


def reference_meta_gradient(learner, tasks, steps, rate):
    """Compute MAML with autograd.grad(create_graph=True) and torch's own batch normalisation."""
    model = learner.model
    losses = []
    for task in range(len(tasks.support.x)):
        weights = dict(model.named_parameters())

        def forward(x, w):
            for block in range(4):
                x = F.conv2d(
                    x, w[f"0.blocks.{4 * block}.weight"], w[f"0.blocks.{4 * block}.bias"], padding=1
                )
                scale, shift = (
                    w[f"0.blocks.{4 * block + 1}.weight"],
                    w[f"0.blocks.{4 * block + 1}.bias"],
                )
                x = F.max_pool2d(
                    F.relu(F.batch_norm(x, None, None, scale, shift, training=True)), 2
                )
            return F.linear(x.flatten(1), w["1.weight"], w["1.bias"])

        for _ in range(steps):
            loss = F.cross_entropy(forward(tasks.support.x[task], weights), tasks.support.y[task])
            gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
            weights = {
                name: weight - rate * gradient
                for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
            }
        losses.append(F.cross_entropy(forward(tasks.query.x[task], weights), tasks.query.y[task]))
    return torch.autograd.grad(torch.stack(losses).mean(), list(model.parameters()))


@pytest.mark.parametrize("checkpoint", ["true", "false"])
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("steps", [1, 3])
def test_mamls_meta_gradient_is_that_of_create_graph(
    checkpoint, batched, steps, float64, monkeypatch
):
    spec = f"maml:inner_lr=0.3,inner_steps={steps},checkpoint={checkpoint}"
    skip_on_old_torch(spec)
    monkeypatch.setattr(MAML, "batched", batched)
    learner = build(spec)
    tasks = stack_of_tasks()
    theirs = reference_meta_gradient(learner, tasks, steps, 0.3)
    assert same(meta_gradient(learner, query_loss(learner, tasks)), theirs)
    assert sum(float(gradient.abs().sum()) for gradient in theirs) > 0.1


@pytest.mark.parametrize(
    "options", ["", "per_layer_lr=true,", "first_order=true,", "inductive=true,"]
)
@pytest.mark.parametrize("batched", [True, False])
def test_recomputation_changes_no_gradient(options, batched, float64, monkeypatch):
    skip_on_old_torch("maml:checkpoint=true")
    monkeypatch.setattr(MAML, "batched", batched)
    tasks = stack_of_tasks(2)
    plain, lean = (
        build(f"maml:{options}inner_steps=3,checkpoint={word}") for word in ("false", "true")
    )
    ours, theirs = (meta_gradient(learner, query_loss(learner, tasks)) for learner in (lean, plain))
    assert same(ours, theirs, rtol=1e-12, atol=1e-14)


def test_recomputation_keeps_no_graph_of_an_inner_step(float64):
    skip_on_old_torch("maml:checkpoint=true")
    tasks = stack_of_tasks(1)
    one, five, plain = (
        nodes(query_loss(build(f"maml:{options}"), tasks))
        for options in (
            "inner_steps=1,checkpoint=true",
            "inner_steps=5,checkpoint=true",
            "inner_steps=5",
        )
    )
    assert five - one < 4 * 20  # the node of the step and those that split its results
    assert five < plain / 10


def test_first_order_is_the_detached_formula_and_builds_no_second_graph(float64):
    tasks = stack_of_tasks(1)
    first, second = build("maml:inner_steps=2,first_order=true"), build("maml:inner_steps=2")
    assert nodes(query_loss(first, tasks)) < nodes(query_loss(second, tasks)) / 3
    ours = meta_gradient(first, query_loss(first, tasks))

    weights = {name: value.detach().clone() for name, value in first.model.named_parameters()}
    for _ in range(2):
        leaves = {name: value.detach().requires_grad_() for name, value in weights.items()}
        loss = F.cross_entropy(
            functional_call(first.model, leaves, tasks.support.x[0]), tasks.support.y[0]
        )
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        weights = {
            name: leaf.detach() - 0.4 * g
            for (name, leaf), g in zip(leaves.items(), gradients, strict=True)
        }
    leaves = {name: value.requires_grad_() for name, value in weights.items()}
    loss = F.cross_entropy(functional_call(first.model, leaves, tasks.query.x[0]), tasks.query.y[0])
    assert same(ours, torch.autograd.grad(loss, list(leaves.values())))


def test_maml_takes_test_steps_in_eval_mode(float64):
    task = stack_of_tasks(1)
    learner = build("maml:inner_steps=1,test_steps=3")
    trained = scores(learner, task.support, task.query.x)
    tested = scores(learner.eval(), task.support, task.query.x)
    three = scores(build("maml:inner_steps=3"), task.support, task.query.x)
    assert torch.allclose(tested, three)
    assert not torch.allclose(tested, trained)


def test_rates_by_layer_that_are_all_inner_lr_give_maml(float64):
    tasks = stack_of_tasks()
    plain, learnt = build("maml:inner_steps=2"), build("maml:inner_steps=2,per_layer_lr=true")
    ours = meta_gradient(learnt, query_loss(learnt, tasks))
    assert learnt.rates.shape == (2, len(list(plain.model.parameters())))
    by_name = dict(zip([name for name, _ in learnt.named_parameters()], ours, strict=True))
    assert (by_name.pop("rates") != 0).all(dim=1).any()
    assert same(by_name.values(), meta_gradient(plain, query_loss(plain, tasks)))


def test_the_gradient_of_a_rate_is_its_difference_quotient(float64):
    tasks, learner = stack_of_tasks(2), build("maml:inner_steps=2,per_layer_lr=true")
    (gradient,) = torch.autograd.grad(query_loss(learner, tasks), [learner.rates])
    around = []
    for step in (1e-5, -1e-5):
        moved = copy.deepcopy(learner)
        with torch.no_grad():
            moved.rates[1, -2] += step
        around.append(query_loss(moved, tasks))
    assert torch.isclose((around[0] - around[1]) / 2e-5, gradient[1, -2], rtol=1e-5)


def test_a_step_beyond_the_last_takes_the_last_ones_rates(float64):
    task = stack_of_tasks(1)
    learner = build("maml:inner_steps=1,test_steps=3,per_layer_lr=true").eval()
    with torch.no_grad():
        learner.rates.copy_(torch.rand_like(learner.rates))
        alike = build("maml:inner_steps=3,per_layer_lr=true")
        alike.rates.copy_(learner.rates.expand(3, -1))
    assert torch.allclose(
        *(scores(method, task.support, task.query.x) for method in (learner, alike))
    )


@pytest.mark.parametrize("batched", [True, False])
def test_the_multi_step_loss_goes_from_the_mean_over_steps_to_the_last(
    batched, float64, monkeypatch
):
    monkeypatch.setattr(MAML, "batched", batched)
    tasks, learner = stack_of_tasks(2), build("maml:inner_steps=3,multi_step_loss=100")
    each = [query_loss(build(f"maml:inner_steps={steps}"), tasks) for steps in (1, 2, 3)]
    assert torch.allclose(learner.loss_of_steps(tasks, 0.0), torch.stack(each).mean())
    assert torch.allclose(
        learner.loss_of_steps(tasks, 0.5), each[2] / 2 + torch.stack(each).mean() / 2
    )
    last = learner.loss_of_steps(tasks, 1.0)
    assert torch.allclose(last, each[2])
    assert same(meta_gradient(learner, last), meta_gradient(learner, query_loss(learner, tasks)))


def test_the_multi_step_loss_counts_training_tasks_and_ends(float64):
    learner, plain = build("maml:inner_steps=2,multi_step_loss=8"), build("maml:inner_steps=2")
    ours, theirs, fresh = (
        learner.losses(tiny_source(stack=4)),
        plain.losses(tiny_source(stack=4)),
        tiny_source(stack=4),
    )
    first = next(ours)
    assert torch.allclose(first, learner.loss_of_steps(next(fresh.tasks()), 4 / 8))
    assert not torch.allclose(first, next(theirs))
    assert torch.allclose(next(ours), next(theirs))  # 8 tasks are drawn

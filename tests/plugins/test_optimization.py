"""All optimisation-based methods: the contract, errors, and one step computed by hand."""

from __future__ import annotations

import pytest
import torch
from gradients import GROUPED, NARROW, Pixels, build, examples, skip_on_old_torch, stack_of_tasks
from hypothesis import given, settings
from hypothesis import strategies as st
from mlw_optimization.anil import ANIL
from mlw_optimization.cavia import CAVIA
from mlw_optimization.imaml import IMAML
from mlw_optimization.maml import MAML
from mlw_optimization.metalstm import MetaLSTM
from mlw_optimization.metasgd import MetaSGD
from mlw_optimization.reptile import Reptile
from torch import nn

from workbench.errors import UsageError
from workbench.tasks.task import Examples
from workbench.testing import check_learner

CLASSES = {
    "anil": ANIL,
    "cavia": CAVIA,
    "imaml": IMAML,
    "maml": MAML,
    "metalstm": MetaLSTM,
    "metasgd": MetaSGD,
    "reptile": Reptile,
}


@pytest.mark.parametrize("backbone", [NARROW, GROUPED])
@pytest.mark.parametrize(
    "spec",
    [
        "maml:inner_steps=2,test_steps=3,per_layer_lr=true,multi_step_loss=8,checkpoint=true",
        "maml:inductive=true,first_order=true",
        "reptile:test_steps=3",
        "reptile:test_steps=3,test_batch=2,inductive=true",
        "imaml:inner_steps=2",
        "anil:test_steps=7",
        "anil:nil=true",
        "metalstm:inner_steps=3,units=4",
        "metalstm:inductive=true",
        "metasgd:inner_steps=2",
        "cavia:first_order=true,block=2,context=7",
    ],
)
def test_the_contract_holds_with_options(spec, backbone):
    skip_on_old_torch(spec, backbone)
    check_learner(spec, backbone=backbone)


@pytest.mark.parametrize("name", CLASSES)
def test_running_averages_are_refused_in_one_sentence(name):
    with pytest.raises(UsageError, match="conv4:norm=batch"):
        build(name, backbone="conv4:norm=running")


@pytest.mark.parametrize(
    ("version", "too_old"),
    [("2.9.1", True), ("2.13.0+cpu", True), ("2.14.0", False), ("3.0", False)],
)
@pytest.mark.parametrize(
    ("spec", "backbone", "message"),
    [
        ("maml:checkpoint=true", NARROW, "maml:checkpoint=true needs torch 2.14"),
        ("anil", GROUPED, "group normalisation within a task needs torch 2.14"),
    ],
)
def test_what_needs_a_newer_torch_says_so(spec, backbone, message, version, too_old, monkeypatch):
    monkeypatch.setattr(torch, "__version__", version)
    if not too_old:
        build(spec, backbone=backbone)
        return
    with pytest.raises(UsageError, match=message):
        build(spec, backbone=backbone)


@pytest.mark.parametrize(
    "name", ["anil", "cavia", "imaml:inner_steps=2", "maml", "metalstm:inner_steps=2", "metasgd"]
)
@given(order=st.permutations(range(6)))
@settings(deadline=None, max_examples=5)
def test_the_order_of_the_support_does_not_matter(name, order):
    torch.set_default_dtype(torch.float64)
    try:
        tasks, learner = stack_of_tasks(1), build(name).eval()
        x, y, ways = examples(tasks)
        with torch.no_grad():
            straight = learner.adapt(Examples(x, y, ways))(tasks.query.x[0])
            shuffled = learner.adapt(Examples(x[list(order)], y[list(order)], ways))(
                tasks.query.x[0]
            )
        assert torch.allclose(straight, shuffled)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("learner", "weight"),
    [
        # the gradient at 0 is -1/4 at the pixel of the class, 1/4 at the other pixel
        (MAML(Pixels(), 2, inner_lr=0.4), 0.1),
        (ANIL(Pixels(), 2, inner_lr=0.4, inner_steps=1), 0.1),
        (MetaSGD(Pixels(), 2, alpha_low=0.4, alpha_high=0.4), 0.1),
        (IMAML(Pixels(), 2, inner_lr=0.4, inner_steps=1, proximity=3.0), 0.1),
        # in the second step, the gradient is sigmoid(-2 w) / 2 at w = 0.1; iMAML adds lambda w
        (MAML(Pixels(), 2, inner_lr=0.4, inner_steps=2), 0.1900332),
        (IMAML(Pixels(), 2, inner_lr=0.4, inner_steps=2, proximity=0.5), 0.1700332),
        # all gates are open by half
        (MetaLSTM(Pixels(), 2, inner_steps=1), 0.125),
        # Adam's first step has the length of its rate
        (Reptile(Pixels(), 2, inner_lr=0.4, test_steps=1), 0.4),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else f"{value:g}",
)
def test_worked_examples(learner, weight):
    with torch.no_grad():
        for name, value in learner.named_parameters():
            if not name.startswith("alpha"):
                value.zero_()
        support = Examples(torch.eye(2).reshape(2, 1, 1, 2), torch.tensor([0, 1]), 2)
        predicted = learner.eval().adapt(support)(
            torch.tensor([[1.0, 0], [0, 1], [2, 1]]).reshape(3, 1, 1, 2)
        )
    expected = torch.tensor([[weight, -weight], [-weight, weight], [weight, -weight]])
    assert torch.allclose(predicted, expected, atol=1e-6)


@pytest.mark.parametrize(
    "spec",
    ["maml:inductive=true", "metalstm:inductive=true", "reptile:inductive=true,test_steps=2"],
)
def test_inductive_normalises_a_query_with_the_support_alone(spec, float64):
    tasks, learner = stack_of_tasks(1), build(spec).eval()
    transductive = build(spec.replace("inductive=true", "inductive=false")).eval()
    assert (learner.transductive, transductive.transductive) == (False, True)
    support, queries = examples(tasks), tasks.query.x[0]
    with torch.no_grad():
        predicted = learner.adapt(support)(queries)
        whole_batch = transductive.adapt(support)
        for number, query in enumerate(queries):
            assert torch.allclose(
                predicted[number], whole_batch(torch.cat([support.x, query[None]]))[-1]
            )

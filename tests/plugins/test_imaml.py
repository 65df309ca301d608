"""iMAML's implicit gradient: on a quadratic, for an inner loop that converges, the authors'."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from gradients import Pixels, build, meta_gradient, nodes, same, stack_of_tasks
from mlw_optimization.imaml import IMAML
from torch.func import functional_call

from workbench.experiments.build import build_backbone
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.experiments.train_run import train_run
from workbench.experiments.workspace import Workspace
from workbench.learning.learner import query_loss, scores
from workbench.plugin.recipes import recipe_settings
from workbench.plugin.registry import registry
from workbench.tasks.task import Examples
from workbench.testing import tiny_data


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


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_a_damping_of_lambda_plus_20_solves_the_system_of_the_authors_code(
    strength, float64, monkeypatch
):
    """Theirs: (2 I + H/(lambda + 10)) v = g, solved here with a dense Hessian."""
    size = 9
    learner = IMAML(Pixels(), 3, proximity=strength, damping=strength + 20, cg_steps=size)
    square = torch.randn(size, size)
    hessian = square + square.T  # indefinite, as a network's
    monkeypatch.setattr(learner, "loss", lambda phi, x, y: phi @ hessian @ phi / 2)
    gradient = torch.randn(size)
    ours, curvature = learner.implicit(torch.zeros(1), torch.zeros(1), torch.randn(size), gradient)
    theirs = torch.linalg.solve(2 * torch.eye(size) + hessian / (strength + 10), gradient)
    assert torch.allclose(ours / 2, theirs)
    assert curvature > 0


def test_the_paper_recipe_has_the_authors_damping_eps_and_network():
    for ways, shots in ((5, 1), (5, 5), (20, 1), (20, 5)):
        settings = recipe_settings(
            registry().find("algorithms", "imaml"), "paper", "omniglot", ways, shots
        )
        assert settings["proximity"] == 2.0
        assert settings["damping"] == 22.0
        assert settings["eps"] == 2e-3  # 1e-3 on half our gradient
        backbone = build_backbone(settings["backbone"], (1, 28, 28))
        assert backbone.dim == 256
        assert "MaxPool2d" not in str(backbone)


@pytest.mark.parametrize("batched", [True, False])
def test_negative_curvature_is_counted_and_told(batched, float64, monkeypatch):
    monkeypatch.setattr(IMAML, "batched", batched)
    learner = IMAML(Pixels(), 3, inner_steps=0, proximity=1.0, cg_steps=3)
    assert not learner.notes()
    # the Hessian is the first pixel times the identity: I + H/lambda is -1, 3 and 0.5 times it
    monkeypatch.setattr(learner, "loss", lambda phi, x, y: x.flatten()[0] * phi.square().sum() / 2)
    x = torch.zeros(3, 6, 1, 1, 2)
    x[:, 0, 0, 0, 0] = torch.tensor([-2.0, 2.0, -0.5])
    support = Examples(x, torch.zeros(3, 6, dtype=torch.long), 3)
    queries = torch.rand(3, 4, 1, 1, 2)
    scores(learner, support, queries)[..., 0].sum().backward()
    assert (int(learner.solved), int(learner.indefinite)) == (3, 1)
    (note,) = learner.notes()
    assert "negative curvature in 1 of 3 solves (33.3%)" in note
    assert note.endswith("a larger damping than 0 helps, for instance imaml:damping=21")


def test_the_count_of_a_run_is_said_and_kept(tmp_path):
    data = tiny_data()
    plan = make_plan(
        "imaml:damping=0,inner_steps=3,inner_lr=1,steps=2,validate_every=0",
        data,
        TrainingRequest(ways=3, shots=2, backbone="conv4:norm=batch,width=8"),
    )
    said = []
    run = train_run(plan, data, Workspace(tmp_path, note=said.append))
    (note,) = run.manifest.result.notes
    assert said == [f"{plan.label}: {note}"]
    again = train_run(plan, data, Workspace(tmp_path, note=said.append))
    assert again.manifest.result.notes == (note,)
    assert len(said) == 2  # also where the run is only read

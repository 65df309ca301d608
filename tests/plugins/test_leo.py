"""LEO against its equations written out with loops and `create_graph=True`."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from features import Given
from mlw_optimization.leo import LEO

from workbench.experiments.build import build_backbone
from workbench.learning.learner import scores
from workbench.tasks.task import Examples, Task
from workbench.testing import check_learner, tiny_source

DIM, LATENT = 7, 3


@pytest.mark.parametrize(
    "spec", ["leo:latent=5,latent_steps=1,tune_steps=2", "leo:latent_steps=0,tune_steps=0"]
)
def test_the_contract_holds_with_options(spec):
    check_learner(spec)


def a_learner(**options):
    torch.manual_seed(0)
    options = {"latent": LATENT, "latent_steps": 2, "tune_steps": 2, "tune_lr": 0.1, **options}
    return LEO(Given(DIM), **options)


def a_task(tasks, counts=(2, 3, 1), queries=4):
    random = torch.Generator().manual_seed(1)
    ways = len(counts)
    y = torch.repeat_interleave(torch.arange(ways), torch.tensor(counts))
    y = torch.stack([y[torch.randperm(len(y), generator=random)] for _ in range(tasks)])
    query_y = torch.randint(ways, (tasks, queries), generator=random)
    x = F.normalize(torch.randn(tasks, len(y[0]) + queries, DIM, generator=random), dim=-1)
    support, query = Examples(x[:, :-queries], y, ways), Examples(x[:, -queries:], query_y, ways)
    return Task(support, query)


def written_out(learner, x, y, ways, kept, z_noise, w_noise):
    """Return all z, all w, and mean and log std of the first z, by loops over pairs."""
    codes = (kept * x) @ learner.codes.encoder.weight.mT
    outputs = [[] for _ in range(ways)]
    for i in range(len(x)):
        for j in range(len(x)):
            outputs[int(y[i])].append(learner.codes.relation(torch.cat([codes[i], codes[j]])))
    each = torch.stack([torch.stack(of_class).mean(0) for of_class in outputs])
    mean, log_std = each[:, :LATENT], each[:, LATENT:]

    def decoded(z):
        out = z @ learner.codes.decoder.weight.mT
        std = (2 / (ways + DIM)) ** 0.5 * out[:, DIM:].exp()
        return out[:, :DIM] + std * w_noise

    def gradient(weight, variable):
        loss = F.cross_entropy(x @ weight.mT, y)
        return torch.autograd.grad(loss, variable, create_graph=True)[0]

    latents = [mean + log_std.exp() * z_noise]
    weights = [decoded(latents[0])]
    for _ in range(learner.latent_steps):
        z = latents[-1]
        latents.append(z - learner.latent_rates * gradient(decoded(z), z))
        weights.append(decoded(latents[-1]))
    for _ in range(learner.tune_steps):
        weights.append(weights[-1] - learner.tune_rates * gradient(weights[-1], weights[-1]))
    return latents, weights, mean, log_std


def test_adaptation_is_that_of_the_paper_without_noise(float64):
    learner, task = a_learner().eval(), a_task(2)
    predicted = scores(learner, task.support, task.query.x)
    for x, y, query, ours in zip(*task.support[:2], task.query.x, predicted, strict=True):
        zeros = torch.zeros(3, 1)
        _, weights, _, _ = written_out(learner, x, y, 3, torch.ones_like(x), zeros, zeros)
        assert torch.allclose(ours, query @ weights[-1].mT)
        steps = [predict(query) for predict in learner.predictors(Examples(x, y, 3))]
        assert len(steps) == 1 + 2 + 2
        for step, weight in zip(steps, weights, strict=True):
            assert torch.allclose(step, query @ weight.mT)


@pytest.mark.parametrize("batched", [True, False])
def test_the_loss_and_its_second_order_gradient_are_equation_10(batched, float64, monkeypatch):
    monkeypatch.setattr(LEO, "batched", batched)
    weights_of_terms = {"divergence": 0.3, "encoder_penalty": 0.2, "orthogonality": 0.7}
    learner, tasks = a_learner(dropout=0.4, **weights_of_terms).train(), a_task(2)
    torch.manual_seed(5)
    ours = learner.loss_of_tasks(tasks) + 0.7 * learner.codes.correlation()

    torch.manual_seed(5)
    kept = F.dropout(torch.ones_like(tasks.support.x), 0.4)
    z_noise, w_noise = torch.randn(2, 3, LATENT), torch.randn(2, 3, DIM)
    losses = []
    for i in range(2):
        latents, weights, mean, log_std = written_out(
            learner, tasks.support.x[i], tasks.support.y[i], 3, kept[i], z_noise[i], w_noise[i]
        )
        normal = torch.distributions.Normal(mean, log_std.exp())
        divergence = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0, 1))
        way = latents[-1].detach() - latents[0]
        loss = F.cross_entropy(tasks.query.x[i] @ weights[-1].mT, tasks.query.y[i])
        losses.append(loss + 0.3 * divergence.mean() + 0.2 * way.square().mean())
    correlations = []
    for i in range(LATENT):
        for j in range(LATENT):
            rows = learner.codes.decoder.weight.mT
            cosine = F.cosine_similarity(rows[i], rows[j], dim=0)
            correlations.append((cosine - float(i == j)).square())
    theirs = torch.stack(losses).mean() + 0.7 * torch.stack(correlations).mean()
    assert torch.allclose(ours, theirs)
    learnt = [parameter for parameter in learner.parameters() if parameter.requires_grad]
    for mine, other in zip(
        torch.autograd.grad(ours, learnt), torch.autograd.grad(theirs, learnt), strict=True
    ):
        assert torch.allclose(mine, other)


def test_noise_is_of_training_losses_alone(float64):
    learner, task = a_learner(), a_task(1)
    first = scores(learner.train(), task.support, task.query.x)
    assert torch.equal(first, scores(learner.eval(), task.support, task.query.x))
    assert not torch.equal(learner.loss_of_tasks(task), learner.loss_of_tasks(task))


def test_the_backbone_is_frozen():
    backbone = build_backbone("conv4:width=4", (1, 16, 16))
    averages = backbone.state_dict()
    before = {name: value.clone() for name, value in averages.items()}
    learner = LEO(backbone).train()
    next(learner.losses(tiny_source())).backward()
    assert all(torch.equal(before[name], value) for name, value in averages.items())
    assert all(parameter.grad is None for parameter in backbone.parameters())
    assert learner.codes.encoder.weight.grad is not None


def test_rates_are_learnt_unless_they_are_not():
    for learnt in (True, False):
        learner = a_learner(learn_rates=learnt)
        trained = [name for name, each in learner.named_parameters() if each.requires_grad]
        assert ("latent_rates" in trained, "tune_rates" in trained) == (learnt, learnt)

"""LLAMA against explicit Hessians, and early stopping against the prior that it stands for."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F
from features import Given, drawn
from mlw_bayesian.llama import LLAMA, against_no_data

from workbench import Examples, Task
from workbench.functional import Weights, descend, last
from workbench.learning.learner import scores
from workbench.testing import check_learner

WAYS, SHOTS, DIM = 3, 2, 5


@pytest.mark.parametrize("spec", ["llama:marginal=true", "llama:inner_steps=3,penalty=0.1"])
def test_the_contract_holds_with_options(spec):
    check_learner(spec)


def kept(curvatures, rate, steps):
    """Return which share of the way to the minimum some steps go, by the formula of the module."""
    ratio, _ = against_no_data(rate * curvatures, steps)
    return ratio * steps * rate * curvatures


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_early_stopping_is_the_most_likely_under_a_prior(steps, float64):
    """In linear regression, exactly: Santos, Signal Processing Letters 3, 1996."""
    torch.manual_seed(0)
    n, rate = 12, 0.3
    x, y, first = torch.randn(n, DIM), torch.randn(n), torch.randn(DIM)

    def loss(weights: Weights) -> torch.Tensor:
        return (x @ weights["w"] - y).square().mean() / 2

    weights = Weights({"w": first})
    for _ in range(steps):
        weights = descend(loss, weights, rate)
    curvatures, directions = torch.linalg.eigh(x.T @ x)
    assert (rate * curvatures / n).max() < 1
    share = kept(curvatures, rate / n, steps)
    prior = directions @ torch.diag(curvatures * (1 - share) / share) @ directions.T
    likely = torch.linalg.solve(x.T @ x + prior, x.T @ y + prior @ first)
    assert torch.allclose(weights["w"], likely, atol=1e-12, rtol=0)


def test_what_is_kept_of_the_way():
    curvatures = torch.tensor([0.0, 0.5, 1.0, 2.0, 5.0])
    assert kept(curvatures, 0.5, 1).tolist() == [0.0, 0.25, 0.5, 1.0, 1.0]
    assert kept(curvatures, 0.5, 2).tolist() == [0.0, 0.4375, 0.75, 1.0, 1.0]


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_both_sums_keep_their_digits(steps, float64):
    u = torch.cat([torch.logspace(-12, 0.5, 60), torch.zeros(1)])
    ratio, difference = against_no_data(u, steps)
    exact = [1 - (1 - Fraction(float(each))) ** steps for each in u.clamp(max=1)]
    for each, found, slope, whole in zip(u, ratio, difference, exact, strict=True):
        number = Fraction(float(each))
        wanted = whole / (steps * number) if number else Fraction(1)
        limit = Fraction(steps - 1, 2)  # of the second one at 0
        assert float(found) == pytest.approx(float(wanted), rel=1e-13)
        wanted = (1 - wanted) / number if number else limit
        assert float(slope) == pytest.approx(float(wanted), rel=1e-12)


def learner_and_task(**options):
    torch.manual_seed(1)
    support, queries = drawn(1, SHOTS, WAYS, DIM)
    learner = LLAMA(Given(DIM), WAYS, **options).eval()
    return learner, Examples(support.x[0], support.y[0], WAYS), queries[0]


def explicit(learner, support, steps):
    """Return the covariance of the classifier's weights and log det(H / H_0), from the Hessian."""
    weights = list(learner.most_likely(support))[steps]
    flat = torch.cat([weights["head.weight"], weights["head.bias"][:, None]], 1).detach().flatten()
    x = torch.cat([support.x, torch.ones(len(support.x), 1)], 1)

    def loss(vector):
        return F.cross_entropy(x @ vector.view(WAYS, -1).T, support.y, reduction="sum")

    hessian = torch.autograd.functional.hessian(loss, flat)
    curvatures, directions = torch.linalg.eigh(hessian)
    nothing = len(x) / (steps * learner.inner_lr)
    seen = curvatures > 1e-12
    some = torch.where(seen, curvatures, 1)
    posterior = torch.where(seen, some / kept(some, learner.inner_lr / len(x), steps), nothing)
    covariance = directions @ torch.diag(1 / posterior) @ directions.T
    return covariance, (posterior / nothing).log().sum()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_posterior_is_that_of_the_explicit_hessian(steps, float64):
    learner, support, queries = learner_and_task(inner_steps=3, inner_lr=0.7)
    weights = list(learner.most_likely(support))[steps]
    posterior = learner.posterior(weights, support, steps)
    covariance, volume = explicit(learner, support, steps)
    assert posterior.volume.item() == pytest.approx(volume.item(), abs=1e-10)
    x = torch.cat([queries, torch.ones(len(queries), 1)], 1)
    each = torch.block_diag(*[torch.ones(1, DIM + 1)] * WAYS)  # which weights make which score
    jacobians = x.repeat(1, WAYS)[:, None] * each  # (m, ways, weights)
    variances = (jacobians @ covariance @ jacobians.mT).diagonal(dim1=1, dim2=2)
    assert torch.allclose(posterior.variances(x), variances, atol=1e-10)


def test_averaged_probabilities_are_near_those_of_many_draws(float64):
    learner, support, queries = learner_and_task(marginal=True, inner_lr=0.4)
    covariance, _ = explicit(learner, support, 5)
    weights = last(learner.most_likely(support))
    mean = torch.cat([weights["head.weight"], weights["head.bias"][:, None]], 1).flatten()
    normal = torch.distributions.MultivariateNormal(mean.detach(), covariance)
    x = torch.cat([queries, torch.ones(len(queries), 1)], 1)
    draws = normal.sample((20_000,)).view(-1, WAYS, DIM + 1)
    drawn_mean = (x @ draws.mT).softmax(-1).mean(0)
    averaged = learner.adapt(support)(queries).softmax(-1)
    plain, *_ = learner_and_task(inner_lr=0.4)
    unaware = plain.adapt(support)(queries).softmax(-1)
    error = (averaged - drawn_mean).abs().mean()
    assert error < 0.03
    assert error < 0.5 * (unaware - drawn_mean).abs().mean()
    assert (averaged.amax(-1) < unaware.amax(-1)).all()  # less sure


def test_without_penalty_and_average_it_is_maml(float64):
    from mlw_optimization.maml import MAML

    learner, support, queries = learner_and_task(
        inner_steps=2, inner_lr=0.4, penalty=0.0, marginal=False
    )
    maml = MAML(Given(DIM), WAYS, inner_steps=2, inner_lr=0.4)
    maml.model[1].load_state_dict(learner.model["head"].state_dict())
    assert torch.equal(learner.adapt(support)(queries), maml.adapt(support)(queries))
    y = torch.arange(len(queries)) % WAYS
    tasks = Task(
        Examples(support.x[None], support.y[None], WAYS), Examples(queries[None], y[None], WAYS)
    )
    loss = F.cross_entropy(maml.adapt(support)(queries), y)
    assert learner.surprise(tasks).item() == pytest.approx(loss.item(), abs=1e-12)


def test_the_derivative_of_the_loss(float64):
    learner, support, queries = learner_and_task(inner_steps=2, penalty=0.5)
    y = torch.arange(len(queries)) % WAYS
    tasks = Task(
        Examples(support.x[None], support.y[None], WAYS), Examples(queries[None], y[None], WAYS)
    )
    head = learner.model["head"]
    learner.surprise(tasks).backward()
    step = 1e-6
    for place in ((0, 0), (1, 3), (2, 4)):
        sides = []
        for change in (step, -step):
            with torch.no_grad():
                head.weight[place] += change
                sides.append(learner.surprise(tasks).item())
                head.weight[place] -= change
        slope = (sides[0] - sides[1]) / (2 * step)
        assert head.weight.grad[place].item() == pytest.approx(slope, abs=1e-8)


def test_the_volume_is_smaller_where_the_examples_say_less(float64):
    learner, support, _ = learner_and_task(inner_steps=3)
    weights = last(learner.most_likely(support))
    whole = learner.posterior(weights, support, 3).volume
    faint = learner.posterior(weights, support._replace(x=0.01 * support.x), 3).volume
    assert 0 < faint.item() < whole.item() < math.inf


def test_stacked_tasks_have_the_scores_of_single_ones(float64):
    torch.manual_seed(1)
    support, queries = drawn(4, SHOTS, WAYS, DIM)
    learner = LLAMA(Given(DIM), WAYS, marginal=True).eval()
    together = scores(learner, support, queries)
    for task, alone in enumerate(together):
        examples = Examples(support.x[task], support.y[task], WAYS)
        assert torch.allclose(learner.adapt(examples)(queries[task]), alone, atol=1e-12)

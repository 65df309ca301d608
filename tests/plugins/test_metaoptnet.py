"""MetaOptNet's heads against scikit-learn and the normal equations, and their derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from features import Given, alone, drawn
from gradients import build
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlw_optimization.crammer_singer import dual_weights
from mlw_optimization.metaoptnet import MetaOptNet, ridge, svm
from sklearn.linear_model import Ridge
from sklearn.svm import LinearSVC

from workbench.errors import UsageError
from workbench.experiments.algorithm import KnownAlgorithm
from workbench.functional import one_hot
from workbench.learning.learner import query_loss, scores
from workbench.plugin.options import convert_options, parse_spec
from workbench.testing import check_learner, tiny_source


@pytest.mark.parametrize(
    "spec",
    ["metaoptnet:head=svm", "metaoptnet:penalty=1.0,label_smoothing=0.1", "metaoptnet:head=r2d2"],
)
def test_the_contract_holds_with_options(spec):
    check_learner(spec)


@pytest.mark.parametrize(("shots", "dim"), [(2, 30), (5, 4)])  # fewer examples, fewer features
def test_ridge_is_scikit_learns(shots, dim, float64):
    support, queries = drawn(2, 3, shots, dim)
    learner = MetaOptNet(Given(dim), penalty=0.7)
    predicted = scores(learner, support, queries)
    for x, y, q, ours in zip(support.x, support.y, queries, predicted, strict=True):
        theirs = Ridge(alpha=0.7, fit_intercept=False).fit(x, one_hot(y, 3))
        assert np.allclose(ours.detach(), theirs.predict(q))
    assert torch.allclose(predicted, alone(learner, support, queries))


def test_the_embedding_learns_through_the_ridge(float64):
    """The same gradient as through the least squares of the stacked system."""
    support, queries = drawn(1, 3, 2, 9)
    labels = one_hot(support.y[0], 3)

    def by_least_squares(x):
        stacked = torch.cat([x, 5**0.5 * torch.eye(9)])
        return torch.linalg.lstsq(stacked, torch.cat([labels, torch.zeros(9, 3)])).solution

    def by_ridge(x):
        return ridge(x, labels, torch.tensor(5.0))

    gradients = []
    for solve in (by_least_squares, by_ridge):
        x = support.x[0].clone().requires_grad_()
        (queries[0] @ solve(x)).square().sum().backward()
        gradients.append(x.grad)
    assert torch.allclose(*gradients)


@pytest.mark.parametrize(
    ("ways", "shots", "dim", "c"),
    [(5, 1, 64, 0.1), (5, 15, 64, 0.1), (20, 5, 64, 0.1), (3, 20, 2, 1.0), (5, 5, 8, 100.0)],
)
@pytest.mark.filterwarnings("ignore:Liblinear failed to converge")  # 1e-12 is below rounding
def test_the_svm_is_scikit_learns(ways, shots, dim, c, float64):
    support, _ = drawn(2, ways, shots, dim)
    for x, y in zip(support.x, support.y, strict=True):
        theirs = LinearSVC(
            C=c, multi_class="crammer_singer", fit_intercept=False, tol=1e-12, max_iter=100_000
        )
        theirs.fit(x.numpy(), y.numpy())
        assert np.abs(svm(x, one_hot(y, ways), c).mT.numpy() - theirs.coef_).max() < 1e-6


@example(counts=[1, 2, 3, 3, 1, 4], dim=4, c=773.0, size=100.0, seed=89)
@settings(deadline=None, max_examples=30)
@given(
    counts=st.lists(st.integers(1, 6), min_size=2, max_size=6),
    dim=st.integers(1, 12),
    c=st.floats(1e-3, 1e3),
    size=st.floats(1e-2, 1e2),
    seed=st.integers(0, 99),
)
def test_the_duality_gap_of_the_svm_is_closed(counts, dim, c, size, seed):
    """No feasible point is better: the primal objective is the dual's, whatever the classes are."""
    y = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = F.one_hot(y).double()
    random = torch.Generator().manual_seed(seed)
    x = size * torch.randn(len(y), dim, generator=random, dtype=torch.float64)
    alpha = dual_weights(x @ x.mT, labels, c)
    assert (alpha - c * labels).max() <= 1e-9 * c
    assert alpha.sum(1).abs().max() <= 1e-9 * c
    weight = x.mT @ alpha
    margins = x @ weight
    own = (margins * labels).sum(1, keepdim=True)
    hinges = (margins + 1 - labels - own).amax(1)
    primal = weight.square().sum() / 2 + c * hinges.sum()
    dual = (alpha * labels).sum() - weight.square().sum() / 2
    assert abs(primal - dual) <= 1e-6 * (1 + abs(dual))


@pytest.mark.parametrize("c", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("dim", [30, 6])  # more features than examples, and fewer
def test_the_svm_is_differentiated_at_its_optimum(c, dim, float64):
    support, queries = drawn(1, 3, 4, dim)
    x, labels = support.x[0], one_hot(support.y[0], 3)

    def predicted(x):
        return queries[0] @ svm(x, labels, c)

    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    by_implicit = torch.autograd.functional.jvp(predicted, x, direction)[1]
    ahead, behind = predicted(x + 1e-5 * direction), predicted(x - 1e-5 * direction)
    assert by_implicit.abs().max() > 0.01
    assert torch.allclose(by_implicit, (ahead - behind) / 2e-5, atol=1e-5)


@pytest.mark.parametrize("c", [1e9, 1e12])
def test_an_svm_that_was_not_solved_has_no_scores(c):
    support, queries = drawn(2, 5, 5, 64)
    assert scores(MetaOptNet(Given(64), head="svm", c=1e3), support, queries).isfinite().all()
    assert scores(MetaOptNet(Given(64), head="svm", c=c), support, queries).isnan().all()


@pytest.mark.parametrize("dim", [64, 8])  # more features than examples, and fewer
def test_a_ridge_without_a_unique_solution_has_no_scores(dim):
    support, queries = drawn(2, 5, 5, dim)
    learner = MetaOptNet(Given(dim), penalty=1e-12)
    x = torch.stack([support.x[0], torch.ones_like(support.x[1])])  # equal images in the second
    predicted = scores(learner, support._replace(x=x), queries)
    assert predicted[0].isfinite().all()
    assert predicted[1].isnan().all()


@pytest.mark.parametrize("dim", [64, 8])
@pytest.mark.parametrize("penalty", [1e-4, 1e-6, 1e-9, 1e-12])
def test_a_small_penalty_counts_among_equal_images(dim, penalty):
    """With n equal rows r, W is r (Y's mean) / (|r|^2 + penalty / n), by the normal equations."""
    row = torch.rand(dim, generator=torch.Generator().manual_seed(0))
    labels = one_hot(torch.arange(10) % 5, 5).to(row)
    expected = torch.outer(row, labels.mean(0)) / (row.square().sum() + penalty / 10)
    weight = ridge(row.expand(10, -1), labels, torch.tensor(penalty))
    lost = penalty < 1e-7 and weight.isnan().all()  # in rounding, and then it is said
    assert lost or torch.allclose(weight, expected, rtol=1e-4)


def test_a_stack_of_svms_is_each_of_them(float64):
    support, queries = drawn(3, 4, 3, 10)
    learner = MetaOptNet(Given(10), head="svm")
    stacked = scores(learner, support, queries)
    assert torch.allclose(stacked, alone(learner, support, queries), atol=1e-9)


@pytest.mark.parametrize(
    ("head", "learnt"),
    [("ridge", {"gamma"}), ("svm", {"gamma"}), ("r2d2", {"gamma", "log_lambda"})],
)
def test_what_a_head_learns(head, learnt):
    support, queries = drawn(1, 3, 2, 9)
    learner = MetaOptNet(Given(9), head=head, penalty=3.0, scale=2.0)
    assert learner.log_lambda.exp().item() == pytest.approx(3.0)
    scores(learner, support, queries).square().sum().backward()
    with_gradient = {name for name, p in learner.named_parameters() if p.grad is not None}
    assert with_gradient == learnt
    doubled = MetaOptNet(Given(9), head=head, penalty=3.0, scale=4.0)
    assert torch.allclose(scores(doubled, support, queries), 2 * scores(learner, support, queries))


def test_labels_are_smoothed_in_training():
    backbone = "conv4:width=8"

    def smoothed(logits, y):
        labels = 0.7 * one_hot(y, 3) + 0.1
        return -(labels * logits.log_softmax(-1)).sum(1).mean()

    plain, smoothing = (
        build("metaoptnet", backbone),
        build("metaoptnet:label_smoothing=0.3", backbone),
    )
    expected = query_loss(plain, next(tiny_source().tasks()), smoothed)
    assert torch.allclose(next(smoothing.losses(tiny_source())), expected)


@pytest.mark.parametrize("text", ["metaoptnet:label_smoothing=3", "leo:dropout=1.5"])
def test_a_share_is_at_most_all(text):
    spec = parse_spec(text)
    with pytest.raises(UsageError, match="must be from 0 to 1"):
        convert_options(spec.name, spec.options, KnownAlgorithm(spec.name).all)

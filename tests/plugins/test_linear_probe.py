"""The linear probe against scikit-learn, and the gradient at its solution."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from features import Given, drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from mlw_transfer.linear_probe import LinearProbe
from sklearn.linear_model import LogisticRegression

from workbench.learning.learner import scores
from workbench.tasks.task import Examples


@pytest.mark.parametrize(
    ("ways", "shots", "dim", "c"),
    [
        (5, 1, 64, 1.0),
        (5, 5, 64, 1.0),
        (20, 5, 64, 1.0),
        (5, 20, 8, 1.0),
        (5, 5, 64, 0.01),
        (3, 4, 2, 100.0),
    ],
)
def test_linear_probe_is_scikit_learns_logistic_regression(ways, shots, dim, c, float64):
    learner = LinearProbe(Given(dim), c=c)
    support, queries = drawn(2, ways, shots, dim)
    support, queries = support._replace(x=learner.embed(support.x)), learner.embed(queries)
    stacked = scores(learner, support, queries)
    for x, y, q, predicted in zip(support.x, support.y, queries, stacked, strict=True):
        theirs = LogisticRegression(C=c, tol=1e-10, max_iter=100_000).fit(x.numpy(), y.numpy())
        ours = learner.adapt(Examples(x, y, ways))
        bias = ours(torch.zeros(1, dim))[0]
        weight = (ours(torch.eye(dim)) - bias).T  # (ways, dim)
        assert np.abs(weight.numpy() - theirs.coef_).max() < 1e-5
        assert np.abs(bias.numpy() - theirs.intercept_).max() < 1e-5
        assert np.abs(predicted.softmax(-1).numpy() - theirs.predict_proba(q.numpy())).max() < 1e-5


def test_linear_probe_of_two_ways_has_a_vector_for_each(float64):
    """Scikit-learn uses one vector w = w1 - w0 with twice the penalty: half the C."""
    learner = LinearProbe(Given(6), c=1.0)
    support, queries = drawn(1, 2, 4, 6)
    x, y, q = F.normalize(support.x[0], dim=-1), support.y[0], F.normalize(queries[0], dim=-1)
    theirs = LogisticRegression(C=2.0, tol=1e-10, max_iter=100_000).fit(x.numpy(), y.numpy())
    predicted = learner.adapt(Examples(x, y, 2))(q).softmax(-1)
    assert np.abs(predicted.numpy() - theirs.predict_proba(q.numpy())).max() < 1e-5


@settings(deadline=None, max_examples=40)
@given(
    ways=st.integers(2, 6),
    counts=st.lists(st.integers(1, 5), min_size=6, max_size=6),
    dim=st.integers(1, 12),
    c=st.floats(0.01, 30),
    seed=st.integers(0, 99),
)
def test_at_the_linear_probe_the_gradient_is_zero(ways, counts, dim, c, seed):
    y = torch.repeat_interleave(
        torch.arange(ways), torch.tensor(counts[:ways])
    )  # classes of unequal size
    random = torch.Generator().manual_seed(seed)
    x = F.normalize(torch.randn(len(y), dim, generator=random, dtype=torch.float64), dim=-1)
    predictor = LinearProbe(Given(dim), c=c).adapt(Examples(x, y, ways))
    bias = predictor(torch.zeros(1, dim, dtype=torch.float64))[0]
    weight = (predictor(torch.eye(dim, dtype=torch.float64)) - bias).T.requires_grad_()
    bias.requires_grad_()
    loss = (
        c * F.cross_entropy(F.linear(x, weight, bias), y, reduction="sum")
        + weight.square().sum() / 2
    )
    by_weight, by_bias = torch.autograd.grad(loss, (weight, bias))
    assert by_weight.abs().max() < 1e-4 * max(c, 1)
    assert by_bias.abs().max() < 1e-4 * max(c, 1)


def test_linear_probe_is_as_exact_in_single_precision():
    learner = LinearProbe(Given(64))
    support, queries = drawn(4, 5, 5, 64)
    support, queries = support._replace(x=learner.embed(support.x)), learner.embed(queries)
    double = scores(learner, support._replace(x=support.x.double()), queries.double())
    assert torch.allclose(scores(learner, support, queries).double(), double, atol=1e-5)

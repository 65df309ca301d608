"""TIM against independent formulas, torch.optim, and a worked example."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mlw_transfer.tim import TIM
from torch import nn

from workbench.experiments.build import build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.learning.learner import scores
from workbench.tasks.task import Examples
from workbench.testing import check_learner, tiny_data, tiny_source

NARROW = "conv4:width=8"


class Given(nn.Module):
    """A backbone for inputs that are features already."""

    dim = 2

    def forward(self, x):
        return x


def built(spec):
    data = tiny_data()
    return build_learner(
        make_plan(f"{spec},init=none", data, TrainingRequest(ways=3, shots=2, backbone=NARROW)),
        data,
    ).eval()


def embedded(learner, count=1):
    """Return a stack of embedded tasks of 3 ways, 2 shots and 4 queries per class."""
    task = next(tiny_source(stack=count).tasks())
    with torch.no_grad():
        x, queries = (
            learner.embed(part.flatten(0, 1)).unflatten(0, part.shape[:2])
            for part in (task[0].x, task[1].x)
        )
    return task.support._replace(x=x), queries


def examples(support, number=0):
    return Examples(support.x[number], support.y[number], support.ways)


def mutual_information(p, learner):
    """Return the weighted sum of H(Y) and -H(Y|X)."""

    def entropy(p):
        if learner.alpha == 1:
            return -(p * p.log()).sum(-1)
        return (1 - (p**learner.alpha).sum(-1)) / (learner.alpha - 1)

    return learner.marginal * entropy(p.mean(0)) - learner.conditional * entropy(p).mean()


@pytest.mark.parametrize(
    "options",
    [
        "head_steps=40",
        "alpha=3,head_steps=9,marginal=0.5,head_lr=1e-2",
        "head_steps=30,supervised=1,conditional=1,head_lr=1e-2",
    ],
)
def test_the_contract(options):
    check_learner(f"tim:{options}", backbone=NARROW)


def test_the_contract_with_the_recipe():
    check_learner("tim:head_steps=20")


def test_it_learns_nothing_in_training(float64):
    learner = built("tim:head_steps=1")
    assert list(learner.losses(tiny_source())) == []
    assert not learner.episodic


@pytest.mark.parametrize("alpha", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("batched", [True, False])
def test_the_class_weights_are_those_of_torch_adam_on_the_papers_loss(
    alpha, batched, float64, monkeypatch
):
    monkeypatch.setattr(TIM, "batched", batched)
    learner = built(
        f"tim:head_steps=30,head_lr=1e-2,alpha={alpha},supervised=0.3,marginal=0.8,conditional=0.2"
    )
    support, queries = embedded(learner, 2)
    ours = scores(learner, support, queries)
    for number in range(2):
        x, y, _ = examples(support, number)
        w = nn.Parameter(torch.stack([x[y == k].mean(0) for k in range(3)]))
        adam = torch.optim.Adam([w], 1e-2)

        def predictions(z, w=w):
            p = torch.exp(-15 / 2 * (z[:, None] - w).square().sum(-1))
            return p / p.sum(1, keepdim=True)

        for _ in range(30):
            adam.zero_grad()
            p = predictions(queries[number])
            cross_entropy = -predictions(x)[range(6), y].log().mean()
            (0.3 * cross_entropy - mutual_information(p, learner)).backward()
            adam.step()
        assert torch.allclose(ours[number].softmax(-1), predictions(queries[number]), atol=1e-9)


def test_no_step_is_the_nearest_class_mean_of_features_of_unit_length(float64):
    learner = built("tim:head_steps=0")
    support, queries = embedded(learner)
    assert torch.allclose(queries.norm(dim=-1), torch.ones(()))
    means = torch.stack([support.x[0][support.y[0] == way].mean(0) for way in range(3)])
    expected = -7.5 * torch.cdist(queries[0], means).square()
    assert torch.allclose(
        learner.adapt(examples(support))(queries[0]).softmax(-1), expected.softmax(-1)
    )


@pytest.mark.parametrize(
    ("alpha", "information"),
    [
        (1.0, 0.5 * math.log(2) - 0.1 * (math.log(4) - 0.75 * math.log(3))),
        (2.0, 0.5 * 0.5 - 0.1 * 0.375),
    ],
)
def test_a_worked_example(alpha, information, float64):
    """Predictions are (3/4, 1/4) and (1/4, 3/4).

    H(Y) = log 2 and H(Y|X) = log 4 - 3/4 log 3; of order 2, they are 1 - 1/2 and 1 - 5/8.
    """
    learner = TIM(Given(), marginal=0.5, conditional=0.1, alpha=alpha)
    queries = torch.tensor([[math.log(3), 0.0], [0.0, math.log(3)]], requires_grad=True)
    value = mutual_information(queries.softmax(-1), learner)
    assert math.isclose(value.detach(), information, rel_tol=1e-9)
    (gradient,) = torch.autograd.grad(value, queries)
    assert torch.allclose(learner.slope(queries.detach().softmax(-1)), -gradient)


def test_golden_numbers(float64):
    learner = TIM(Given(), head_steps=50, head_lr=1e-2).eval()
    angles = torch.tensor([0.1, 1.2, 0.3, 0.5, 0.6, 1.0])
    z = torch.stack([angles.cos(), angles.sin()], 1)
    predicted = learner.adapt(Examples(z[:2], torch.tensor([0, 1]), 2))(z[2:]).softmax(-1)[:, 0]
    assert torch.allclose(predicted, torch.tensor(GOLDEN), atol=1e-6)


GOLDEN = [0.986906, 0.731833, 0.331674, 0.000596]


def test_queries_of_one_class_are_pulled_apart_unless_the_marginal_counts_nothing(float64):
    """Eight queries are near the image of the first class, none near that of the second."""
    angles = torch.linspace(0.0, 0.7, 8)
    queries = torch.stack([angles.cos(), angles.sin()], 1)
    support = Examples(torch.eye(2), torch.arange(2), 2)
    shares = {}
    for marginal in (0.0, 1.0):
        learner = TIM(Given(), head_steps=500, head_lr=1e-2, marginal=marginal).eval()
        shares[marginal] = (learner.adapt(support)(queries).argmax(-1) == 0).double().mean()
    assert shares[0.0] == 1.0
    assert shares[1.0] == 0.5  # balanced, as it assumes, and half of the predictions are wrong


def test_a_class_that_was_not_met_yet_is_not_predicted(float64):
    learner = built("tim:head_steps=5")
    support, queries = embedded(learner)
    met = support.y[0] < 2
    predicted = learner.adapt(Examples(support.x[0][met], support.y[0][met], 3))(queries[0])
    assert predicted[:, :2].isfinite().all()
    assert (predicted[:, 2] == -torch.inf).all()


@given(
    st.lists(st.lists(st.floats(-4, 4), min_size=3, max_size=3), min_size=1, max_size=5),
    st.floats(1.1, 8),
)
@settings(deadline=None)
def test_the_slope_is_the_gradient_of_the_mutual_information(rows, alpha):
    for order in (1.0, alpha):
        learner = TIM(Given(), marginal=0.7, conditional=0.3, alpha=order)
        queries = torch.tensor(rows, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(mutual_information(queries.softmax(-1), learner), queries)
        assert torch.allclose(learner.slope(queries.detach().softmax(-1)), -gradient, atol=1e-9)


def test_one_query_alone_is_moved_by_nothing_but_the_support(float64):
    """With one query, H(Y) = H(Y|X)."""
    plain = TIM(Given(), head_steps=20, head_lr=1e-2, marginal=0, conditional=0).eval()
    whole = TIM(Given(), head_steps=20, head_lr=1e-2, marginal=1, conditional=1).eval()
    support, query = (
        Examples(torch.eye(2), torch.arange(2), 2),
        F.normalize(torch.tensor([[1.0, 0.4]])),
    )
    assert torch.allclose(plain.adapt(support)(query), whole.adapt(support)(query))


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_a_class_that_was_not_met_spoils_no_other(alpha, float64):
    learner = built(f"tim:alpha={alpha},head_steps=20")
    support, queries = embedded(learner)
    x, y, ways = examples(support)
    predicted = learner.adapt(Examples(x[y < 2], y[y < 2], ways))(queries[0])
    assert predicted[:, :2].isfinite().all()
    assert (predicted[:, 2] == float("-inf")).all()

"""Nearest neighbours against scikit-learn and by hand."""

import numpy as np
import pytest
import torch
from features import Given
from hypothesis import given, settings
from hypothesis import strategies as st
from mlw_transfer.nearest_neighbor import NearestNeighbor
from sklearn.neighbors import KNeighborsClassifier

from workbench.errors import UsageError
from workbench.experiments.build import build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.learning.evaluation import evaluate
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.task import Examples
from workbench.testing import tiny_data


def test_nearest_neighbors_vote_and_ties_go_to_the_nearer():
    support = Examples(torch.tensor([[0.0], [3.0], [4.0], [9.0]]), torch.tensor([0, 1, 1, 0]), 2)
    near, far = torch.tensor([[1.0]]), torch.tensor([[7.0]])
    assert NearestNeighbor(Given(1)).adapt(support)(near).tolist() == [[1.5, 0.0]]
    assert NearestNeighbor(Given(1), neighbors=2).adapt(support)(near).tolist() == [
        [1.5, 1.25]
    ]  # one vote each
    assert NearestNeighbor(Given(1), neighbors=3).adapt(support)(near).tolist() == [[1.5, 2.375]]
    assert NearestNeighbor(Given(1), neighbors=9).adapt(support)(far).tolist() == [
        [2.5625, 2.375]
    ]  # all four


def test_nearest_pixel_is_scikit_learns_nearest_neighbor():
    data = tiny_data()
    learner = build_learner(
        make_plan("nearest_pixel", data, TrainingRequest(ways=3, shots=2)), data
    ).eval()
    source = Source(data.domains("test"), WayShot(4, 2, 5), stack=2)
    accuracy = evaluate(learner, source, 12).accuracy
    for number in range(12):
        task = source.task(next(source.stacks(number, 1)))
        known, asked = task.support.x[0].flatten(1).numpy(), task.query.x[0].flatten(1).numpy()
        theirs = KNeighborsClassifier(1).fit(known, task.support.y[0].numpy())
        assert accuracy[number] == pytest.approx(theirs.score(asked, task.query.y[0].numpy()))


@pytest.mark.parametrize("typed", [None, "resnet10"])
def test_nearest_pixel_has_no_network(typed):
    data = tiny_data()
    plan = make_plan("nearest_pixel", data, TrainingRequest(ways=3, shots=2, backbone=typed))
    assert plan.backbone == ""
    assert list(build_learner(plan, data).parameters()) == []
    by_option = make_plan(
        "nearest_neighbor:space=pixels", data, TrainingRequest(ways=3, shots=2, backbone=typed)
    )
    assert list(build_learner(by_option, data).parameters()) == []


def test_features_need_a_backbone():
    with pytest.raises(UsageError, match="needs a backbone; use space=pixels"):
        NearestNeighbor(None)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.sampled_from(["euclidean", "cosine"]), st.integers(0, 99))
def test_nearest_neighbors_against_scikit_learn(neighbors, distance, seed):
    random = torch.Generator().manual_seed(seed)
    x, q = torch.randn(12, 4, generator=random), torch.randn(9, 4, generator=random)
    y = torch.arange(12) % 4
    learner = NearestNeighbor(Given(4), distance=distance, neighbors=neighbors)
    votes = learner.adapt(Examples(x, y, 4))(q)
    theirs = KNeighborsClassifier(neighbors, metric=distance).fit(x.numpy(), y.numpy())
    assert np.allclose(votes.floor().numpy(), neighbors * theirs.predict_proba(q.numpy()))

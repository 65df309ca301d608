"""Baseline and Baseline++: their heads against torch's optimiser, and golden numbers."""

import pytest
import torch
import torch.nn.functional as F
from features import Given, alone, drawn, waves
from mlw_transfer.baseline import Baseline
from mlw_transfer.baselinepp import BaselinePP
from mlw_transfer.linear_probe import LinearProbe
from mlw_transfer.nearest_neighbor import NearestNeighbor
from mlw_transfer.simpleshot import SimpleShot
from torch import nn

from workbench.learning.learner import scores
from workbench.tasks.task import Examples


@pytest.mark.parametrize(
    ("ways", "shots", "dim", "batch"),
    [(3, 2, 5, 4), (5, 1, 20, 4), (2, 6, 3, 4), (3, 3, 8, 1), (4, 2, 6, 100)],
)
def test_baselines_head_is_torchs_sgd_on_a_linear_layer(ways, shots, dim, batch, float64):
    learner = Baseline(Given(dim), (4,), head_epochs=9, head_batch=batch)
    support, queries = drawn(3, ways, shots, dim)

    def by_torch(x, y, queries):
        random = torch.Generator().manual_seed(0)
        head = nn.Linear(dim, ways)
        with torch.no_grad():
            first = (torch.rand(ways, dim + 1, generator=random) * 2 - 1) * dim**-0.5
            head.weight.copy_(first[:, :-1])
            head.bias.copy_(first[:, -1])
        fit(head, x, y, 9, batch, random)
        return head(queries).detach()

    expected = torch.stack(
        [by_torch(*task) for task in zip(support.x, support.y, queries, strict=True)]
    )
    assert torch.allclose(scores(learner, support, queries), expected, rtol=1e-10, atol=1e-12)
    assert torch.allclose(alone(learner, support, queries), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("scale", [None, 4.0])
@pytest.mark.parametrize(("ways", "shots", "dim"), [(3, 2, 5), (5, 1, 20), (2, 6, 3)])
def test_baselinepps_head_is_torchs_sgd_on_weight_normalised_cosines(
    ways, shots, dim, scale, float64
):
    learner = BaselinePP(Given(dim), (4,), scale=scale, head_epochs=9)
    support, queries = drawn(3, ways, shots, dim)
    support, queries = support._replace(x=learner.embed(support.x)), learner.embed(queries)

    def by_torch(x, y, queries):
        random = torch.Generator().manual_seed(0)
        layer = nn.Linear(dim, ways, bias=False)
        with torch.no_grad():
            layer.weight.copy_((torch.rand(ways, dim, generator=random) * 2 - 1) * dim**-0.5)
        head = nn.Sequential(nn.utils.parametrizations.weight_norm(layer), Times(scale or 2.0))
        fit(head, x, y, 9, 4, random)
        return head(queries).detach()

    expected = torch.stack(
        [by_torch(*task) for task in zip(support.x, support.y, queries, strict=True)]
    )
    assert torch.allclose(scores(learner, support, queries), expected, rtol=1e-10, atol=1e-12)
    assert torch.allclose(alone(learner, support, queries), expected, rtol=1e-10, atol=1e-12)


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def fit(head, x, y, epochs, batch, random):
    """Run the fine-tuning stage of Closer Look with torch.optim."""
    optimizer = torch.optim.SGD(
        head.parameters(), 0.01, momentum=0.9, dampening=0.9, weight_decay=0.001
    )
    for _ in range(epochs):
        for part in torch.randperm(len(x), generator=random).split(batch):
            optimizer.zero_grad()
            F.cross_entropy(head(x[part]), y[part]).backward()
            optimizer.step()


@pytest.mark.parametrize(("classes", "factor"), [((150, 50), 2.0), ((150, 51), 10.0)])
def test_baselinepp_trains_by_scaled_cosines_with_learnt_lengths(classes, factor, float64):
    learner = BaselinePP(Given(3), classes)
    assert torch.allclose(
        learner.length, learner.direction.norm(dim=1)
    )  # the initial value in weight normalisation
    with torch.no_grad():
        learner.length += torch.arange(len(learner.length)) / 50
    x, y = waves(6, 3), torch.tensor([0, 5, 199, 3, 3, 77])

    class Batches:
        def batches(self):
            yield x, y

    cosine = F.cosine_similarity(x[:, None], learner.direction[None], dim=-1)
    expected = F.cross_entropy(factor * learner.length * cosine, y)
    assert torch.allclose(next(iter(learner.losses(Batches()))), expected)
    assert learner.scale_of(5) == 2.0


GOLDEN = {
    "baseline": [0.19996431, 0.1332245, -0.27582235],
    "baselinepp": [0.3931055, 0.40988116, 0.13368992],
    "linear_probe": [0.30253866, 0.12738076, -0.42991941],
    "simpleshot": [-0.85554352, -1.00855246, -2.16417017],
    "nearest_neighbor": [1.5, 1.125, 1.25],
}


def test_golden_numbers_of_the_heads(float64):
    support = Examples(waves(6, 4), torch.arange(6) % 3, 3)
    queries = waves(7, 4)[-1:]
    learners = {
        "baseline": Baseline(Given(4), (3,)),
        "baselinepp": BaselinePP(Given(4), (3,)),
        "linear_probe": LinearProbe(Given(4)),
        "simpleshot": SimpleShot(Given(4)),
        "nearest_neighbor": NearestNeighbor(Given(4), neighbors=3),
    }
    for name, learner in learners.items():
        predicted = learner.adapt(support._replace(x=learner.embed(support.x)))(
            learner.embed(queries)
        )
        assert predicted[0].tolist() == pytest.approx(GOLDEN[name], abs=1e-6), name

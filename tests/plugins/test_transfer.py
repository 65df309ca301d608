"""Heads on frozen features, against torch's optimiser, scikit-learn and worked examples."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mlw_transfer.baseline import Baseline
from mlw_transfer.baselinepp import BaselinePP
from mlw_transfer.linear_probe import LinearProbe
from mlw_transfer.nearest_neighbor import NearestNeighbor
from mlw_transfer.simpleshot import SimpleShot
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from workbench.experiments.build import build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.learning.evaluation import evaluate
from workbench.learning.learner import scores
from workbench.learning.training import Training
from workbench.plugin.recipes import RECIPES, Condition, matching_number, published_numbers
from workbench.plugin.registry import registry
from workbench.tasks.protocols.way_shot import WayShot
from workbench.tasks.source import Source
from workbench.tasks.task import Examples
from workbench.testing import check_learner, tiny_data, tiny_source

HEADS = ["linear_probe", "simpleshot", "nearest_neighbor"]  # on a trained backbone
METHODS = [
    "baseline",
    "baseline:head_epochs=3,head_batch=5,head_lr=0.1",
    "baselinepp",
    "baselinepp:scale=5,head_epochs=3",
    "linear_probe",
    "linear_probe:c=10",
    "simpleshot",
    "simpleshot:transform=un",
    "simpleshot:transform=l2n",
    "nearest_neighbor",
    "nearest_neighbor:distance=cosine,neighbors=3",
    "nearest_neighbor:neighbors=100",
    "nearest_pixel",
]


class Given(nn.Module):
    """A backbone for inputs that are features already."""

    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return x


def waves(*shape):
    numbers = torch.arange(torch.Size(shape).numel())
    return (0.7 * numbers + 0.1 * numbers.square()).cos().view(shape)


def drawn(tasks, ways, shots, dim, queries=7):
    """Return stacked tasks of structured random features: x (tasks, n, dim), y, queries."""
    random = torch.Generator().manual_seed(1)
    y = torch.stack([torch.randperm(ways * shots, generator=random) % ways for _ in range(tasks)])
    centres = torch.randn(tasks, ways, dim, generator=random)
    x = torch.randn(tasks, ways * shots, dim, generator=random)
    x += centres[torch.arange(tasks)[:, None], y]
    return Examples(x, y, ways), torch.randn(tasks, queries, dim, generator=random)


def alone(learner, support, queries):
    """Return the scores of each task computed alone."""
    return torch.stack(
        [
            learner.adapt(Examples(x, y, support.ways))(q)
            for x, y, q in zip(support.x, support.y, queries, strict=True)
        ]
    )


# --- all methods


@pytest.mark.parametrize("spec", METHODS)
def test_the_contract(spec):
    check_learner(spec, backbone="conv4:width=8")


@pytest.mark.parametrize("spec", ["baseline", "baselinepp", *HEADS])
def test_the_contract_with_the_recipes_backbone(spec):
    check_learner(spec)


@pytest.mark.parametrize("spec", METHODS)
@pytest.mark.parametrize("ways", [3, 5])
def test_what_is_trained_once_is_judged_at_any_way_and_shot(spec, ways):
    data = tiny_data()
    learner = build_learner(
        make_plan(spec, data, TrainingRequest(ways=3, shots=2, backbone="conv4:width=8")), data
    )
    assert evaluate(learner, tiny_source(ways=ways, shots=1, split="test"), 4).accuracy.shape == (
        4,
    )


@pytest.mark.parametrize("name", ["baseline", "baselinepp"])
def test_training_lowers_the_loss(name):
    data = tiny_data()
    plan = make_plan(
        f"{name}:steps=40,lr=3e-3", data, TrainingRequest(ways=3, shots=2, backbone="conv4:width=8")
    )
    source = Source(data.domains("train"), None, batch_size=16)
    losses = [
        record.loss for record in Training(build_learner(plan, data), source, plan.settings).steps()
    ]
    assert sum(losses[-5:]) < sum(losses[:5])


@pytest.mark.parametrize("name", [*HEADS, "nearest_pixel"])
def test_heads_take_no_training_step(name):
    data = tiny_data()
    learner = build_learner(
        make_plan(name, data, TrainingRequest(ways=3, shots=2, backbone="conv4:width=8")), data
    )
    before = {
        key: value.clone() for key, value in learner.state_dict().items() if key != "base_mean"
    }
    settings = make_plan("baseline:steps=5", data, TrainingRequest(ways=3, shots=2)).settings
    training = Training(learner, Source(data.domains("train"), None, batch_size=16), settings)
    assert list(training.steps()) == []
    assert not learner.training
    assert all(torch.equal(before[key], learner.state_dict()[key]) for key in before)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", ["baseline", "baselinepp", *HEADS, "nearest_pixel"])
def test_recipes_can_be_planned_where_they_say(name, recipe):
    places = {("miniimagenet" if recipe == "paper" else "glyphs", 5, 1)}
    for number in published_numbers(find(name)):
        (train_on,) = number.trained_on
        places.add((train_on, number.ways, number.shots))
    for train_on, ways, shots in places:
        data = tiny_data(classes=20, images=24, name=train_on)
        plan = make_plan(name, data, TrainingRequest(ways, shots, recipe=recipe))
        assert plan.algorithm == name


def test_published_numbers_are_those_of_the_options():
    condition = Condition(("miniimagenet",), "miniimagenet", "way-shot", 5, 5)

    def published(name, **options):
        number = matching_number(find(name), options, condition, "conv4")
        return number and number.accuracy

    assert published("baseline", head_epochs=100, head_lr=0.01) == 62.53
    assert published("baselinepp") == 66.43
    assert published("simpleshot", transform="un") == 63.25
    assert published("simpleshot", transform="cl2n") == 66.92
    assert published("simpleshot", transform="l2n") is None
    assert published("nearest_pixel", space="pixels") is None


def find(name):
    return registry().find("algorithms", name)


@pytest.mark.parametrize("name", HEADS)
def test_heads_of_the_quick_recipe_start_from_the_same_baseline(name):
    data = tiny_data(classes=20, images=24, name="miniimagenet")
    baseline = make_plan("baseline", data, TrainingRequest(5, 1))
    assert make_plan(name, data, TrainingRequest(5, 1)).init == baseline


@pytest.mark.parametrize("recipe", RECIPES)
def test_nearest_pixel_starts_from_nothing(recipe):
    data = tiny_data(classes=20, images=24, name="miniimagenet")
    assert make_plan("nearest_pixel", data, TrainingRequest(5, 1, recipe=recipe)).init == ""


# --- baseline and baselinepp


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


# --- linear_probe


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


# --- simpleshot


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        # support: (3, 4), (0, 2) of class 0 and (6, 0), (4, 0) of class 1
        # query: (3, 0); base mean: (2, 0)
        ("un", [-(1.5**2 + 3**2), -(2**2)]),  # means (1.5, 3), (5, 0)
        (
            "l2n",
            [-(0.7**2 + 0.9**2), 0],
        ),  # of length 1: (0.6, 0.8), (0, 1); (1, 0) twice; query (1, 0)
        ("cl2n", None),  # centred: (1, 4), (-2, 2); (4, 0), (2, 0); query (1, 0)
    ],
)
def test_simpleshots_three_variants(transform, expected, float64):
    learner = SimpleShot(Given(2), transform=transform)
    learner.base_mean.copy_(torch.tensor([2.0, 0.0]))
    images = torch.tensor([[3.0, 4], [0, 2], [6, 0], [4, 0], [3, 0]])
    z = learner.embed(images)
    if transform == "cl2n":
        assert torch.allclose(z[0], torch.tensor([1, 4]) / 17**0.5)
        assert torch.allclose(z[1], torch.tensor([-1.0, 1]) / 2**0.5)
        across, up = (17**-0.5 - 2**-0.5) / 2, (4 * 17**-0.5 + 2**-0.5) / 2
        expected = [-((1 - across) ** 2 + up**2), 0]
    predicted = learner.adapt(Examples(z[:4], torch.tensor([0, 0, 1, 1]), 2))(z[4:])
    assert torch.allclose(predicted, torch.tensor([expected], dtype=torch.float64))


def test_simpleshots_mean_is_of_all_training_images_as_tests_meet_them(float64):
    data = tiny_data()
    learner = build_learner(
        make_plan("simpleshot", data, TrainingRequest(ways=3, shots=2, backbone="conv4:width=8")),
        data,
    )
    assert torch.equal(learner.base_mean, torch.zeros_like(learner.base_mean))
    source = Source(data.domains("train"), None, batch_size=7)
    assert list(learner.train().losses(source)) == []
    images = torch.from_numpy(np.asarray(data.domains("train")[0].images)) / 255
    assert torch.allclose(learner.base_mean, learner.backbone.eval()(images.double()).mean(0))
    assert "base_mean" in learner.state_dict()


# --- nearest_neighbor


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
        theirs = KNeighborsClassifier(1).fit(task.support.x[0].flatten(1), task.support.y[0])
        assert accuracy[number] == pytest.approx(
            theirs.score(task.query.x[0].flatten(1), task.query.y[0])
        )


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

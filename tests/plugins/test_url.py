"""URL: alignment, distillation and the linear map, against independent formulas."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mlw_crossdomain.centroids import nearest_centroid
from mlw_crossdomain.cka import cka, linear, rbf
from mlw_crossdomain.url import URL, softened_divergence
from mlw_transfer.baseline import Baseline
from torch import nn

from workbench.errors import UsageError
from workbench.experiments.build import build_backbone, build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.learning.evaluation import evaluate
from workbench.learning.learner import scores
from workbench.learning.settings import TrainSettings
from workbench.learning.training import Training
from workbench.plugin.recipes import RECIPES, published_numbers
from workbench.plugin.registry import registry
from workbench.tasks.source import Source
from workbench.tasks.task import Examples
from workbench.testing import check_learner, tiny_data, tiny_source
from workbench.testing.tiny import SHAPE

NARROW = "conv4:width=8"


class Given(nn.Module):
    """A backbone for inputs that are features already."""

    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        return x


def mapper(dim, **options):
    """Return a learner whose map alone is used."""
    return URL(Given(dim), (2,), (), None, **options).eval()


def of_two_domains(batch_size=12, **options):
    """Return a student with teachers, and a source of two domains of tiny data."""
    domains = [tiny_data().domains(split)[0]._replace(name=split) for split in ("train", "val")]
    source = Source(domains, None, batch_size=batch_size)
    torch.manual_seed(0)
    teachers = tuple(
        Baseline(build_backbone(NARROW, SHAPE), (count,)).eval() for count in source.classes
    )
    return URL(build_backbone(NARROW, SHAPE), source.classes, teachers, None, **options), source


def waves(*shape):
    numbers = torch.arange(torch.Size(shape).numel())
    return (0.7 * numbers + 0.1 * numbers.square()).cos().view(shape)


# --- the contract


@pytest.mark.parametrize(
    "spec",
    [
        "url",
        "url:rates=oracle,adapt_steps=3",
        "url:teachers=none,adapt_lr=1.0",
        "url:kernel=linear,anneal=1",
    ],
)
def test_the_contract(spec):
    check_learner(spec, backbone=NARROW)


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_can_be_planned(recipe):
    data = tiny_data(name="omniglot")  # there, teachers have a recipe `paper`
    plan = make_plan("url", data, TrainingRequest(ways=3, shots=2, recipe=recipe, backbone=NARROW))
    assert [teacher.algorithm for teacher in plan.teachers] == ["baseline"]
    assert plan.selects == {"adapt_lr": (0.0, 0.1, 1.0)}


def test_published_numbers_are_those_of_the_papers_own_rates():
    numbers = published_numbers(registry().find("algorithms", "url"))
    assert {number.data: number.accuracy for number in numbers}["traffic_sign"] == 63.34
    assert all(
        number.options == {"rates": "oracle"} and number.drawn == "meta-dataset"
        for number in numbers
    )


# --- centred kernel alignment


def alignment_by_loops(x, y, kernel):
    """Return CKA by traces with the centring matrix."""
    n = len(x)

    def matrix(rows):
        if kernel is linear:
            return np.array(
                [
                    [sum(a * b for a, b in zip(one, other, strict=True)) for other in rows]
                    for one in rows
                ]
            )
        square = [
            [sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) for other in rows]
            for one in rows
        ]
        distances = sorted(math.sqrt(square[i][j]) for i in range(n) for j in range(i))
        sigma = distances[(len(distances) - 1) // 2]
        return np.array(
            [[math.exp(-square[i][j] / (2 * sigma**2)) for j in range(n)] for i in range(n)]
        )

    centring = np.array([[(i == j) - 1 / n for j in range(n)] for i in range(n)])

    def hsic(k, other):
        return np.trace(k @ centring @ other @ centring) / (n - 1) ** 2

    k, other = matrix(x.tolist()), matrix(y.tolist())
    return hsic(k, other) / math.sqrt(hsic(k, k) * hsic(other, other))


@pytest.mark.parametrize("kernel", [linear, rbf])
@pytest.mark.parametrize("n", [2, 3, 6, 7])
def test_alignment_is_that_of_loops(kernel, n, float64):
    x, y = torch.randn(n, 4), torch.randn(n, 3)
    expected = alignment_by_loops(x, y, kernel)
    assert float(cka(kernel(x), kernel(y))) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 1000), st.floats(0.01, 100), st.sampled_from([linear, rbf]))
@settings(deadline=None, max_examples=30)
def test_alignment_sees_neither_rotation_nor_scale_nor_shift(seed, factor, kernel):
    random = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(8, 5, generator=random).double() for _ in range(2))
    rotation = torch.linalg.qr(torch.randn(5, 5, generator=random).double())[0]
    before, after = cka(kernel(x), kernel(y)), cka(kernel(factor * x @ rotation + 1), kernel(y))
    assert torch.allclose(before, after, atol=1e-6)
    assert torch.allclose(
        cka(kernel(x), kernel(factor * x @ rotation)), torch.ones(()).double(), atol=1e-6
    )
    assert 0 <= float(before) < 1


@pytest.mark.parametrize("kernel", [linear, rbf])
def test_alignment_of_what_does_not_vary_is_0_and_has_a_gradient(kernel):
    x = torch.ones(4, 3, requires_grad=True)
    alike = cka(kernel(x), kernel(torch.randn(4, 3)))
    alike.backward()
    assert alike == 0
    assert x.grad.isfinite().all()
    assert cka(kernel(x[:1]), kernel(x[:1])) == 0


def test_the_kernel_of_mostly_equal_examples_tells_the_equal_ones_and_has_no_gradient():
    x = torch.tensor([[0.1, 0.2]] * 3 + [[3.0, 4.0]], requires_grad=True)
    other = torch.randn(4, 2)
    kernel = rbf(x)
    assert torch.equal(kernel, torch.block_diag(torch.ones(3, 3), torch.ones(1, 1)))
    cka(kernel, rbf(other)).backward()
    assert torch.equal(x.grad, torch.zeros(4, 2))


# --- the map


def test_the_map_at_identity_is_the_nearest_centroid_by_cosine(float64):
    x, y, queries = torch.randn(7, 5), torch.tensor([2, 0, 1, 0, 2, 2, 1]), torch.randn(4, 5)
    expected = torch.stack(
        [10 * F.cosine_similarity(queries, x[y == way].mean(0)[None]) for way in range(3)], 1
    )
    assert torch.allclose(mapper(5, adapt_steps=0).adapt(Examples(x, y, 3))(queries), expected)
    assert torch.allclose(mapper(5, adapt_lr=0.0).adapt(Examples(x, y, 3))(queries), expected)


@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_the_fitted_map_is_that_of_torchs_adadelta(rate, float64):
    x, y, queries = torch.rand(9, 6), torch.arange(3).repeat(3), torch.rand(4, 6)
    layer = nn.Linear(6, 6, bias=False)
    nn.init.eye_(layer.weight)
    optimizer = torch.optim.Adadelta(layer.parameters(), lr=rate)

    def classified(rows):
        centroids = torch.stack([layer(x[y == way]).mean(0) for way in range(3)])
        return 10 * F.cosine_similarity(layer(rows)[:, None], centroids[None], dim=-1)

    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        losses.append(F.cross_entropy(classified(x), y))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] - 0.01
    assert torch.allclose(
        mapper(6, adapt_lr=rate).adapt(Examples(x, y, 3))(queries), classified(queries), atol=1e-9
    )


def test_golden_numbers(float64):
    support = Examples(waves(6, 4), torch.tensor([0, 1, 2, 0, 1, 2]), 3)
    found = mapper(4, adapt_lr=1.0).adapt(support)(waves(2, 4).sin())[0]
    assert [round(score, 6) for score in found.tolist()] == [7.434325, 4.755716, -5.881972]


@given(order=st.permutations(range(6)))
@settings(deadline=None, max_examples=10)
def test_the_order_of_the_support_does_not_matter(order):
    x, y, queries = waves(6, 4).double(), torch.arange(3).repeat(2), waves(5, 4).sin().double()
    straight = mapper(4).adapt(Examples(x, y, 3))(queries)
    assert torch.allclose(
        mapper(4).adapt(Examples(x[list(order)], y[list(order)], 3))(queries), straight, atol=1e-8
    )


def test_a_class_that_was_not_met_is_not_predicted():
    x, queries = torch.randn(4, 5), torch.randn(6, 5)
    predicted = mapper(5).adapt(Examples(x, torch.tensor([0, 0, 2, 2]), 3))(queries)
    assert predicted[:, [0, 2]].isfinite().all()
    assert (predicted[:, 1] == -torch.inf).all()


def test_stacked_is_looped_and_long_features_are_not_stacked(float64):
    learner = mapper(6)
    x, y, queries = torch.rand(3, 6, 6), torch.arange(3).repeat(3, 2), torch.rand(3, 5, 6)
    stacked = scores(learner, Examples(x, y, 3), queries)
    alone = [
        learner.adapt(Examples(*task, 3))(rows) for *task, rows in zip(x, y, queries, strict=True)
    ]
    assert torch.allclose(stacked, torch.stack(alone), atol=1e-9)
    assert learner.batched
    assert not mapper(512).batched


@pytest.mark.parametrize(("seen", "rate"), [(True, 0.1), (False, 1.0), (None, 0.1)])
def test_the_oracle_knows_whether_the_domain_was_trained_on(seen, rate):
    support, queries = Examples(torch.rand(6, 4), torch.arange(3).repeat(2), 3), torch.rand(5, 4)
    learner = URL(Given(4), (2,), (), seen, rates="oracle", adapt_lr=7.0)
    assert learner.oracle
    assert not mapper(4).oracle
    expected = mapper(4, adapt_lr=rate).adapt(support)(queries)
    assert torch.equal(learner.adapt(support)(queries), expected)


# --- distillation


def test_the_softened_divergence_is_kullbacks_and_leiblers(float64):
    ours, told = torch.randn(5, 4), torch.randn(5, 4)
    total = 0.0
    for row, other in zip(ours, told, strict=True):
        p, q = ((each / 4).exp() / (each / 4).exp().sum() for each in (other, row))
        total += sum(a * (a / b).log() for a, b in zip(p, q, strict=True))
    assert torch.allclose(softened_divergence(ours, told), 16 * total / 5)
    assert torch.allclose(softened_divergence(told + 3, told), torch.zeros(()), atol=1e-12)


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_a_loss_is_the_sum_over_domains_of_labels_features_and_logits(kernel, float64):
    learner, source = of_two_domains(distil=0.5, kernel=kernel)
    learner.eval()  # then the two domains may pass separately below
    (loss,) = islice(learner.losses(source), 1)
    source.batches_drawn = 0
    expected = 0.0
    for number, batch in enumerate(next(source.domain_batches())):
        features, teacher = learner.backbone(batch.x), learner.teachers[number]
        logits, known = learner.heads[number](features), teacher.backbone(batch.x)
        unit = [
            x / x.norm(dim=1, keepdim=True)
            for x in (features @ learner.adaptors[number].weight.T, known)
        ]
        alike = alignment_by_loops(*unit, rbf if kernel == "rbf" else linear)
        told = softened_divergence(logits, teacher.classifier(known))
        expected = expected + F.cross_entropy(logits, batch.y) + 0.5 * (1 - alike + told)
    assert torch.allclose(loss, expected, atol=1e-9)


def test_the_weight_of_the_teachers_falls_to_nothing_and_goes_on_where_it_stood(float64):
    learner, source = of_two_domains(distil=2.0, anneal=4)
    seen = []
    learner.loss = lambda domain, features, batch, weight: seen.append(weight) or features.sum()
    list(islice(learner.losses(source), 3))
    list(islice(learner.losses(source), 3))  # as after an interruption
    assert seen[::2] == [2.0, 1.5, 1.0, 0.5, 0.0, 0.0]


def test_without_teachers_there_are_only_labels(float64):
    learner, source = of_two_domains()
    alone = URL(learner.backbone, source.classes, (), None)
    alone.load_state_dict(learner.state_dict())
    batch = next(source.domain_batches())[0]
    features = torch.randn(len(batch.y), learner.backbone.dim)
    expected = F.cross_entropy(learner.heads[0](features), batch.y)
    assert torch.equal(alone.loss(0, features, batch, 1.0), expected)
    assert torch.equal(learner.loss(0, features, batch, 0.0), expected)
    assert learner.loss(0, features, batch, 1.0) > expected


def test_teachers_are_no_part_of_the_state_and_do_not_learn():
    learner, source = of_two_domains()
    assert {name.partition(".")[0] for name in learner.state_dict()} == {
        "backbone",
        "heads",
        "adaptors",
    }
    before = [
        {name: value.clone() for name, value in t.state_dict().items()} for t in learner.teachers
    ]
    for loss in islice(learner.losses(source), 2):
        loss.backward()
    assert all(p.grad is not None for p in learner.parameters())
    assert all(p.grad is None for teacher in learner.teachers for p in teacher.parameters())
    for teacher, state in zip(learner.teachers, before, strict=True):
        assert all(torch.equal(state[name], value) for name, value in teacher.state_dict().items())


def test_a_student_becomes_like_its_teachers_and_can_be_judged():
    learner, source = of_two_domains(batch_size=32)
    batches = next(source.domain_batches())
    source.batches_drawn = 0

    def alike():
        with torch.no_grad():
            pairs = zip(learner.adaptors, learner.teachers, batches, strict=True)
            found = [
                cka(*map(rbf, (a(learner.eval().embed(b.x)), t.embed(b.x)))) for a, t, b in pairs
            ]
        return torch.stack(found).mean()

    before = alike()
    settings = TrainSettings(steps=30, lr=3e-3, keep="last", validate_every=0)
    records = list(Training(learner, source, settings).steps())
    assert records[-1].loss < records[0].loss
    assert alike() > before
    assert evaluate(learner, tiny_source(split="test"), 4).accuracy.shape == (4,)


def test_a_teacher_that_cannot_teach_is_refused_in_one_sentence():
    data = tiny_data()
    plan = make_plan(
        "url:teachers=protonet", data, TrainingRequest(ways=3, shots=2, backbone=NARROW)
    )
    teacher = build_learner(plan.teachers[0], data)
    with pytest.raises(
        UsageError, match=r"over the 8 classes .* ProtoNet has none. Use teachers=baseline"
    ):
        URL(Given(4), (8,), (teacher,), None)
    few = Baseline(Given(4), (5,))
    with pytest.raises(UsageError, match="Baseline has none"):
        URL(Given(4), (8,), (few,), None)


def test_the_centroid_of_a_class_is_its_mean(float64):
    support = Examples(torch.tensor([[0.0, 1], [2, 1], [0, -3]]), torch.tensor([0, 0, 1]), 2)
    predicted = nearest_centroid(support)(
        torch.tensor([[5.0, 5], [1, 0]])
    )  # centroids (1, 1) and (0, -3)
    assert torch.allclose(predicted, torch.tensor([[10.0, -5 * 2**0.5], [5 * 2**0.5, 0.0]]))


@pytest.mark.parametrize("name", ["url", "cnaps", "tsa"])
def test_the_papers_first_training_needs_no_recipe_of_the_baseline(name):
    plan = make_plan(name, tiny_data(), TrainingRequest(ways=3, shots=2, recipe="paper"))
    firsts = [plan.init, *plan.teachers, *getattr(plan.init, "teachers", ())]
    (baseline,) = [first for first in firsts if first and first.algorithm == "baseline"]
    assert (baseline.settings.steps, baseline.settings.optimizer, baseline.backbone) == (
        480_000,
        "sgd",
        plan.backbone,
    )

"""Metric-based methods against independent formulas from their papers."""

from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlw_metric.matching import Matching
from mlw_metric.protonet import ProtoNet
from mlw_metric.relation import Relation, squared_error
from mlw_metric.siamese import BIAS_SPEED, Siamese, verification_loss
from torch import nn

from workbench.errors import UsageError
from workbench.experiments.build import build_backbone, build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.learning.evaluation import evaluate
from workbench.learning.training import Training
from workbench.plugin.recipes import RECIPES, published_numbers
from workbench.plugin.registry import registry
from workbench.tasks.task import Examples
from workbench.testing import check_learner, tiny_data, tiny_source

METHODS = {
    "protonet": "conv4:width=8",
    "protonet:distance=cosine": "conv4:width=8",
    "matching": "conv4:width=8",
    "matching:fce=true": "conv4:width=8",
    "siamese:units=32": "conv4:width=8",
    "relation": "conv4:pooled=2,width=8",
    "relation:norm=batch": "conv4:pooled=2,unpadded=2,width=8",
    "relation:norm=batch,padding=1": "conv4:norm=batch,pooled=2,width=8",
}


class Given(nn.Module):
    """A backbone for inputs that are features already."""

    def __init__(self, dim, maps_shape=None):
        super().__init__()
        self.dim = dim
        if maps_shape:
            self.maps_shape = maps_shape

    def forward(self, x):
        return x


def fixed(module):
    """Set weights that are the same on every machine."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.arange(parameter.numel()).add(1).sin().view_as(parameter) / 2)
    return module


def waves(*shape):
    numbers = torch.arange(torch.Size(shape).numel())
    return (0.7 * numbers + 0.1 * numbers.square()).cos().view(shape)


def learner_of(spec, backbone, data):
    return build_learner(
        make_plan(spec, data, TrainingRequest(ways=3, shots=2, backbone=backbone)), data
    )


# --- all methods


@pytest.mark.parametrize(("spec", "backbone"), METHODS.items())
def test_the_contract(spec, backbone):
    check_learner(spec, backbone=backbone)


@pytest.mark.parametrize("spec", ["protonet", "matching", "siamese", "relation"])
def test_the_contract_with_the_recipes_backbone(spec):
    check_learner(spec)


@pytest.mark.parametrize(("spec", "backbone"), METHODS.items())
def test_the_order_of_the_support_matters_to_full_context_embeddings_only(spec, backbone, float64):
    learner = learner_of(spec, backbone, tiny_data()).eval()
    task = next(tiny_source(stack=1).tasks())
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    support, queries = learner.embed(task.support.x[0]), learner.embed(task.query.x[0])
    before = learner.adapt(Examples(support, task.support.y[0], 3))(queries)
    after = learner.adapt(Examples(support[order], task.support.y[0][order], 3))(queries)
    assert torch.allclose(before, after, atol=1e-9) == ("fce" not in spec)


@pytest.mark.parametrize(("spec", "backbone"), METHODS.items())
def test_a_class_that_was_not_met_yet_is_not_predicted(spec, backbone, float64):
    learner = learner_of(spec, backbone, tiny_data()).eval()
    task = next(tiny_source(stack=1).tasks())
    support, queries = learner.embed(task.support.x[0]), learner.embed(task.query.x[0])
    met = task.support.y[0] < 2  # two shots of classes 0 and 1
    predicted = learner.adapt(Examples(support[met], task.support.y[0][met], 3))(queries)
    assert predicted[:, :2].isfinite().all()
    assert (predicted[:, 2].nan_to_num(nan=-torch.inf) < predicted[:, :2].amin(-1)).all()


@pytest.mark.parametrize(("spec", "backbone"), METHODS.items())
def test_training_lowers_the_loss_and_more_ways_can_be_judged(spec, backbone):
    data = tiny_data()
    learner = learner_of(f"{spec},lr=3e-3" if ":" in spec else f"{spec}:lr=3e-3", backbone, data)
    plan = make_plan(
        f"{spec.partition(':')[0]}:steps=30,lr=3e-3",
        data,
        TrainingRequest(ways=3, shots=2, backbone=backbone),
    )
    source = tiny_source(shots=1, stack=2)
    losses = [record.loss for record in Training(learner, source, plan.settings).steps()]
    assert sum(losses[-5:]) < sum(losses[:5])
    rows = evaluate(learner, tiny_source(ways=5, split="test"), 4)
    assert rows.accuracy.shape == (4,)


@pytest.mark.parametrize("name", ["protonet", "matching", "siamese", "relation"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_can_be_planned_where_they_say(name, recipe):
    numbers = published_numbers(registry().find("algorithms", name))
    assert numbers
    for number in numbers:
        if recipe == "paper" and number.data == "lake_runs":
            continue  # these data sets are for test only
        data = tiny_data(classes=20, images=24, name=number.data)
        request = TrainingRequest(number.ways, number.shots, recipe=recipe)
        plan = make_plan(name, data, request)
        assert plan.algorithm == name
        if recipe == "paper" and number.backbone:
            assert plan.backbone == number.backbone


# --- protonet


def test_protonet_on_a_worked_example():
    learner = ProtoNet(Given(2), temperature=2.0)
    support = Examples(
        torch.tensor([[0.0, 0], [2, 0], [4, 4], [4, 6]]), torch.tensor([0, 0, 1, 1]), 2
    )
    predicted = learner.adapt(support)(torch.tensor([[1.0, 1], [4, 5]]))
    assert torch.allclose(predicted, torch.tensor([[-0.5, -12.5], [-17.0, 0.0]]))


def test_protonet_by_cosine():
    learner = ProtoNet(Given(2), distance="cosine", temperature=0.5)
    support = Examples(
        torch.tensor([[0.0, 1], [2, 1], [0, -3], [0, -1]]), torch.tensor([0, 0, 1, 1]), 2
    )
    predicted = learner.adapt(support)(
        torch.tensor([[5.0, 5], [1, 0]])
    )  # prototypes (1, 1) and (0, -2)
    assert torch.allclose(predicted, torch.tensor([[2.0, -(2**0.5)], [2**0.5, 0.0]]), atol=1e-6)


@given(st.integers(0, 1000), st.floats(0.1, 10))
@settings(deadline=None, max_examples=20)
def test_what_protonets_distances_do_not_see(seed, factor):
    random = torch.Generator().manual_seed(seed)
    x, queries, y = (
        *(torch.randn(6, 4, generator=random).double() for _ in range(2)),
        torch.arange(3).repeat(2),
    )

    def predicted(distance, change):
        return ProtoNet(Given(4), distance=distance).adapt(Examples(change(x), y, 3))(
            change(queries)
        )

    assert torch.allclose(
        predicted("euclidean", lambda x: x + factor), predicted("euclidean", lambda x: x)
    )
    assert torch.allclose(
        predicted("cosine", lambda x: factor * x), predicted("cosine", lambda x: x)
    )


# --- matching


def matching_by_loop(known, y, queries, ways, scale=1.0):
    """Equation 1 of Vinyals et al., entry by entry."""
    probabilities = torch.zeros(len(queries), ways)
    for q, query in enumerate(queries):
        weights = [(scale * (query @ one) / (query.norm() * one.norm())).exp() for one in known]
        for weight, label in zip(weights, y, strict=True):
            probabilities[q, label] += weight / sum(weights)
    return probabilities


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_matchings_attention_is_that_of_a_loop(scale, float64):
    known, y, queries = torch.randn(7, 5), torch.tensor([2, 0, 1, 0, 2, 2, 1]), torch.randn(4, 5)
    learner = Matching(Given(5), scale=scale)
    expected = matching_by_loop(known, y, queries, 3, scale)
    predicted = learner.adapt(Examples(known, y, 3))(queries)
    assert torch.allclose(predicted, expected.log())
    assert torch.allclose(predicted.exp().sum(-1), torch.ones(4))
    assert torch.allclose(predicted.softmax(-1), expected)  # the reported probabilities


def test_matchings_loss_is_the_logarithm_of_the_summed_probabilities(float64):
    learner = learner_of("matching", "conv4:width=8", tiny_data()).eval()
    tasks = next(tiny_source(stack=2).tasks())
    (loss,) = islice(learner.losses(_Once(tasks)), 1)
    expected = [
        -matching_by_loop(learner.embed(known), y, learner.embed(queries), 3, learner.scale)[
            range(len(labels)), labels
        ]
        .log()
        .mean()
        for known, y, queries, labels in zip(*tasks.support[:2], *tasks.query[:2], strict=True)
    ]
    assert torch.allclose(loss, sum(expected) / 2)


class _Once:
    def __init__(self, tasks):
        self.one = tasks

    def tasks(self):
        yield self.one


def test_the_context_is_torchs_bidirectional_lstm_with_a_residual(float64):
    learner = Matching(Given(4), fce=True)
    theirs = nn.LSTM(4, 4, bidirectional=True)
    weights = {f"{name}_l0": value for name, value in learner.forth.state_dict().items()}
    weights |= {f"{name}_l0_reverse": value for name, value in learner.back.state_dict().items()}
    theirs.load_state_dict(weights)
    x = torch.randn(6, 4)
    forth, back = theirs(x)[0].chunk(2, -1)
    assert torch.allclose(learner._support_in_context(x), forth + back + x)


@pytest.mark.parametrize("reads", [1, 3])
def test_looks_at_the_support_are_equations_3_to_6(reads, float64):
    learner = Matching(Given(4), fce=True, reads=reads)
    known, queries = torch.randn(5, 4), torch.randn(3, 4)
    cell = learner.look
    from_x, from_r = cell.weight_ih.split(4, 1)
    from_h_and_r = torch.cat([cell.weight_hh, from_r], 1)  # as in the paper: the state is [h, r]
    for query, found in zip(queries, learner._queries_in_context(queries, known), strict=True):
        h, c = torch.zeros(4), torch.zeros(4)
        for _ in range(reads):
            likeness = torch.stack([(h @ one).exp() for one in known])
            r = sum(a * one for a, one in zip(likeness / likeness.sum(), known, strict=True))
            gates = from_x @ query + from_h_and_r @ torch.cat([h, r]) + cell.bias_ih + cell.bias_hh
            i, f, g, o = gates.view(4, 4)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c) + query
        assert torch.allclose(found, h)


def test_matching_stays_finite_where_a_class_is_not_attended_to():
    support = Examples(torch.tensor([[1.0, 0], [-1, 0]]), torch.tensor([0, 1]), 2)
    queries = torch.tensor([[1.0, 0]], requires_grad=True)
    predicted = Matching(Given(2), scale=1000).adapt(support)(queries)
    predicted.sum().backward()
    assert predicted.isfinite().all()
    assert queries.grad.isfinite().all()


# --- siamese


def test_siamese_weighs_distances_and_takes_the_best_match(float64):
    learner = Siamese(Given(3), units=3)
    with torch.no_grad():
        learner.alpha.copy_(torch.tensor([-2.0, 1.0, 0.0]))
        learner.bias.fill_(0.5 / BIAS_SPEED)
    support = Examples(
        torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 5]]), torch.tensor([1, 0, 1]), 2
    )
    predicted = learner.adapt(support)(torch.tensor([[1.0, 1, 0], [0, 0, 0]]))
    #                        pairs: -2 + 1 + .5, 1 + .5, -2 + .5;  .5, -2 + .5, 1 + .5
    assert torch.allclose(predicted, torch.tensor([[1.5, -0.5], [-1.5, 1.5]]))


def test_siamese_compares_without_looking_at_the_order_of_a_pair(float64):
    learner = Siamese(Given(3), units=6)
    learner.alpha.data.normal_()
    x, y = torch.rand(4, 6), torch.rand(5, 6)
    expected = (learner.alpha * (x[:, None] - y[None]).abs()).sum(-1) + BIAS_SPEED * learner.bias
    assert torch.allclose(learner._log_odds(x, y), expected)
    assert torch.allclose(learner._log_odds(y, x), expected.mT)


def test_siameses_loss_is_cross_entropy_over_as_many_equal_as_unequal_pairs(float64):
    predicted, y = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    chances = predicted.sigmoid()
    equal, unequal = [], []
    for chance, label in zip(chances, y, strict=True):
        for way in range(3):
            (equal if way == label else unequal).append(
                -(chance[way] if way == label else 1 - chance[way]).log()
            )
    repeated = equal + equal  # so that there are as many of them
    assert len(repeated) == len(unequal)
    assert torch.allclose(verification_loss(predicted, y), torch.stack(repeated + unequal).mean())


def test_siamese_never_pairs_a_drawing_with_itself():
    for rows in islice(tiny_source(shots=1).stacks(0, 30), 10):
        assert not (rows.support[:, :, None] == rows.query[:, None, :]).any()


# --- relation


@pytest.mark.parametrize("shots", [1, 3])
@pytest.mark.parametrize("training", [True, False])
def test_relation_is_the_module_over_sums_and_queries_side_by_side(shots, training, float64):
    learner = Relation(Given(2 * 7 * 7, (2, 7, 7))).train(training)
    known, queries = torch.randn(3 * shots, 2, 7, 7), torch.randn(4, 2, 7, 7)
    y = torch.arange(3).repeat(shots)
    sums = torch.stack([known[y == way].sum(0) for way in range(3)])
    pairs = torch.stack([torch.cat([one, query]) for query in queries for one in sums])
    expected = learner.rest(learner.first(pairs)).view(4, 3)
    assert torch.allclose(learner.adapt(Examples(known, y, 3))(queries), expected)


def test_relations_sizes_are_the_papers():
    small = Relation(build_backbone("conv4:pooled=2,unpadded=2", (1, 28, 28)))
    assert small.maps_shape == (64, 5, 5)
    assert small.rest[-3].in_features == 64
    large = Relation(build_backbone("conv4:pooled=2,unpadded=2", (3, 84, 84)), padding=0)
    assert large.maps_shape == (64, 19, 19)
    assert large.rest[-3].in_features == 576
    assert [layer.out_features for layer in large.rest if isinstance(layer, nn.Linear)] == [8, 1]


def test_relations_loss_is_squared_error_to_one_and_zero(float64):
    predicted = torch.tensor([[0.0, 100.0], [-100.0, 0.0]])
    assert torch.allclose(
        squared_error(predicted, torch.tensor([0, 1])), torch.tensor((0.25 + 1 + 0 + 0.25) / 4)
    )


def test_relation_without_room_for_its_convolutions_is_one_sentence():
    data = tiny_data()
    plan = make_plan("relation:padding=0", data, TrainingRequest(ways=3, shots=2))
    with pytest.raises(
        UsageError, match=r"relation cannot be built: maps of 2 x 2 need padding=1; see: mlw info"
    ):
        build_learner(plan, data)


@pytest.mark.parametrize("norm", ["running", "batch"])
@pytest.mark.parametrize("backbone", ["running", "batch"])
def test_relation_is_transductive_where_the_batch_normalises(norm, backbone, float64):
    learner = Relation(
        build_backbone(f"conv4:pooled=2,width=8,norm={backbone}", (1, 16, 16)), norm=norm
    ).eval()
    task = next(tiny_source(stack=1).tasks())
    support, queries = learner.embed(task.support.x[0]), learner.embed(task.query.x[0])
    predictor = learner.adapt(Examples(support, task.support.y[0], 3))
    alone = torch.cat([predictor(query[None]) for query in queries])
    assert learner.transductive == ("batch" in (norm, backbone))
    assert torch.allclose(predictor(queries), alone) != learner.transductive
    assert torch.equal(queries.flatten(), task.query.x[0].flatten()) == (
        backbone == "batch"
    )  # adapt gets the images


# --- golden numbers


def test_golden_numbers(float64):
    y, ways = torch.tensor([0, 1, 2, 0, 1, 2]), 3
    known, queries = waves(6, 4), waves(2, 4).sin()
    maps, query_maps = waves(6, 2, 4, 4), waves(2, 2, 4, 4).sin()

    def predicted(learner, known=known, queries=queries):
        found = fixed(learner).eval().adapt(Examples(known, y, ways))(queries)[0]
        return [round(score, 6) for score in found.tolist()]

    assert predicted(ProtoNet(Given(4), distance="cosine")) == [0.844215, 0.351718, -0.774756]
    assert predicted(Matching(Given(4))) == [-0.730243, -1.118507, -1.653176]
    assert predicted(Matching(Given(4), fce=True)) == [-0.8703, -1.02668, -1.500674]
    assert predicted(Siamese(Given(4), units=4)) == [7.081786, 7.343883, 7.376177]
    assert predicted(Relation(Given(32, (2, 4, 4))), maps, query_maps) == [
        1.506031,
        1.466283,
        1.473535,
    ]
    assert predicted(Relation(Given(32, (2, 4, 4)), norm="batch"), maps, query_maps) == [
        1.564178,
        1.463228,
        1.48118,
    ]

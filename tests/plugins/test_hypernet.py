"""Hypernetworks: set encoders against loops over sets, generated weights against formulas."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from gradients import build, examples, stack_of_tasks
from hypothesis import given, settings
from hypothesis import strategies as st
from mlw_model.set_encoders import HEADS, Attention, DeepSets, SetTransformer
from torch import nn

from workbench import Examples, film_features
from workbench.errors import UsageError
from workbench.functional import class_means, cosines, squared_distances
from workbench.learning.learner import scores
from workbench.testing import check_learner

NARROW = "conv4:norm=group,width=8"
SMALL = "width=12,hidden=6"
ENCODERS = [DeepSets, SetTransformer]
MODES = ["head", "film", "all"]


@pytest.mark.parametrize("encoder", ["deepsets", "set_transformer"])
@pytest.mark.parametrize("generates", MODES)
def test_the_contract_holds_with_options(generates, encoder):
    check_learner(f"hypernet:generates={generates},encoder={encoder},{SMALL}", backbone=NARROW)


@pytest.mark.parametrize("norm", ["running", "batch"])
def test_film_works_with_all_normalisations(norm):
    check_learner(f"hypernet:generates=film,{SMALL}", backbone=f"conv4:norm={norm},width=8")


def test_film_without_normalisations_is_refused():
    with pytest.raises(UsageError, match="does not normalise maps"):
        build("hypernet:generates=film", "mlp:layers=0")


def test_only_what_is_embedded_is_computed_once():
    """Tasks of images come in small stacks; tasks of features in large ones."""
    assert [build(f"hypernet:generates={mode}", NARROW).embeds() for mode in MODES] == [
        True,
        False,
        True,
    ]


# --- set encoders


def of_vectors(kind, dim=5, width=8, out=3):
    torch.manual_seed(0)
    return kind(dim, width, out).double()


@pytest.mark.parametrize("kind", ENCODERS)
@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.integers(0, 999))
def test_neither_the_order_of_items_nor_the_other_sets_matter(kind, sizes, seed):
    encoder = of_vectors(kind)
    random = torch.Generator().manual_seed(seed)
    of_set = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    items = torch.randn(len(of_set), 5, generator=random, dtype=torch.float64)
    members = (of_set == torch.arange(len(sizes))[:, None]).double()
    together = encoder(items, members)
    order = torch.randperm(len(items), generator=random)
    assert torch.allclose(encoder(items[order], members[:, order]), together)
    for number, size in enumerate(sizes):
        alone = encoder(items[of_set == number], torch.ones(1, size).double())
        assert torch.allclose(alone[0], together[number])


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_set_given_twice_is_the_same_set(kind):
    encoder, items = of_vectors(kind), torch.randn(4, 5).double()
    twice = encoder(items.repeat(2, 1), torch.ones(1, 8).double())
    assert torch.allclose(twice, encoder(items, torch.ones(1, 4).double()))


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_member_matters(kind):
    encoder, items = of_vectors(kind), torch.randn(4, 5).double()
    whole = encoder(items, torch.ones(1, 4).double())
    assert not torch.allclose(encoder(items[:3], torch.ones(1, 3).double()), whole)


@pytest.mark.parametrize("kind", ENCODERS)
def test_only_a_set_without_members_has_no_vector(kind):
    encoder, items = of_vectors(kind), torch.randn(3, 5).double()
    encoded = encoder(items, torch.tensor([[1.0, 1, 1], [0, 0, 0]]).double())
    assert encoded[0].isfinite().all()
    assert encoded[1].isnan().all()


def test_deep_sets_encode_the_mean_of_each_set():
    encoder, items = of_vectors(DeepSets), torch.randn(3, 5).double()
    members = torch.tensor([[1.0, 0, 1], [0, 1, 0]]).double()
    first, second, third = encoder.phi(items)
    expected = torch.stack([(first + third) / 2, second])
    assert torch.allclose(encoder(items, members), encoder.last(encoder.rho(expected)))


def test_attention_is_torchs():
    attention = Attention(8).double()
    theirs = nn.MultiheadAttention(8, HEADS, dtype=torch.float64)
    parts = (attention.query, attention.key, attention.value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        theirs.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        theirs.out_proj.load_state_dict(attention.mix.state_dict())
    x, y = torch.randn(2, 8).double(), torch.randn(5, 8).double()
    allowed = torch.tensor([[True, False, True, True, False], [True, True, False, True, True]])
    h = attention.norm(x + theirs(x, y, y, attn_mask=~allowed)[0])
    expected = attention.last_norm(h + F.relu(attention.after(h)))
    assert torch.allclose(attention(x, y, allowed), expected)


# --- what is generated


@pytest.mark.parametrize("encoder", ["deepsets", "set_transformer"])
@pytest.mark.parametrize("generates", MODES)
@torch.no_grad()
def test_scores_do_not_depend_on_the_order_of_the_support(generates, encoder, float64):
    learner = build(f"hypernet:generates={generates},encoder={encoder},{SMALL}", NARROW).eval()
    _far_from_the_start(learner)
    tasks = stack_of_tasks(1)
    support = examples(tasks)._replace(x=learner.embed(tasks.support.x[0]))
    queries = learner.embed(tasks.query.x[0])
    order = torch.randperm(len(support.y))
    other = support._replace(x=support.x[order], y=support.y[order])
    assert torch.allclose(learner.adapt(other)(queries), learner.adapt(support)(queries))


@torch.no_grad()
def test_a_row_of_the_head_comes_from_its_class_alone(float64):
    learner = build(f"hypernet:{SMALL}", NARROW)
    x, queries = torch.randn(6, 8), torch.randn(4, 8)
    y = torch.tensor([0, 1, 2, 0, 1, 2])
    expected = []
    for number in range(3):
        mean = x[y == number].mean(0)
        row = learner.of_class(x[y == number], torch.ones(1, 2))[0]
        bias = row[-1] - mean.dot(mean) / 2
        expected.append(queries @ (mean + row[:-1]) + bias)
    predicted = learner.adapt(Examples(x, y, 3))(queries)
    assert torch.allclose(predicted, torch.stack(expected, 1))


@torch.no_grad()
def test_all_weights_of_a_network_of_two_layers_are_generated(float64):
    learner = build(f"hypernet:generates=all,{SMALL}", NARROW)
    _far_from_the_start(learner)
    x, queries = torch.randn(6, 8), torch.randn(4, 8)
    y = torch.tensor([0, 1, 2, 0, 1, 2])
    weights = learner.of_task(x, torch.ones(1, 6)).view(6, 9)

    def layer(images):
        return F.relu(images @ weights[:, :8].T + weights[:, 8])

    expected = []
    for number in range(3):
        mean = layer(x[y == number]).mean(0)
        row = learner.of_class(layer(x[y == number]), torch.ones(1, 2))[0]
        bias = row[-1] - mean.dot(mean) / 2
        expected.append(layer(queries) @ (mean + row[:-1]) + bias)
    predicted = learner.adapt(Examples(x, y, 3))(queries)
    assert torch.allclose(predicted, torch.stack(expected, 1))
    other = learner.of_task(torch.randn(6, 8), torch.ones(1, 6)).view(6, 9)
    assert not torch.allclose(other, weights)  # another task has another network


@torch.no_grad()
def test_films_scale_and_shift_the_backbone_of_support_and_queries(float64):
    learner = build(f"hypernet:generates=film,{SMALL}", NARROW).eval()
    _far_from_the_start(learner)
    tasks = stack_of_tasks(1)
    support, queries = examples(tasks), tasks.query.x[0]
    everything = torch.ones(1, len(support.y))
    film = learner.of_task(learner.backbone(support.x), everything).view(2, -1)
    assert film.abs().max() > 0.1

    def features(images):
        return film_features(learner.backbone, learner.sites, film, images)

    means = class_means(support._replace(x=features(support.x)))
    expected = 10 * cosines(features(queries), means)
    assert torch.allclose(learner.adapt(support)(queries), expected)


@torch.no_grad()
def test_a_head_to_which_nothing_is_added_is_a_prototypical_network(float64):
    learner = build(f"hypernet:{SMALL}", NARROW)
    nn.init.zeros_(learner.of_class.last.weight)
    x, queries = torch.randn(6, 8), torch.randn(4, 8)
    support = Examples(x, torch.tensor([0, 1, 2, 0, 1, 2]), 3)
    distances = squared_distances(queries, class_means(support))
    predicted = learner.adapt(support)(queries).log_softmax(-1)
    assert torch.allclose(predicted, (-distances / 2).log_softmax(-1))


@torch.no_grad()
def test_generated_weights_start_like_ordinary_ones(float64):
    learner = build("hypernet:generates=all,width=64,hidden=200", NARROW)
    x = torch.randn(5, 8)
    weights = learner.of_task(x, torch.ones(1, 5)).view(200, 9)
    assert weights.std().item() == pytest.approx((2 / 8) ** 0.5, rel=0.1)
    film = build(f"hypernet:generates=film,{SMALL}", NARROW)
    assert film.of_task(x, torch.ones(1, 5)).abs().max() < 0.3


@torch.no_grad()
def test_a_class_without_examples_has_no_score(float64):
    learner = build(f"hypernet:{SMALL}", NARROW)
    predicted = learner.adapt(Examples(torch.randn(2, 8), torch.tensor([0, 2]), 3))
    answers = predicted(torch.randn(4, 8))
    assert answers[:, 1].isnan().all()
    assert answers[:, [0, 2]].isfinite().all()


def test_stacked_tasks_are_those_one_by_one(float64):
    tasks = stack_of_tasks(2)
    for spec in ("hypernet", "hypernet:generates=all,encoder=set_transformer"):
        learner = build(f"{spec}{',' if ':' in spec else ':'}{SMALL}", NARROW).eval()
        x = learner.embed(tasks.support.x.flatten(0, 1)).unflatten(0, tasks.support.y.shape)
        queries = learner.embed(tasks.query.x.flatten(0, 1)).unflatten(0, tasks.query.y.shape)
        stacked = scores(learner, tasks.support._replace(x=x), queries)
        for task in range(2):
            alone = learner.adapt(Examples(x[task], tasks.support.y[task], tasks.support.ways))
            assert torch.allclose(stacked[task], alone(queries[task]))


def _far_from_the_start(learner):
    """Give the last layers of the encoders ordinary weights, so that sets make a difference."""
    for name, part in learner.named_modules():
        if name.endswith(".last"):
            part.reset_parameters()

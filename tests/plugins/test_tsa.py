"""Task-specific adapters against torch's own modules and optimiser."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from mlw_crossdomain.centroids import nearest_centroid
from mlw_crossdomain.tsa import TSA, convolutions
from torch import nn

from workbench import modulated
from workbench.errors import UsageError
from workbench.experiments.build import build_backbone, build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.functional import each_task
from workbench.learning.settings import TrainSettings
from workbench.learning.training import Training
from workbench.plugin.recipes import published_numbers
from workbench.plugin.registry import registry
from workbench.tasks.source import Source
from workbench.tasks.task import Examples
from workbench.testing import check_learner, tiny_data, tiny_source
from workbench.testing.tiny import SHAPE

NARROW = "conv4:width=8"
BACKBONES = [
    NARROW,
    "conv4:width=8,pooling=stride",
    "conv4:width=8,pooled=2,unpadded=2",
    "conv4:width=8,norm=group",
    "conv4:width=8,norm=batch",
]


def lived_in(backbone, shape=SHAPE):
    """Return a backbone with trained running averages, in eval mode."""
    torch.manual_seed(0)
    module = build_backbone(backbone, shape)
    with torch.no_grad():
        for name, value in [*module.named_parameters(), *module.named_buffers()]:
            if value.is_floating_point():
                value.add_(
                    torch.rand_like(value) / 10 if name.endswith(("weight", "var")) else 0.05
                )
    return module.eval()


def a_task():
    task = next(tiny_source(stack=1).tasks())
    return Examples(task.support.x[0], task.support.y[0], task.support.ways), task.query.x[0]


class Beside(nn.Module):
    """A convolution with a residual adapter, as in the paper."""

    def __init__(self, conv, first):
        super().__init__()
        self.conv = conv.requires_grad_(requires_grad=False)
        self.adapter = nn.Conv2d(
            conv.in_channels, conv.out_channels, 1, stride=conv.stride, bias=False
        )
        with torch.no_grad():
            self.adapter.weight.copy_(
                first * torch.eye(conv.out_channels, conv.in_channels)[..., None, None]
            )

    def forward(self, x):
        trim = 1 - self.conv.padding[0]
        middle = x[
            ..., trim : x.shape[-2] - trim, trim : x.shape[-1] - trim
        ]  # the centres of the kernels of the convolution
        return self.conv(x) + self.adapter(middle)


def with_adapters(backbone, first):
    """Return a copy of a backbone with modules in parallel with its convolutions."""
    copied = copy.deepcopy(backbone)
    for site, conv in convolutions(copied).items():
        copied.set_submodule(site, Beside(conv, first))
    return copied


# --- the contract


@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_contract(backbone):
    check_learner("tsa:adapt_steps=3", backbone=backbone)


@pytest.mark.parametrize(
    "spec", ["tsa", "tsa:rates=oracle,adapt_steps=2", "tsa:first=0,adapt_steps=1,init=none"]
)
def test_the_contract_with_options(spec):
    check_learner(spec, backbone=NARROW)


def test_it_starts_from_url_and_its_rates_are_chosen():
    data = tiny_data()
    plan = make_plan("tsa", data, TrainingRequest(ways=3, shots=2, backbone=NARROW))
    assert plan.init.algorithm == "url"
    assert plan.init.backbone == plan.backbone
    assert set(plan.selects) == {"adapt_lr", "adapter_lr"}
    assert (
        build_learner(plan, data).state_dict().keys()
        <= build_learner(plan.init, data).state_dict().keys()
    )
    numbers = published_numbers(registry().find("algorithms", "tsa"))
    all_eight = "ilsvrc_2012 omniglot aircraft cu_birds dtd quickdraw fungi vgg_flower"
    assert {number.trained_on for number in numbers if number.data == "mscoco"} == {
        ("ilsvrc_2012",),
        tuple(all_eight.split()),
    }
    assert all(number.options == {"rates": "oracle"} for number in numbers)


def test_nothing_is_trained():
    learner = TSA(build_backbone(NARROW, SHAPE), None)
    source = Source(tiny_data().domains("train"), None)
    assert list(Training(learner, source, TrainSettings(steps=5, validate_every=0)).steps()) == []
    assert source.batches_drawn == 0


def test_a_backbone_without_such_convolutions_is_refused_in_one_sentence():
    with pytest.raises(
        UsageError, match=r"3 x 3 convolutions, and this backbone has none\. Use --backbone conv4"
    ):
        TSA(nn.Flatten(), None)


# --- the adapters


@pytest.mark.parametrize("backbone", BACKBONES)
def test_at_0_it_is_the_bare_backbone(backbone, float64):
    network, (support, queries) = lived_in(backbone), a_task()
    learner = TSA(network, None, first=0.0, adapt_steps=0).eval()
    same = partial(torch.allclose, rtol=1e-12, atol=1e-12)
    assert same(learner.features(learner.first_weights(queries), queries), network(queries))
    expected = nearest_centroid(support._replace(x=network(support.x)))(network(queries))
    assert same(learner.adapt(support)(queries), expected)
    begun = TSA(network, None, adapt_steps=0).eval()  # of 1e-4
    features = begun.features(begun.first_weights(queries), queries)
    assert not same(features, network(queries))
    assert torch.allclose(features, network(queries), atol=1e-2)


@pytest.mark.parametrize("backbone", [*BACKBONES, "resnet10:stem=medium"])
def test_an_adapter_is_a_convolution_of_1_x_1_beside_one_of_3_x_3(backbone, float64):
    network, (_, queries) = lived_in(backbone), a_task()
    learner = TSA(network, None).eval()
    weights = {
        name: torch.randn_like(value) / 3 for name, value in learner.first_weights(queries).items()
    }
    beside = with_adapters(network, 0.0)
    with torch.no_grad():
        for name, module in beside.named_modules():
            if isinstance(module, Beside):
                module.adapter.weight.copy_(weights[f"{name}.weight"][..., None, None])
    assert torch.allclose(learner.features(weights, queries), beside(queries) @ weights["map"].T)


def test_an_adapter_is_what_a_hook_adds(float64):
    network, (_, queries) = lived_in(NARROW), a_task()
    learner = TSA(network, None, first=0.5)
    weights = learner.first_weights(queries)

    def add(adapter, x, h):
        return h + torch.einsum("oi,nihw->nohw", adapter, x)

    with modulated(
        network, {name: partial(add, weights[f"{name}.weight"]) for name in convolutions(network)}
    ):
        expected = network(queries)
    assert torch.allclose(learner.features(weights, queries), expected)
    assert not torch.allclose(network(queries), expected)


@pytest.mark.parametrize(("of_map", "of_adapters"), [(0.1, 0.05), (1.0, 0.5)])
def test_the_fit_is_that_of_torchs_adadelta_with_two_rates(of_map, of_adapters, float64):
    network, (support, queries) = lived_in(NARROW), a_task()
    beside, mapping = with_adapters(network, 1e-4), nn.Linear(network.dim, network.dim, bias=False)
    nn.init.eye_(mapping.weight)
    adapters = [parameter for name, parameter in beside.named_parameters() if ".adapter." in name]
    groups = [
        {"params": adapters, "lr": of_adapters},
        {"params": mapping.parameters(), "lr": of_map},
    ]
    optimizer = torch.optim.Adadelta(groups)

    def classified(images):
        known = mapping(beside(support.x))
        centroids = torch.stack([known[support.y == way].mean(0) for way in range(support.ways)])
        return 10 * F.cosine_similarity(mapping(beside(images))[:, None], centroids[None], dim=-1)

    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        losses.append(F.cross_entropy(classified(support.x), support.y))
        losses[-1].backward()
        optimizer.step()
    assert len(adapters) == 4
    assert losses[-1] < losses[0]
    learner = TSA(network, None, adapt_lr=of_map, adapter_lr=of_adapters, adapt_steps=8).eval()
    assert torch.allclose(learner.adapt(support)(queries), classified(queries), atol=1e-7)


def test_the_backbone_stays_as_it_was_and_all_of_it_is_adapted(float64):
    network, (support, queries) = lived_in(NARROW), a_task()
    before = copy.deepcopy(network.state_dict())
    bare = network(queries)
    TSA(network, None, adapt_steps=2).eval().adapt(support)(queries)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert torch.equal(network(queries), bare)


def test_it_gives_the_same_under_vmap(float64):
    tasks = next(tiny_source(stack=3).tasks())
    learner = TSA(lived_in(NARROW), None, adapt_steps=3).eval()

    def one(x, y, queries):
        return learner.adapt(Examples(x, y, 3))(queries)

    stacked, looped = (
        each_task(one, *tasks.support[:2], tasks.query.x, batched=way) for way in (True, False)
    )
    assert torch.allclose(stacked, looped, atol=1e-8)


@pytest.mark.parametrize(
    ("seen", "rates"), [(True, (0.1, 0.05)), (False, (1.0, 0.5)), (None, (0.1, 0.05))]
)
def test_the_oracle_knows_whether_the_domain_was_trained_on(seen, rates):
    network, (support, queries) = lived_in(NARROW), a_task()
    learner = TSA(network, seen, rates="oracle", adapt_lr=7.0, adapt_steps=2).eval()
    honest = TSA(network, seen, adapt_lr=rates[0], adapter_lr=rates[1], adapt_steps=2).eval()
    assert learner.oracle
    assert not honest.oracle
    assert torch.equal(learner.adapt(support)(queries), honest.adapt(support)(queries))


def test_golden_numbers(float64):
    network, (support, queries) = build_backbone("conv4:width=4", SHAPE), a_task()
    with torch.no_grad():
        for parameter in network.parameters():
            numbers = torch.arange(parameter.numel())
            parameter.copy_((0.7 * numbers + 0.1 * numbers.square()).cos().view_as(parameter))
    found = (
        TSA(network, None, adapt_lr=1.0, adapter_lr=0.5, adapt_steps=5)
        .eval()
        .adapt(support)(queries)[0]
    )
    assert found.tolist() == pytest.approx([9.99735, 9.90097, 9.92577], abs=1e-4)


def test_only_three_by_three_convolutions_without_groups_are_adapted():
    net = nn.Sequential(
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 8, 3, groups=2),
        nn.Conv2d(8, 5, 1),
        nn.Conv2d(5, 8, 3, stride=2, padding=1),
    )
    sites = convolutions(net)
    assert list(sites) == ["3"]
    assert (sites["3"].stride, sites["3"].out_channels) == ((2, 2), 8)

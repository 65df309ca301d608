"""FiLM adapted by gradient (FLUTE) and generated (CNAPs), against independent formulas."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from gradients import skip_on_old_torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlw_crossdomain.cnaps import CNAPs
from mlw_crossdomain.film import Film
from mlw_crossdomain.set_encoder import SetEncoder
from torch import nn

from workbench import Backbone, film_features, film_sites
from workbench.errors import UsageError
from workbench.experiments.build import build_backbone, build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.functional import class_means, cosines
from workbench.learning.learner import scores
from workbench.learning.modulation import normalisations
from workbench.learning.training import Training
from workbench.plugin.recipes import RECIPES, Condition, matching_number, published_numbers
from workbench.plugin.registry import registry
from workbench.tasks.source import Source
from workbench.tasks.task import Examples
from workbench.testing import check_learner, tiny_data, tiny_source
from workbench.testing.tiny import SHAPE

NARROW = "conv4:width=8"
NORMS = [NARROW, "conv4:width=8,norm=batch", "conv4:width=8,norm=group"]


def learner_of(spec, backbone=NARROW):
    data = tiny_data()
    return build_learner(
        make_plan(spec, data, TrainingRequest(ways=3, shots=2, backbone=backbone)), data
    )


def moved(learner):
    """Give a learner trained films, running averages and classifiers; in eval mode."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in [*learner.named_parameters(), *learner.named_buffers()]:
            if value.is_floating_point():
                noise = torch.rand(value.shape, generator=random).to(value)
                value += noise / 10 if name.startswith("backbone") else noise - 0.5
    return learner.eval()


def of_two_domains(backbone=NARROW, **options):
    """Return FLUTE for two domains of tiny data, and a source of them."""
    first, second = (
        tiny_data().domains(split)[0]._replace(name=split) for split in ("train", "val")
    )
    source = Source([first, second], None, batch_size=12)
    torch.manual_seed(0)
    return Film(build_backbone(backbone, SHAPE), source.classes, SHAPE, **options), source


def a_task(stack=1):
    return next(tiny_source(stack=stack).tasks())


def support_of(task, number=0):
    return Examples(task.support.x[number], task.support.y[number], task.support.ways)


# ---------------------------------------------------------------- both


@pytest.mark.parametrize("backbone", NORMS)
@pytest.mark.parametrize(
    "spec",
    [
        "film:init=none",
        "film:init=none,start=mean,film_steps=2",
        "cnaps:init=none",
        "cnaps:init=none,code=16",
    ],
)
def test_the_contract(spec, backbone):
    check_learner(spec, backbone=backbone)


@pytest.mark.parametrize("spec", ["film", "cnaps"])
def test_the_contract_with_the_recipes_backbone(spec):
    check_learner(spec)


@pytest.mark.parametrize("backbone", NORMS)
def test_film_at_gamma_one_and_beta_zero_is_the_bare_backbone(backbone):
    network = build_backbone(backbone, SHAPE).eval()
    sites, x = film_sites(network, SHAPE), a_task().query.x[0]
    bare = network(x)
    assert torch.equal(film_features(network, sites, torch.zeros(2, 32), x), bare)
    assert torch.equal(film_features(network, sites, torch.zeros(len(x), 2, 32), x), bare)


def test_film_multiplies_by_gamma_and_adds_beta_behind_each_normalisation(float64):
    network = build_backbone("conv4:width=8,norm=group", SHAPE)
    sites, x = normalisations(network, SHAPE), a_task().query.x[0]
    film = torch.rand(2, 32)
    by_hand, (gammas, betas) = x, film.view(2, 4, 8)
    for block in range(4):
        convolution, norm, *rest = network.blocks[4 * block : 4 * block + 4]
        h = norm(convolution(by_hand))
        by_hand = nn.Sequential(*rest)(
            (1 + gammas[block])[:, None, None] * h + betas[block][:, None, None]
        )
    assert torch.allclose(film_features(network, sites, film, x), by_hand.flatten(1))


def test_each_image_under_its_own_film(float64):
    network = build_backbone(NARROW, SHAPE).eval()
    sites, x = film_sites(network, SHAPE), a_task().query.x[0]
    films = torch.rand(len(x), 2, 32)
    together = film_features(network, sites, films, x)
    apart = [
        film_features(network, sites, film, image[None])
        for film, image in zip(films, x, strict=True)
    ]
    assert torch.allclose(together, torch.cat(apart))


def test_a_backbone_without_normalised_maps_is_refused():
    class Flat(Backbone):
        dim = 4

        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(256, 4)

        def forward(self, images):
            return self.linear(images.flatten(1))

    with pytest.raises(UsageError, match="Flat does not normalise maps"):
        Film(Flat(), (3,), SHAPE)


@given(st.integers(0, 1000), st.integers(1, 9))
@settings(deadline=None, max_examples=20)
def test_a_set_has_no_order(seed, count):
    random = torch.Generator().manual_seed(seed)
    torch.manual_seed(0)
    encoder, x = SetEncoder(1, 5).double(), torch.rand(count, 1, 16, 16, generator=random).double()
    encoded = encoder(x)
    assert encoded.shape == (5,)
    assert torch.allclose(encoded, encoder(x[torch.randperm(count, generator=random)]), atol=1e-12)
    assert torch.allclose(encoded, encoder(torch.cat([x, x])), atol=1e-12)  # nor does the number


@pytest.mark.parametrize("spec", ["film:init=none", "cnaps:init=none"])
@pytest.mark.parametrize("backbone", NORMS)
def test_stacked_equals_looped_and_nothing_changes(spec, backbone, float64):
    skip_on_old_torch(spec, backbone)
    learner = moved(learner_of(spec, backbone))
    before = copy.deepcopy(learner.state_dict())
    task = a_task(stack=3)
    learner.batched = True  # it can be stacked, but this is slower on a CPU
    stacked = scores(learner, task.support, task.query.x)
    alone = torch.stack([learner.adapt(support_of(task, i))(task.query.x[i]) for i in range(3)])
    assert torch.allclose(stacked, alone, atol=1e-9)
    assert all(torch.equal(before[name], value) for name, value in learner.state_dict().items())
    assert all(parameter.grad is None for parameter in learner.parameters())


# ---------------------------------------------------------------- film


class WithFilm(nn.Module):
    """A copy of conv4 with FiLM layers, for torch's own optimiser."""

    def __init__(self, backbone, film):
        super().__init__()
        self.blocks = copy.deepcopy(backbone.blocks).requires_grad_(False)
        self.gamma = nn.ParameterList(list(1 + film[0].detach().view(4, -1)))
        self.beta = nn.ParameterList(list(film[1].detach().clone().view(4, -1)))

    def forward(self, x):
        for number, part in enumerate(self.blocks):
            x = part(x)
            if number % 4 == 1:
                x = self.gamma[number // 4].view(1, -1, 1, 1) * x + self.beta[number // 4].view(
                    1, -1, 1, 1
                )
        return x.flatten(1)


@pytest.mark.parametrize("backbone", NORMS)
@pytest.mark.parametrize("start", ["blend", "mean", "identity"])
def test_adapting_equals_torchs_adam_on_a_copy(start, backbone, float64):
    learner = moved(of_two_domains(backbone, start=start, film_steps=4, film_lr=0.02, scale=7.0)[0])
    task = a_task()
    support = support_of(task)
    weights = {
        "blend": learner.blender(support.x).softmax(0),
        "mean": torch.full((2,), 0.5),
        "identity": torch.zeros(2),
    }
    network = WithFilm(
        learner.backbone,
        sum(w * film for w, film in zip(weights[start], learner.films, strict=True)),
    )
    network.eval()
    optimizer = torch.optim.Adam([*network.gamma, *network.beta], lr=0.02)

    def logits(x):
        features = network(support.x)
        centroids = torch.stack([features[support.y == k].mean(0) for k in range(3)])
        return 7 * F.cosine_similarity(network(x)[:, None], centroids[None], dim=-1)

    for _ in range(4):
        optimizer.zero_grad()
        F.cross_entropy(logits(support.x), support.y).backward()
        optimizer.step()
    assert torch.allclose(
        learner.adapt(support)(task.query.x[0]), logits(task.query.x[0]), atol=1e-8
    )


def test_a_blender_that_cannot_tell_mixes_evenly():
    learner = moved(of_two_domains()[0])
    nn.init.zeros_(learner.blender.of_all[-1].weight)
    nn.init.zeros_(learner.blender.of_all[-1].bias)
    x = a_task().support.x[0]
    assert torch.allclose(learner.first_film(x), learner.films.mean(0))
    nn.init.constant_(learner.blender.of_all[-1].bias[:1].detach(), 100.0)
    assert torch.allclose(
        learner.first_film(x), learner.films[0]
    )  # a confident Blender takes that domain's film


def test_before_any_step_at_identity_it_is_the_nearest_centroid_of_the_bare_backbone():
    learner = moved(of_two_domains(start="identity", film_steps=0)[0])
    task = a_task()
    support = support_of(task)
    means = class_means(support._replace(x=learner.backbone(support.x)))
    expected = 10 * cosines(learner.backbone(task.query.x[0]), means)
    assert torch.allclose(learner.adapt(support)(task.query.x[0]), expected, atol=1e-6)


@pytest.mark.parametrize("backbone", NORMS)
def test_the_loss_of_training(backbone, float64):
    """The loss is the mean cross-entropy of the cosine classifiers plus the Blender's."""
    learner, source = of_two_domains(backbone)
    moved(learner)  # in eval mode: normalised by the running averages
    batches = next(source.domain_batches())
    source.batches_drawn = 0
    expected = torch.tensor(0.0)
    for domain, batch in enumerate(batches):
        network = WithFilm(learner.backbone, learner.films[domain]).eval()
        logits = F.cosine_similarity(network(batch.x)[:, None], learner.heads[domain][None], dim=-1)
        expected = expected + F.cross_entropy(learner.scales[domain] * logits, batch.y) / 2
        blended = learner.blender(batch.x)
        expected = expected - blended.log_softmax(0)[domain] / 2
    assert torch.allclose(next(learner.losses(source)), expected)


def test_in_training_all_domains_share_the_statistics_of_a_step():
    learner, source = of_two_domains()
    learner.train()
    batches = next(source.domain_batches())
    learner.domain_features(batches)
    together = torch.cat([batch.x for batch in batches])
    norm = learner.backbone.blocks[1]
    mean = learner.backbone.blocks[0](together).mean((0, 2, 3))
    assert norm.num_batches_tracked == 1
    assert torch.allclose(norm.running_mean, 0.1 * mean, atol=1e-6)


def test_the_blender_learns_from_its_own_loss_alone():
    learner, source = of_two_domains()
    next(learner.losses(source)).backward()
    source.batches_drawn = 0
    batches = next(source.domain_batches())
    alone = copy.deepcopy(learner.blender)
    alone.zero_grad()
    F.cross_entropy(torch.stack([alone(batch.x) for batch in batches]), torch.arange(2)).backward()
    for mine, other in zip(learner.blender.parameters(), alone.parameters(), strict=True):
        assert torch.allclose(mine.grad, other.grad, atol=1e-7)


def test_training_teaches_domains_apart():
    learner, source = of_two_domains()
    plan = make_plan(
        "film:init=none,steps=40,lr=3e-3,keep=last",
        tiny_data(),
        TrainingRequest(ways=3, shots=2, backbone=NARROW),
    )
    losses = [record.loss for record in Training(learner, source, plan.settings).steps()]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert (learner.films[0] - learner.films[1]).abs().amax() > 0.01


# ---------------------------------------------------------------- cnaps


def test_the_first_task_meets_the_bare_backbone():
    learner = learner_of("cnaps:init=none,scale=7")
    task = a_task()
    support = support_of(task)
    means = class_means(support._replace(x=learner.eval().backbone(support.x)))
    expected = 7 * cosines(learner.backbone(task.query.x[0]), means)
    assert torch.allclose(learner.adapt(support)(task.query.x[0]), expected, atol=1e-5)


def test_the_generated_film_is_a_network_of_the_mean_embedding(float64):
    learner = moved(learner_of("cnaps:init=none,code=16"))
    x = a_task().support.x[0]
    encoder, (_, first, _, last) = learner.encoder, learner.generate
    code = encoder.of_all(
        torch.stack([encoder.of_each(image[None]).mean((0, 2, 3)) for image in x]).mean(0)
    )
    assert code.shape == (16,)
    film = last(first(code.relu()).relu())
    assert torch.allclose(learner.film(x), torch.stack([film[:32], film[32:]]))


def test_the_backbone_of_cnaps_stays_as_it_was():
    learner = learner_of("cnaps:init=none")
    before = copy.deepcopy(learner.backbone.state_dict())
    plan = make_plan(
        "cnaps:init=none,steps=5,lr=0.01",
        tiny_data(),
        TrainingRequest(ways=3, shots=2, backbone=NARROW),
    )
    film = learner.film(a_task().support.x[0])
    list(Training(learner, tiny_source(), plan.settings).steps())
    assert all(
        torch.equal(before[name], value) for name, value in learner.backbone.state_dict().items()
    )
    assert not torch.allclose(film, learner.film(a_task().support.x[0]))


def test_golden_numbers():
    """Weights and images are the same on every machine."""

    def fixed(module):
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.copy_(torch.arange(parameter.numel()).add(1).sin().view_as(parameter))
        return module.eval()

    def pictures(count):
        place = torch.arange(count * 256)
        return (0.01 * place.square() + 0.3 * place).cos().square().view(count, 1, 16, 16)

    support = Examples(pictures(4), torch.tensor([0, 1, 0, 1]), 2)
    film = fixed(Film(build_backbone(NARROW, SHAPE), (3, 3), SHAPE)).adapt(support)(pictures(3)[1:])
    cnaps = fixed(CNAPs(build_backbone(NARROW, SHAPE), SHAPE)).adapt(support)(pictures(3)[1:])
    assert torch.allclose(film, torch.tensor([[9.9104, 9.77495], [9.97348, 9.80161]]), atol=1e-3)
    assert torch.allclose(
        cnaps, torch.tensor([[2.293269, 2.308473], [2.300992, 2.282540]]), atol=1e-4
    )


# ---------------------------------------------------------------- recipes


@pytest.mark.parametrize(
    ("name", "backbone"), [("film", "resnet18:stem=large"), ("cnaps", "resnet18:stem=medium")]
)
def test_the_published_numbers_of_meta_dataset_stand_beside_a_run_of_its_protocol(name, backbone):
    entry = registry().find("algorithms", name)
    numbers = published_numbers(entry)
    assert len(numbers) == 10
    domains = "ilsvrc_2012 omniglot aircraft cu_birds dtd quickdraw fungi vgg_flower"
    test_on = "omniglot:channels=3,size=84,split=alphabets"
    condition = Condition(tuple(domains.split()), test_on, "meta-dataset", None, None)
    found = matching_number(entry, {}, condition, backbone)
    assert found
    assert found.accuracy == {"film": 93.2, "cnaps": 91.7}[name]
    five_way = condition._replace(protocol="way-shot", ways=5, shots=5)
    assert matching_number(entry, {}, five_way, backbone) is None


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes_can_be_planned(recipe):
    options = {"film": "film", "cnaps": "cnaps:init=none"}
    data = tiny_data((3, 84, 84), classes=12, images=24)
    plans = {
        name: make_plan(spec, data, TrainingRequest(ways=5, shots=5, recipe=recipe))
        for name, spec in options.items()
    }
    assert set(plans["film"].selects) == ({"film_lr", "film_steps"} if recipe == "quick" else set())
    assert plans["cnaps"].settings.train_protocol == (
        "way-shot" if recipe == "quick" else "meta-dataset:max_support=400,max_ways=40"
    )
    assert make_plan("cnaps", data, TrainingRequest(ways=5, shots=5)).init.algorithm == "baseline"

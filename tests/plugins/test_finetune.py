"""Fine-tuning against torch.optim on a deepcopy, in float64, stacked and task by task."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from mlw_transfer.finetune import FineTune
from mlw_transfer.tuning import crop_and_flip
from torch import nn

from workbench import Backbone
from workbench.errors import UsageError
from workbench.experiments.build import build_learner
from workbench.experiments.plan import TrainingRequest, make_plan
from workbench.learning.learner import scores
from workbench.tasks.task import Examples
from workbench.testing import check_learner, tiny_data, tiny_source

NARROW = "conv4:width=8"
GROUPED = "conv4:width=8,norm=group"
GUO = "head=random,tuner=sgd,tune_lr=0.01,tune_batch=4,statistics=support"
FORMS = [
    "tune_lr=1e-2",
    "tune_lr=1e-2,blocks=2,features=logits",
    "tune_lr=1e-2,head=random,tune_batch=4",
    GUO,
    f"{GUO},blocks=1",
    "tune_lr=1e-2,statistics=batch",
    "tune_lr=1e-2,entropy=0.5",
    "tuner=sgd,tune_lr=0.1,augmented=2",
]


def built(options, backbone=NARROW):
    """Return a learner of 3 ways with trained running averages."""
    data = tiny_data()
    plan = make_plan(
        f"finetune:{options},init=none", data, TrainingRequest(ways=3, shots=2, backbone=backbone)
    )
    learner = build_learner(plan, data)
    with torch.no_grad():
        learner.train()(tiny_task().support.x[0])
    return learner.eval()


def tiny_task(count=1):
    return next(tiny_source(stack=count).tasks())


def examples(task, number=0):
    return Examples(task.support.x[number], task.support.y[number], task.support.ways)


def features(net, x):
    z = net.backbone(x)
    if net.features == "logits":
        z = net.classifier(z).relu()
    return z / z.norm(dim=1, keepdim=True) if net.head == "support" else z


def first_head(net, x, y, ways, random):
    """Return the initial head, by loops over classes or from the next random numbers."""
    with torch.no_grad():
        z = features(net, x)
    head = nn.Linear(z.shape[1], ways)
    if net.head == "support":
        means = torch.stack([z[y == way].mean(0) for way in range(ways)])
        weight, bias = means / means.norm(dim=1, keepdim=True), torch.zeros(ways)
    else:
        first = (torch.rand(ways, z.shape[1] + 1, generator=random) * 2 - 1) / z.shape[1] ** 0.5
        weight, bias = first[:, :-1], first[:, -1]
    head.load_state_dict({"weight": weight, "bias": bias})
    return head


def optimisers(net, head):
    """Return the names in conv4's last blocks; the classifier is one more block."""
    tuned = list(net.parameters())
    if net.blocks:
        last = [f"backbone.blocks.{4 * number}.weight" for number in range(4)] + [
            "classifier.weight"
        ]
        names = [name for name, _ in net.named_parameters()]
        tuned = tuned[names.index([name for name in last if name in names][-net.blocks]) :]
    if net.tuner == "adam":
        return [torch.optim.Adam([*tuned, *head.parameters()], net.tune_lr)]
    of_head = torch.optim.SGD(
        head.parameters(), net.tune_lr, momentum=0.9, dampening=0.9, weight_decay=0.001
    )
    return [torch.optim.SGD(tuned, net.tune_lr), of_head]


def by_torch(learner, support, queries):
    """Fine-tune by torch.optim on a deepcopy, in train and eval mode."""
    random = torch.Generator().manual_seed(0)
    x = torch.cat(
        [support.x, *(crop_and_flip(support.x, random) for _ in range(learner.augmented))]
    )
    y = torch.cat([support.y] * (1 + learner.augmented))
    net = copy.deepcopy(learner)
    head = first_head(net, x, y, support.ways, random)
    steps = optimisers(net, head)
    norms = nn.ModuleList(part for part in net.modules() if isinstance(part, nn.BatchNorm2d))
    norms.train(learner.statistics != "running")
    for _ in range(learner.tune_epochs):
        for batch in torch.randperm(len(y), generator=random).split(learner.tune_batch or len(y)):
            loss = F.cross_entropy(head(features(net, x[batch])), y[batch])
            if learner.entropy:
                p = head(features(net, queries)).softmax(1)
                loss = loss - learner.entropy * (p * p.log()).sum(1).mean()
            for optimiser in steps:
                optimiser.zero_grad()
            loss.backward()
            for optimiser in steps:
                optimiser.step()
    norms.train(learner.statistics == "batch")
    with torch.no_grad():
        return head(features(net, queries))


# ---------------------------------------------------------------- the contract


@pytest.mark.parametrize("backbone", [NARROW, GROUPED, "conv4:width=8,norm=batch"])
@pytest.mark.parametrize(
    "options", ["tune_epochs=2", f"{GUO},tune_epochs=1", "tune_epochs=2,statistics=batch"]
)
def test_the_contract(options, backbone):
    check_learner(f"finetune:{options}", backbone=backbone)


@pytest.mark.parametrize(
    "options", ["entropy=1,tune_lr=1e-2,tune_epochs=2", "features=logits,augmented=1,tune_epochs=1"]
)
def test_the_contract_with_the_recipes_backbone(options):
    check_learner(f"finetune:{options}")


@pytest.mark.parametrize(
    ("options", "backbone", "transductive"),
    [
        ("", NARROW, False),
        ("statistics=support", NARROW, False),
        ("statistics=batch", NARROW, True),
        ("statistics=batch", GROUPED, False),  # nothing normalises by the batch
        ("", "conv4:width=8,norm=batch", True),
        ("entropy=0.1", GROUPED, True),
    ],
)
def test_when_it_is_transductive(options, backbone, transductive):
    assert built(f"{options or 'head=support'}", backbone).transductive == transductive


def test_it_learns_nothing_in_training():
    learner = built("tune_epochs=1")
    assert list(learner.losses(tiny_source())) == []
    assert set(learner.selects) == {"tune_lr", "tune_epochs"}


# ---------------------------------------------------------------- tuning


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("options", FORMS)
def test_it_equals_torch_optim_on_a_deepcopy(options, batched, float64, monkeypatch):
    monkeypatch.setattr(FineTune, "batched", batched)
    learner, task = built(f"{options},tune_epochs=3"), tiny_task(2)
    with torch.no_grad():
        ours = scores(learner, task.support, task.query.x)
    for number in range(2):
        theirs = by_torch(learner, examples(task, number), task.query.x[number])
        assert torch.allclose(ours[number], theirs, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("options", FORMS)
def test_the_learner_is_bit_for_bit_unchanged_after_each_task(options):
    learner, tasks = built(f"{options},tune_epochs=2"), tiny_task(3)
    before = copy.deepcopy(learner.state_dict())
    modes = [part.training for part in learner.modules()]
    alone = built(f"{options},tune_epochs=2").adapt(examples(tasks, 2))(tasks.query.x[2])
    for number in range(3):
        predicted = learner.adapt(examples(tasks, number))(tasks.query.x[number])
        assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())
        assert modes == [part.training for part in learner.modules()]
    assert torch.equal(predicted, alone)  # earlier tasks have no effect


def test_without_an_epoch_it_is_the_cosine_with_class_means_of_features_of_unit_length(float64):
    learner, task = built("tune_epochs=0"), tiny_task()
    support, queries = examples(task), task.query.x[0]
    with torch.no_grad():
        z, q = F.normalize(learner.backbone(support.x)), learner.backbone(queries)
        means = torch.stack([z[support.y == way].mean(0) for way in range(3)])
        expected = F.cosine_similarity(q[:, None], means, dim=2)
    assert torch.allclose(learner.adapt(support)(queries), expected)


class Pixels(Backbone):
    """The scaled image: one step can be computed by hand."""

    dim = 2

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, 2))

    def forward(self, images):
        return images.flatten(1) * self.scale


def test_a_worked_example(float64):
    """Two images, (1, 0) and (0, 1), one per class; W = I, b = 0; softmax(1, 0) = (0.73, 0.27).

    If sigma = 0.7311, the gradient by W is (sigma - 1)/2 on the diagonal, (1 - sigma)/2 off it.
    The gradients by b and by the scale are 0, because features of unit length ignore the scale.
    SGD has rate 1 and decays the head's weights by 0.001.
    """
    learner = FineTune(Pixels(), (2,), tuner="sgd", tune_lr=1.0, tune_epochs=1)
    images = torch.eye(2).reshape(2, 1, 1, 2)
    wrong = 1 / (1 + torch.tensor(1.0).exp())  # 0.2689
    predicted = learner.adapt(Examples(images, torch.arange(2), 2))(images)
    expected = torch.eye(2) * (1 + wrong / 2 - 0.001) - (1 - torch.eye(2)) * wrong / 2
    assert torch.allclose(predicted, expected)


def test_golden_numbers(float64):
    learner = FineTune(Pixels(), (2,), head="random", tune_lr=0.1, tune_epochs=4, tune_batch=1)
    images = torch.tensor([[0.9, 0.1], [0.2, 0.7], [0.5, 0.5]]).reshape(3, 1, 1, 2)
    predicted = learner.adapt(Examples(images[:2], torch.arange(2), 2))(images)
    assert torch.allclose(predicted.flatten(), torch.tensor(GOLDEN), atol=1e-6)


GOLDEN = [1.416641, 0.505888, 0.34713, 0.631371, 0.804579, 0.601749]


# ---------------------------------------------------------------- blocks


@pytest.mark.parametrize(
    ("blocks", "first"),
    [
        ("none", "backbone.blocks.0.weight"),
        (4, "backbone.blocks.0.weight"),
        (1, "backbone.blocks.12.weight"),
    ],
)
def test_a_block_begins_with_a_convolution(blocks, first):
    learner = built(f"blocks={blocks}")
    assert learner.tuned[0] == first
    assert learner.tuned[-1] == "backbone.blocks.13.bias"  # of the last normalisation


def test_the_classifier_is_the_last_block_where_the_head_reads_its_logits():
    assert built("blocks=1,features=logits").tuned == ["classifier.weight", "classifier.bias"]


@pytest.mark.parametrize("blocks", [0, 5])
def test_blocks_that_are_not_there_are_refused_in_one_sentence(blocks):
    with pytest.raises(
        UsageError, match=f"blocks={blocks}: must be from 1 to 4, the number of blocks"
    ):
        built(f"blocks={blocks}")


# ---------------------------------------------------------------- augmentation


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=25)
def test_a_crop_keeps_the_range_of_its_image_and_is_a_part_of_a_ramp(seed):
    """Part of a gradient from left to right rises more slowly, or falls if mirrored."""
    ramp = torch.linspace(0, 1, 16).expand(4, 1, 16, 16)
    cropped = crop_and_flip(ramp, torch.Generator().manual_seed(seed))
    assert cropped.shape == ramp.shape
    assert ((cropped >= -1e-6) & (cropped <= 1 + 1e-6)).all()
    slopes = cropped.diff(dim=-1)
    assert (slopes.abs() <= 1 / 15 + 1e-6).all()
    for image in slopes:
        assert (image >= -1e-6).all() or (image <= 1e-6).all()
    assert torch.allclose(cropped, cropped[:, :, :1], atol=1e-5)  # every row equals the first


def test_half_of_the_crops_are_mirrored_and_their_areas_are_8_to_100_percent():
    ramp = torch.linspace(0, 1, 64).expand(2000, 1, 64, 64)
    both = torch.cat([ramp, ramp.mT], 1)
    across, down = crop_and_flip(both, torch.Generator().manual_seed(0)).unbind(1)
    wide = (across[:, 32, 40] - across[:, 32, 24]) / (16 / 63)
    high = (down[:, 40, 32] - down[:, 24, 32]) / (16 / 63)
    area = wide.abs() * high
    assert abs((wide < 0).float().mean() - 0.5) < 0.05
    assert area.min() > 0.07
    assert abs(area.mean() - 0.54) < 0.04


@pytest.mark.parametrize("statistics", ["support", "batch"])
@pytest.mark.parametrize("count", [1, 5])
def test_a_last_batch_of_one_image_whose_maps_are_one_pixel(statistics, count, float64):
    learner = built(
        f"statistics={statistics},tune_batch=4,tune_lr=0.01,tune_epochs=2",
        backbone="resnet18:stem=large",
    )
    task = tiny_task()
    support = Examples(task.support.x[0, :count], task.support.y[0, :count], 3)
    predicted = learner.adapt(support)(task.query.x[0, :1])  # and a single query
    assert predicted.shape == (1, 3)
    assert predicted.isfinite().all()

"""Online learning against torch's SGD, meta-gradients against finite differences."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from features import Given, waves
from mlw_continual.anml import ANML
from mlw_continual.iid import IID
from mlw_continual.oml import OML, descend_two_layers, two_layers
from mlw_continual.online import fit_head, head_scores, learn_online, new_head, with_new_rows
from mlw_continual.pretrain import Pretrain
from mlw_continual.replay import Replay, with_replay
from mlw_continual.scratch import Scratch
from torch import nn

from workbench import Backbone, Examples, Task
from workbench.functional import Weights, descend, last, one_hot
from workbench.tasks.sampling import ClassIndex, Domain
from workbench.tasks.source import Source
from workbench.testing import check_learner

DIM, WAYS = 4, 3
SHAPE = (1, 4, 4)


@pytest.mark.parametrize("spec", ["oml:online=last", "anml:first_order=false,gate_width=4"])
def test_the_contract_holds_with_options(spec):
    check_learner(spec)


def stream(n=9, dim=DIM):
    """Return features of three classes, which arrive one after another."""
    return Examples(waves(n, dim), torch.arange(n) * WAYS // n, WAYS)


def by_torch(model, batches, rate):
    """Train a module by torch's SGD, a step for each batch of inputs and labels."""
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    for x, y in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


def linear(ways=WAYS, dim=DIM):
    """Return torch's layer with the weights of a new head."""
    layer = nn.Linear(dim, ways)
    head = new_head(ways, dim, layer.weight)
    layer.load_state_dict({"weight": head["head.weight"], "bias": head["head.bias"]})
    return layer


def images_of(support, steps):
    return [(support.x[places], support.y[places]) for places in steps]


@pytest.mark.parametrize("steps", [[[0], [1], [2]], [[3, 1], [0, 0, 5], [8]]])
def test_a_head_learns_as_by_torch(steps, float64):
    support, x = stream(), waves(5, DIM).sin()
    expected = by_torch(linear(), images_of(support, steps), 0.3)(x)
    predicted = last(fit_head(support, steps, 0.3))(x)
    assert torch.allclose(predicted, expected, atol=1e-12, rtol=0)


def test_written_gradients_are_those_of_autograd(float64):
    support = stream()
    steps = [[0], [3, 4], [8]]
    head = new_head(WAYS, DIM, support.x)
    generic = last(learn_online(head_scores, head, support, steps, 0.2))
    x = waves(2, DIM)
    written = last(fit_head(support, steps, 0.2))(x)
    assert torch.allclose(written, head_scores(generic, x), atol=1e-12, rtol=0)

    torch.manual_seed(0)
    layer = nn.Linear(DIM, 5)
    weights = Weights(layer.named_parameters(prefix="first")) | new_head(WAYS, 5, support.x)
    x, y = support.x[:1], support.y[:1]
    expected = descend(lambda w: F.cross_entropy(two_layers(w, x), y), weights, 0.2)
    found = descend_two_layers(weights, x, one_hot(y, WAYS), 0.2)
    for name, weight in expected.items():
        assert torch.allclose(found[name], weight, atol=1e-12, rtol=0), name


def test_pretrain_takes_one_step_for_each_image_in_order(float64):
    support, x = stream(), waves(5, DIM).sin()
    expected = by_torch(linear(), images_of(support, [[i] for i in range(9)]), 0.05)(x)
    predicted = Pretrain(Given(DIM), online_lr=0.05).adapt(support)(x)
    assert torch.allclose(predicted, expected, atol=1e-12, rtol=0)


def test_classes_that_did_not_come_are_never_predicted():
    support = Examples(waves(4, DIM), torch.tensor([0, 0, 2, 2]), WAYS)
    for learner in (
        Pretrain(Given(DIM)),
        OML(Given(DIM), (7,)),
        OML(Given(DIM), (7,), online="last"),
    ):
        predicted = learner.adapt(support)(waves(3, DIM))
        assert predicted[:, 1].isnan().all()
        assert predicted[:, [0, 2]].isfinite().all()


def test_iid_sees_each_image_as_often_as_it_has_passes_but_not_in_order(monkeypatch):
    seen = []

    def note(support, steps, rate):
        seen.extend(steps)
        return fit_head(support, steps, rate)

    monkeypatch.setattr("mlw_continual.iid.fit_head", note)
    IID(Given(DIM), passes=3).adapt(stream())
    places = [place for (place,) in seen]
    assert sorted(places[:9]) == sorted(places[9:18]) == list(range(9))
    assert places[:9] != list(range(9))
    assert places[:9] != places[9:18]


def test_replay_draws_from_images_that_came_before():
    for place, step in enumerate(with_replay(50, memory=5, replayed=3)):
        assert step[0] == place
        assert all(drawn < place for drawn in step[1:])
        assert len(step) == (1 if place == 0 else 4)


def test_the_memory_is_a_fair_sample_of_what_came():
    """A reservoir of 20 keeps each of 400 images equally long; a queue would keep the last 20."""
    drawn = Counter()
    for step in list(with_replay(400, memory=20, replayed=200))[300:]:
        drawn.update(step[1:])
    quarters = [sum(drawn[place] for place in range(q * 75, q * 75 + 75)) for q in range(4)]
    assert min(quarters) > 0.1 * sum(quarters)


def test_without_a_memory_replay_is_pretrain(float64):
    support, x = stream(), waves(5, DIM).sin()
    replay = Replay(Given(DIM), replayed=0).adapt(support)(x)
    assert torch.equal(replay, Pretrain(Given(DIM)).adapt(support)(x))


class Small(Backbone):
    """A convolution, and a mean over space."""

    dim = DIM

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, DIM, 3)

    def forward(self, images):
        return self.convolution(images).tanh().mean((2, 3))


def pictures(n=9):
    return stream()._replace(x=waves(n, *SHAPE))


def test_scratch_learns_the_whole_network(float64):
    torch.manual_seed(0)
    learner = Scratch(Small(), online_lr=0.1)
    before = learner.backbone.convolution.weight.clone()
    network = Small()
    network.load_state_dict(learner.backbone.state_dict())
    support, x = pictures(), waves(2, *SHAPE).sin()
    steps = [[place] for place in range(9)]
    model = by_torch(nn.Sequential(network, linear()), images_of(support, steps), 0.1)
    assert torch.allclose(learner.adapt(support)(x), model(x), atol=1e-12, rtol=0)
    assert torch.equal(learner.backbone.convolution.weight, before)


@pytest.mark.parametrize("online", ["both", "last"])
def test_oml_learns_its_prediction_network_online(online, float64):
    torch.manual_seed(0)
    learner = OML(Given(DIM), (7,), hidden=5, online=online, online_lr=0.1)
    layer = nn.Linear(DIM, 5)
    layer.load_state_dict(learner.first.state_dict())
    layer.requires_grad_(online == "both")
    model = nn.Sequential(layer, nn.ReLU(), linear(dim=5))
    support, x = stream(), waves(5, DIM).sin()
    expected = by_torch(model, images_of(support, [[i] for i in range(9)]), 0.1)(x)
    assert torch.allclose(learner.adapt(support)(x), expected, atol=1e-12, rtol=0)


def test_new_rows_are_those_of_the_classes_of_the_stream():
    head = nn.Linear(DIM, 6)
    drawn = with_new_rows(head, torch.tensor([1, 1, 4]))
    same = (drawn["head.weight"] == head.weight).all(1)
    assert same.tolist() == [True, False, True, True, False, True]
    assert drawn["head.bias"][[1, 4]].tolist() == [0.0, 0.0]
    assert torch.equal(drawn["head.bias"][[0, 2, 3, 5]], head.bias[[0, 2, 3, 5]])


def training_task(ways=5):
    """Return a stream of two classes, and others of all classes."""
    support = Examples(waves(6, *SHAPE), torch.tensor([3, 3, 3, 1, 1, 1]), ways)
    return Task(support, Examples(waves(5, *SHAPE).sin(), torch.arange(5), ways), "")


LEARNERS = {
    "oml": lambda: OML(Small(), (5,), hidden=6, inner_lr=0.3),
    "anml": lambda: ANML(Small(), (5,), SHAPE, gate_width=2, inner_lr=0.3, first_order=False),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_meta_gradients_are_those_of_finite_differences(name, float64):
    """Of every parameter, through all steps of the stream: what was wrong in the first OML code."""
    torch.manual_seed(0)
    learner, task = LEARNERS[name](), training_task()

    def loss():
        torch.manual_seed(1)  # for the new rows
        return learner.stream_loss(task)

    parameters = list(learner.parameters())
    gradients = torch.autograd.grad(loss(), parameters)
    step = 1e-6
    for parameter, gradient in zip(parameters, gradients, strict=True):
        for place in {0, parameter.numel() // 2, parameter.numel() - 1}:
            flat = parameter.data.view(-1)
            value = float(flat[place])
            with torch.no_grad():
                flat[place] = value + step
                above = float(loss())
                flat[place] = value - step
                below = float(loss())
                flat[place] = value
            expected = (above - below) / (2 * step)
            assert float(gradient.reshape(-1)[place]) == pytest.approx(expected, abs=1e-7)


def test_first_order_anml_has_the_gradient_at_the_weights_after_the_stream(float64):
    """For the prediction network: its steps are constants that are added to the weights."""
    torch.manual_seed(0)
    learner, task = LEARNERS["anml"](), training_task()
    learner.first_order = True
    torch.manual_seed(1)
    found = torch.autograd.grad(learner.stream_loss(task), learner.backbone.convolution.weight)[0]

    torch.manual_seed(1)
    head = nn.Linear(DIM, 5)
    network = Small()
    network.load_state_dict(learner.backbone.state_dict())
    torch.manual_seed(1)
    rows = with_new_rows(learner.head, task.support.y)
    head.load_state_dict({"weight": rows["head.weight"], "bias": rows["head.bias"]})
    gates = learner.gates(torch.cat([task.support.x, task.query.x])).detach()
    optimizer = torch.optim.SGD([*network.parameters(), *head.parameters()], lr=0.3)
    for place in range(6):
        optimizer.zero_grad()
        scores = head(gates[place] * network(task.support.x[place : place + 1]))
        F.cross_entropy(scores, task.support.y[place : place + 1]).backward()
        optimizer.step()
    optimizer.zero_grad()
    scores = head(gates * network(torch.cat([task.support.x, task.query.x])))
    F.cross_entropy(scores, torch.cat([task.support.y, task.query.y])).backward()
    assert torch.allclose(found, network.convolution.weight.grad, atol=1e-12, rtol=0)


def test_at_test_anml_changes_its_head_alone_on_gated_features(float64):
    torch.manual_seed(0)
    learner = ANML(Small(), (5,), SHAPE, gate_width=2, online_lr=0.1).eval()
    images = waves(9, *SHAPE)
    gated = learner.gates(images) * learner.backbone(images)
    assert torch.equal(learner.embed(images), gated)
    support, x = stream()._replace(x=gated.detach()), waves(2, DIM)
    expected = by_torch(linear(), images_of(support, [[i] for i in range(9)]), 0.1)(x)
    assert torch.allclose(learner.adapt(support)(x), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 1, 1), (1, 28, 28), (1, 5, 2)])
def test_gates_are_in_0_to_1_for_images_of_any_size(shape):
    gates = ANML(Given(DIM), (5,), shape, gate_width=2).gates(torch.rand(3, *shape))
    assert gates.shape == (3, DIM)
    assert ((gates > 0) & (gates < 1)).all()


def classes_apart():
    """Return a source of five classes that are told apart by which pixel is bright."""
    random = torch.Generator().manual_seed(0)
    images = torch.randint(60, (30, *SHAPE), generator=random, dtype=torch.uint8)
    for row, image in enumerate(images):
        image.view(-1)[row // 6] = 255
    starts = torch.arange(0, 31, 6).numpy()
    return Source([Domain("apart", images.numpy(), ClassIndex(starts))], None)


@pytest.mark.parametrize("name", LEARNERS)
def test_training_lowers_the_loss_of_streams(name):
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(16, 16), nn.ReLU())
    backbone.dim = 16
    learner = {
        "oml": lambda: OML(backbone, (5,), hidden=16, stream_classes=2, others=20),
        "anml": lambda: ANML(backbone, (5,), SHAPE, gate_width=4, stream_shots=5, others=20),
    }[name]()
    optimizer = torch.optim.Adam(learner.parameters(), lr=1e-2)
    values = []
    for _, loss in zip(range(100), learner.losses(classes_apart()), strict=False):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert sum(values[-10:]) < 0.5 * sum(values[:10])

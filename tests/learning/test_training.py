"""The training loop: what it reports, where it stops, and that going on is as if never interrupted."""

from itertools import islice

import pytest
import torch
from torch import nn

from workbench.errors import TrainingError
from workbench.experiments.build import build_learner
from workbench.experiments.plan import make_plan
from workbench.learning.learner import Learner
from workbench.learning.settings import TrainSettings
from workbench.learning.training import Training
from workbench.testing import tiny_data, tiny_source


def training(name="protonet", validate=None, **settings):
    data = tiny_data()
    backbone = "conv4:norm=batch,width=8" if name.startswith("maml") else "conv4:width=8"
    learner = build_learner(make_plan(name, data, ways=3, shots=2, backbone=backbone), data)
    chosen = TrainSettings(**{"steps": 6, "validate_every": 2, **settings})
    source = tiny_source(stack=chosen.stack_size)
    return Training(learner, source, chosen, validate)


class Scripted(Learner):
    """Yields losses from a list; its one weight moves by plain gradients."""

    def __init__(self, values):
        super().__init__()
        self.values = values
        self.weight = nn.Parameter(torch.zeros(1))

    def losses(self, source):
        for value in self.values:
            yield (self.weight * value).sum() + value * 0


def scripted(values, **settings):
    return Training(
        Scripted(values),
        tiny_source(),
        TrainSettings(**{"validate_every": 0, "optimizer": "sgd", **settings}),
    )


@pytest.mark.parametrize("name", ["protonet", "maml", "baseline"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_going_on_is_bit_for_bit_as_if_never_interrupted(name, optimizer, tmp_path):
    def validated():
        torch.rand(3)  # a careless validation; the next test holds the real one to more
        return 0.5

    options = {"optimizer": optimizer, "momentum": 0.9, "meta_batch": 2, "lr": 0.01}
    whole = training(name, validated, **options)
    expected = list(whole.steps())
    first = training(name, validated, **options)
    early = list(islice(first.steps(), 3))
    torch.save(first.state_dict(), tmp_path / "state.pt")
    torch.rand(7)  # another process has another random state
    second = training(name, validated, **options)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    late = list(second.steps())
    assert [record.loss for record in early + late] == [record.loss for record in expected]
    weights = whole.learner.state_dict()
    assert all(
        torch.equal(weights[key], value) for key, value in second.learner.state_dict().items()
    )


def test_accumulated_stacks_are_one_meta_batch(float64):
    def weights(stack):
        done = training("maml", meta_batch=4, stack=stack, optimizer="sgd", lr=0.1, steps=2)
        list(done.steps())
        return done.learner.state_dict()

    together, apart = weights(4), weights(1)
    assert all(torch.allclose(together[key], value, atol=1e-9) for key, value in apart.items())


def test_the_best_weights_are_kept():
    accuracies = iter([0.5, 0.9, 0.7])
    seen = []

    def validate():
        seen.append({key: value.clone() for key, value in done.learner.state_dict().items()})
        return next(accuracies)

    done = training(validate=validate)
    records = list(done.steps())
    assert [record.val_accuracy for record in records] == [None, 0.5, None, 0.9, None, 0.7]
    assert (done.best_accuracy, done.best_step) == (0.9, 4)
    assert all(torch.equal(seen[1][key], value) for key, value in done.learner.state_dict().items())
    assert not done.learner.training


def test_the_last_weights_are_kept_if_asked():
    accuracies = iter([0.9, 0.5, 0.5])
    done = training(validate=lambda: next(accuracies), keep="last")
    list(done.steps())
    best = training(validate=None)
    list(best.steps())
    assert all(
        torch.equal(best.learner.state_dict()[k], v) for k, v in done.learner.state_dict().items()
    )


def test_a_loss_that_is_no_number_stops_with_step_and_rate():
    with pytest.raises(TrainingError, match=r"nan at step 3 with learning rate 0.05"):
        list(scripted([1.0, 1.0, float("nan")], lr=0.05).steps())


def test_losses_that_end_end_the_training():
    assert len(list(scripted([1.0, 1.0]).steps())) == 2
    assert list(scripted([]).steps()) == []


@pytest.mark.parametrize(
    ("settings", "weight"),
    [
        ({}, -3.0),
        ({"clip_value": 1.0}, -1.0),
        ({"clip_norm": 2.0}, -2.0),
        ({"lr": 0.5, "clip_norm": 2.0}, -1.0),
    ],
)
def test_clipping(settings, weight):
    done = scripted([3.0], steps=1, **{"lr": 1.0, **settings})
    list(done.steps())
    assert float(done.learner.weight.detach()) == pytest.approx(weight, abs=1e-5)


def test_schedules():
    def rates(**settings):
        chosen = TrainSettings(steps=4, lr=1.0, **settings)
        return [chosen.rate(step) for step in range(4)]

    assert rates() == [1, 1, 1, 1]
    assert rates(schedule="step", decay_every=2, decay_factor=0.5) == [1, 1, 0.5, 0.5]
    assert rates(schedule="linear") == [1, 0.75, 0.5, 0.25]
    assert rates(schedule="cosine") == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-6)


def test_parameter_groups_keep_their_ratio_to_the_rate():
    class Grouped(Scripted):
        def parameter_groups(self):
            return [{"params": [self.weight], "lr": 0.2}]

    done = Training(
        Grouped([1.0, 1.0]),
        tiny_source(),
        TrainSettings(lr=0.1, steps=2, validate_every=0, optimizer="sgd"),
    )
    list(done.steps())
    assert float(done.learner.weight.detach()) == pytest.approx(-0.4)


def test_a_learner_without_weights_trains_to_nothing():
    class Fixed(Learner):
        def losses(self, source):
            return iter(())

    done = Training(Fixed(), tiny_source(), TrainSettings(steps=3))
    assert list(done.steps()) == []


def test_stack_size_divides_the_meta_batch():
    assert [
        TrainSettings(meta_batch=m, stack=s).stack_size
        for m, s in [(32, 32), (32, 12), (7, 4), (1, 8)]
    ] == [
        32,
        8,
        1,
        1,
    ]

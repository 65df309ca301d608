"""The training loop: what it reports, where it stops, and that it resumes bit for bit."""

from dataclasses import replace
from itertools import islice

import pytest
import torch
from learners import BY_BATCH, NARROW, tiny_learner
from torch import nn

from workbench.errors import TrainingError
from workbench.learning.learner import Learner
from workbench.learning.settings import TrainSettings
from workbench.learning.training import Training
from workbench.testing import tiny_source


def training(name="protonet", validate=None, **settings):
    backbone = BY_BATCH if name.startswith("maml") else NARROW
    learner = tiny_learner(name, backbone)
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


def weights_of(training):
    return {name: value.clone() for name, value in training.learner.state_dict().items()}


def same(ours, theirs):
    assert ours.keys() == theirs.keys()
    return all(torch.equal(value, theirs[name]) for name, value in ours.items())


@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("name", ["protonet", "maml", "baseline"])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_it_resumes_bit_for_bit(name, optimizer, keep, tmp_path):
    accuracies = iter([0.5, 0.9, 0.7, 0.5, 0.9, 0.7])

    def validate():
        torch.rand(3)  # moves the random state, which the evaluation would restore
        return next(accuracies)

    options = {"optimizer": optimizer, "momentum": 0.9, "meta_batch": 2, "lr": 0.01, "keep": keep}
    whole = training(name, validate, **options)
    expected = list(whole.steps())
    first = training(name, validate, **options)
    early = list(islice(first.steps(), 3))
    torch.save(first.state_dict(), tmp_path / "state.pt")
    assert not same(weights_of(first), weights_of(training(name)))  # so that loading matters
    torch.rand(7)  # another process has another random state
    second = training(name, validate, **options)
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    late = list(second.steps())
    assert [report.loss for report in early + late] == [report.loss for report in expected]
    assert (second.best_accuracy, second.best_step) == (0.9, 4)
    assert same(weights_of(second), weights_of(whole))
    assert second.seconds >= early[-1].seconds


@pytest.mark.parametrize("step", [3, 5])
def test_the_best_weights_survive_an_interruption(step):
    accuracies = iter([0.5, 0.9, 0.7])
    first = training(validate=lambda: next(accuracies))
    list(islice(first.steps(), step))
    second = training(validate=lambda: next(accuracies))
    second.load_state_dict(first.state_dict())
    list(second.steps())
    assert (second.best_accuracy, second.best_step) == (0.9, 4)
    short = training(steps=4)
    list(short.steps())
    assert same(weights_of(second), weights_of(short))


def test_random_numbers_continue_where_they_were():
    first, second = training(), training()
    list(islice(first.steps(), 2))
    state = first.state_dict()
    expected = torch.rand(5)
    second.load_state_dict(state)
    assert torch.equal(torch.rand(5), expected)


def test_accumulated_stacks_are_one_meta_batch(float64):
    def weights(stack):
        done = training("maml", meta_batch=4, stack=stack, optimizer="sgd", lr=0.1, steps=2)
        before = weights_of(done)
        list(done.steps())
        assert not same(before, weights_of(done))
        return weights_of(done)

    together, apart = weights(4), weights(1)
    for name, value in apart.items():
        assert torch.allclose(together[name], value, atol=1e-9)


def test_the_best_weights_are_kept():
    accuracies = iter([0.5, 0.9, 0.7])
    seen = []

    def validate():
        seen.append(weights_of(done))
        return next(accuracies)

    done = training(validate=validate)
    reports = list(done.steps())
    assert [report.val_accuracy for report in reports] == [None, 0.5, None, 0.9, None, 0.7]
    assert (done.best_accuracy, done.best_step) == (0.9, 4)
    assert same(weights_of(done), seen[1])
    assert not same(seen[1], seen[2])
    assert not done.learner.training


def test_the_last_weights_are_kept_if_asked():
    accuracies = iter([0.9, 0.5, 0.5])
    done = training(validate=lambda: next(accuracies), keep="last")
    list(done.steps())
    unvalidated = training(validate=None)
    list(unvalidated.steps())
    assert same(weights_of(done), weights_of(unvalidated))
    short = training(steps=2)
    list(short.steps())
    assert not same(weights_of(done), weights_of(short))


def test_a_loss_that_is_no_number_stops_with_step_and_rate():
    with pytest.raises(TrainingError, match=r"nan at step 3 with learning rate 0.05"):
        list(scripted([1.0, 1.0, float("nan")], lr=0.05).steps())


def test_the_first_loss_is_not_blamed_on_the_learning_rate():
    with pytest.raises(TrainingError, match=r"nan at step 1, where the learning rate has not"):
        list(scripted([float("nan")], lr=0.05).steps())


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


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_a_large_eps_shortens_the_steps_of_adam(optimizer):
    """The first step is lr g / (|g| + eps): half of lr where the gradient is eps."""
    done = scripted([0.25], optimizer=optimizer, eps=0.25, lr=0.1, steps=1)
    list(done.steps())
    assert done.learner.weight.item() == pytest.approx(-0.05)


class Averaging(Scripted):
    """Keeps a running mean of its weight and a count of steps, and a count after each yield."""

    def __init__(self, values):
        super().__init__(values)
        self.register_buffer("average", torch.zeros(1))
        self.register_buffer("count", torch.zeros(()))
        self.returns = 0

    def losses(self, source):
        for loss in super().losses(source):
            yield loss
            self.returns += 1

    def stepped(self):
        self.average.lerp_(self.weight, 0.5)
        self.count += 1


def averaging(**settings):
    chosen = TrainSettings(**{"validate_every": 0, "optimizer": "sgd", "lr": 1.0, **settings})
    return Training(Averaging([1.0] * 24), tiny_source(), chosen)


def test_stepped_follows_each_step():
    done = averaging(steps=6, meta_batch=4, stack=1)
    list(done.steps())
    assert done.learner.count == 6
    assert done.learner.returns == 23  # a yield is no place for it: four losses make one step
    expected = 0.0
    for step in range(1, 7):
        expected = (expected - step) / 2  # the weight after so many steps of 1.0 is -step
    assert done.learner.average.item() == expected


def test_validation_sees_what_stepped_changed():
    done = averaging(steps=4, meta_batch=1)
    done.validate = lambda: seen.append(done.learner.count.item()) or 0.5
    done.settings = replace(done.settings, validate_every=2)
    seen = []
    list(done.steps())
    assert seen == [2, 4]


def test_what_stepped_changed_is_resumed():
    first, second, whole = (averaging(steps=4, meta_batch=1) for _ in range(3))
    list(islice(first.steps(), 2))
    second.load_state_dict(first.state_dict())
    list(second.steps())
    list(whole.steps())
    assert second.learner.count == 4
    assert same(weights_of(second), weights_of(whole))


def test_best_weights_hold_what_stepped_changed():
    accuracies = iter([0.9, 0.5])
    done = averaging(steps=4, meta_batch=1, validate_every=2)
    done.validate = lambda: next(accuracies)
    list(done.steps())
    assert done.learner.count == 2

"""Training settings: the stack size, the learning rate of a step, and values that are refused."""

from __future__ import annotations

import pytest

from workbench.errors import UsageError
from workbench.learning.settings import TrainSettings, settings_options


@pytest.mark.parametrize(
    ("meta_batch", "stack", "size"), [(32, 32, 32), (32, 12, 8), (7, 4, 1), (1, 8, 1), (6, 4, 3)]
)
def test_the_stack_size_divides_the_meta_batch(meta_batch, stack, size):
    assert TrainSettings(meta_batch=meta_batch, stack=stack).stack_size == size


def rates(**settings):
    chosen = TrainSettings(steps=4, lr=1.0, **settings)
    return [chosen.rate(step) for step in range(4)]


def test_schedules():
    assert rates() == [1, 1, 1, 1]
    assert rates(schedule="step", decay_every=2, decay_factor=0.5) == [1, 1, 0.5, 0.5]
    assert rates(schedule="linear") == [1, 0.75, 0.5, 0.25]
    assert rates(schedule="cosine") == pytest.approx([1, 0.853553, 0.5, 0.146447], abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"meta_batch": 0}, "meta_batch=0.*from 1 to 100,000"),
        ({"lr": -1.0}, "lr=-1.*at least 0"),
        ({"train_ways": 1}, "train_ways=1.*at least 2"),
        ({"augment": "crp"}, "'crp'"),
    ],
)
def test_values_out_of_bounds_are_refused(settings, words):
    with pytest.raises(UsageError, match=words):
        TrainSettings(**settings)


def test_every_field_is_an_option_with_a_help_text():
    options = settings_options()
    assert {name: option.default for name, option in options.items()} == vars(TrainSettings())
    assert all(option.help for option in options.values())

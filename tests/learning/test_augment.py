"""Augmentation: names, and what all changes share: they draw from torch's random state alone."""

import subprocess
import sys
from itertools import islice

import pytest
import torch
from augmented import noise, seeded
from hypothesis import example, given, settings
from hypothesis import strategies as st
from learners import tiny_learner

from workbench.errors import UsageError
from workbench.learning import augment
from workbench.learning.settings import TrainSettings
from workbench.learning.training import Training
from workbench.testing import tiny_source

# --- names


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("none", ()),
        ("crop", ("crop",)),
        ("flip+crop", ("flip", "crop")),
        ("shift+jitter+flip", ("shift", "jitter", "flip")),
    ],
)
def test_names(spec, expected):
    assert augment.names(spec) == expected


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            "crops",
            [
                "'crops'",
                "Did you mean crop?",
                "crop, flip, jitter, none, shift",
                "crop+jitter+flip",
            ],
        ),
        ("crop+color", ["'color'", "crop, flip, jitter, none, shift"]),
        ("crop+none", ["'none'"]),
        ("crop,flip", ["'crop,flip'"]),
        ("crop+", ["''"]),
        ("", ["''"]),
    ],
)
def test_wrong_names_are_answered_with_the_right_ones(spec, words):
    with pytest.raises(UsageError) as error:
        augment.names(spec)
    assert all(word in str(error.value) for word in words), error.value


def test_a_name_given_twice():
    with pytest.raises(
        UsageError,
        match=r"augment=flip\+crop\+flip names a change twice; use augment=flip\+crop$",
    ):
        augment.names("flip+crop+flip")


def test_none_is_no_call_at_all():
    assert augment.build("none", (3, 84, 84)) is None


def test_it_is_imported_when_it_is_asked_for():
    code = """
import sys
from workbench.learning import augment, training
augment.build('none', (3, 8, 8))
print('kornia' in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("False\n", "")


# --- what all have in common


@given(
    spec=st.lists(st.sampled_from(augment.NAMES), min_size=1, unique=True).map("+".join),
    n=st.integers(1, 5),
    channels=st.sampled_from([1, 3]),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 2**32),
)
@example(
    spec="crop", n=1, channels=1, size=(22, 5), seed=1
)  # interpolates 1 and 1 to a little more than 1
@settings(max_examples=60, deadline=None)
def test_shape_dtype_and_range_are_kept(spec, n, channels, size, seed):
    images = noise(n, channels, *size)
    images[0] = 1
    before = images.clone()
    changed = seeded(spec, images, seed)
    assert changed.shape == images.shape
    assert changed.dtype == images.dtype
    assert 0 <= changed.min() <= changed.max() <= 1
    assert torch.equal(images, before), "the images given are left as they are"


@pytest.mark.parametrize("spec", [*augment.NAMES, "crop+jitter+flip"])
def test_the_same_random_state_gives_the_same_images_and_the_next_call_others(spec):
    images, change = noise(8), augment.build(spec, (3, 20, 20))
    torch.manual_seed(3)
    first = change(images)
    state = torch.get_rng_state()
    second, third = change(images), change(images)
    torch.rand(5)
    torch.set_rng_state(state)
    afresh = augment.build(
        spec, (3, 20, 20)
    )  # nothing is kept between calls: another process does the same
    assert torch.equal(afresh(images), second)
    assert torch.equal(afresh(images), third)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)


@pytest.mark.parametrize("spec", [*augment.NAMES, "crop+jitter+flip"])
def test_each_image_has_a_draw_of_its_own(spec):
    images = noise(1).expand(64, -1, -1, -1)
    different = len(torch.unique(seeded(spec, images).flatten(1), dim=0))
    assert different == 2 if spec == "flip" else different > 30


@pytest.mark.parametrize("spec", [*augment.NAMES, "crop+jitter+flip"])
def test_the_draws_are_the_cpus_wherever_the_images_are(spec):
    """On `meta` nothing can be read back, so the device is never waited for."""
    images = noise(6)
    seeded(spec, images)
    state = torch.get_rng_state()
    changed = seeded(spec, images.to("meta"))
    assert changed.shape == images.shape
    assert changed.device.type == "meta"
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.skipif(not torch.accelerator.is_available(), reason="there is no accelerator here")
@pytest.mark.parametrize("spec", [*augment.NAMES, "crop+jitter+flip"])
def test_an_accelerator_changes_them_alike(spec):
    images = noise(16, 3, 84, 84)
    device = torch.accelerator.current_accelerator()
    assert torch.allclose(seeded(spec, images.to(device)).cpu(), seeded(spec, images), atol=1e-5)


@pytest.mark.parametrize("spec", [*augment.NAMES, "crop+jitter+flip"])
def test_reduced_precision_does_not_reach_the_images(spec):
    images = noise(6)
    expected = seeded(spec, images)
    with torch.autocast("cpu", torch.bfloat16):
        changed = seeded(spec, images)
    assert torch.equal(changed, expected)


def test_float64(float64):
    images = noise(6)
    changed = seeded("crop+jitter+flip", images)
    assert changed.dtype == images.dtype == torch.float64


def test_they_come_in_the_order_typed():
    """A black border stays black if it comes last; before jitter, less contrast makes it grey."""
    white = torch.ones(64, 3, 20, 20)
    border_last, border_first = seeded("jitter+shift", white), seeded("shift+jitter", white)
    assert ((border_last == 0) | (border_last >= 0.6 - 1e-6)).all()
    assert ((border_first > 0) & (border_first < 0.3)).any()


# --- resume


def training(name, change):
    source = tiny_source(stack=2)
    source.augment = change
    settings = TrainSettings(steps=8, meta_batch=2, validate_every=0)
    return Training(tiny_learner(name), source, settings)


def losses(training):
    return [report.loss for report in training.steps()]


@pytest.mark.parametrize("name", ["protonet", "baseline"])  # of tasks, of batches
def test_a_training_resumes_bit_for_bit(name):
    change = augment.build("crop+jitter+flip", (1, 16, 16))
    whole, first, unchanged = training(name, change), training(name, change), training(name, None)
    torch.manual_seed(5)
    expected = losses(whole)
    torch.manual_seed(5)
    assert losses(unchanged) != expected
    torch.manual_seed(5)
    early = [report.loss for report in islice(first.steps(), 3)]
    state = first.state_dict()
    torch.rand(7)  # another process has another random state
    second = training(name, augment.build("crop+jitter+flip", (1, 16, 16)))
    second.load_state_dict(state)
    assert early + losses(second) == expected
    weights = whole.learner.state_dict()
    for key, value in second.learner.state_dict().items():
        assert torch.equal(weights[key], value)

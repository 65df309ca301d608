"""Augmentation: each change against formulas of our own, drawn from torch's random state alone."""

import subprocess
import sys
from itertools import islice, permutations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from learners import tiny_learner
from PIL import Image, ImageEnhance

from workbench.errors import UsageError
from workbench.learning import augment
from workbench.learning.settings import TrainSettings
from workbench.learning.training import Training
from workbench.testing import tiny_source

GREY_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R 601-2, as PIL's convert("L")


def seeded(spec, images, seed=0):
    torch.manual_seed(seed)
    return augment.build(spec, tuple(images.shape[1:]))(images)


def noise(n, channels=3, height=20, width=20, low=0.0, high=1.0):
    random = torch.Generator().manual_seed(1)
    return low + (high - low) * torch.rand(n, channels, height, width, generator=random)


def ramps(height, width):
    """Column and row number as two channels: what comes out says where it was."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns / (width - 1), rows / (height - 1)])


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


# --- flip


def test_flip_mirrors_half_of_the_images_and_leaves_the_others():
    images = noise(4000, 1, 3, 5)
    changed = seeded("flip", images)
    mirrored = (changed == images[..., [4, 3, 2, 1, 0]]).all((1, 2, 3))
    assert (mirrored | (changed == images).all((1, 2, 3))).all()
    assert (
        abs(int(mirrored.sum()) - 2000) < 104
    )  # 99.9% of the binomial's weight; the seed is fixed


# --- crop


def crop_boxes(n, height, width, seed=0):
    """Return textures, their crops, and the boxes (left, upper, right, lower).

    The boxes are read from ramps beside the textures.
    """
    textures = noise(n, 1, height, width)
    images = torch.cat([textures, ramps(height, width).expand(n, -1, -1, -1)], 1)
    changed = seeded("crop", images, seed)
    ends = torch.stack(
        [changed[:, 1, 0, 0], changed[:, 2, 0, 0], changed[:, 1, -1, -1], changed[:, 2, -1, -1]], 1
    )
    inside = ends * torch.tensor(
        [width - 1, height - 1, width - 1, height - 1]
    )  # pixels, both ends included
    assert torch.allclose(inside, inside.round(), atol=1e-3)
    return textures, changed[:, :1], inside.round().int() + torch.tensor([0, 0, 1, 1])


def bilinear(inside, outside):
    """Return the matrix `(outside, inside)` of bilinear resizing.

    Pixel centres lie at half pixels; the ends are repeated.
    """
    at = ((np.arange(outside) + 0.5) * inside / outside - 0.5).clip(0, inside - 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(inside)))


@pytest.mark.parametrize("size", [(84, 84), (20, 31)])
def test_crop_is_a_part_resized_bilinearly(size):
    """By our own matrices, by PIL, and by torch with and without antialiasing: it only enlarges."""
    for texture, changed, box in zip(*crop_boxes(25, *size), strict=True):
        left, upper, right, lower = box.tolist()
        part = texture[:, upper:lower, left:right]
        by_hand = (
            bilinear(lower - upper, size[0])
            @ part[0].double().numpy()
            @ bilinear(right - left, size[1]).T
        )
        assert np.allclose(changed[0], by_hand, atol=1e-5)
        for antialias in (False, True):
            by_torch = F.interpolate(
                part[None], size, mode="bilinear", align_corners=False, antialias=antialias
            )
            assert torch.allclose(changed, by_torch[0], atol=1e-5)
        by_pil = Image.fromarray(part[0].numpy()).resize(size[::-1], Image.Resampling.BILINEAR)
        assert np.allclose(changed[0], np.asarray(by_pil), atol=1e-5)


def test_crop_draws_area_shape_and_place_as_published():
    """Against a simulation: area 8 to 100%, shape log-uniform in 3:4 to 4:3, until it fits."""
    _, _, boxes = crop_boxes(4000, 84, 84)
    left, upper, right, lower = boxes.double().unbind(1)
    width, height = right - left, lower - upper
    random = np.random.default_rng(0)
    area, shape = (
        random.uniform(0.08, 1, 100_000) * 84**2,
        np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3), 100_000)),
    )
    widths, heights = np.sqrt(area * shape).round(), np.sqrt(area / shape).round()
    fits = (widths <= 84) & (heights <= 84)
    widths, heights = widths[fits], heights[fits]
    assert (
        furthest(width * height, widths * heights) < 0.03
    )  # Kolmogorov-Smirnov, 99.9%: 1.95 / sqrt(4000)
    assert furthest(width / height, widths / heights) < 0.03
    for place, room in ((left, 84 - width), (upper, 84 - height)):
        free = room > 5
        uniform = (place[free] + 0.5) / (room[free] + 1)
        assert furthest(uniform, np.linspace(0, 1, 10_001)) < 0.04


def furthest(ours, theirs):
    """The largest distance between two empirical distribution functions."""
    at = np.sort(np.concatenate([ours, theirs]))
    below = [
        np.searchsorted(np.sort(values), at, side="right") / len(values)
        for values in (ours, theirs)
    ]
    return np.abs(below[0] - below[1]).max()


# --- shift


@pytest.mark.parametrize(("side", "most"), [(84, 8), (64, 8), (32, 4), (28, 4)])
def test_shift_moves_each_way_alike_and_fills_with_black(side, most):
    images = 0.5 + 0.5 * ramps(side, side).expand(3000, -1, -1, -1)[:, [0, 1, 0]]
    changed = seeded("shift", images)
    middle = side // 2
    here = (changed[:, :2, middle, middle] * 2 - 1) * (side - 1)
    moved = (here - middle).round().int()  # (n, 2): columns and rows
    for change, (right, down) in list(zip(changed, moved.tolist(), strict=True))[:60]:
        rows, columns = torch.arange(side) + down, torch.arange(side) + right
        inside = ((rows >= 0) & (rows < side))[:, None] & ((columns >= 0) & (columns < side))
        expected = images[0][:, rows.clamp(0, side - 1)][:, :, columns.clamp(0, side - 1)] * inside
        assert torch.equal(change, expected)
    for one_way in moved.T:
        counts = torch.bincount(one_way + most).double()
        assert len(counts) == 2 * most + 1
        even = len(one_way) / len(counts)
        assert (
            (counts - even) ** 2 / even
        ).sum() < 40  # 99.9th percentile of chi-square with 16 degrees is 39


# --- jitter


def grey(images):
    return sum(weight * images[:, channel] for channel, weight in enumerate(GREY_WEIGHTS))[:, None]


def factors(images, changed):
    """Return brightness, contrast and saturation `(n, 3)` of a change that clipped nothing.

    The change is a x + b grey(x) + c mean(grey(x)), with a = saturation contrast brightness,
    b = (1 - saturation) contrast brightness, c = (1 - contrast) brightness.
    """
    mean = grey(images).mean((2, 3), keepdim=True).expand_as(images)
    parts = torch.stack([images, grey(images).expand_as(images), mean], -1).flatten(1, 3)
    solved = torch.linalg.lstsq(parts, changed.reshape(len(images), -1, 1), driver="gelsd").solution
    assert torch.allclose((parts @ solved).view_as(changed), changed, atol=1e-5)
    a, b, c = solved[:, :, 0].unbind(1)
    return torch.stack([a + b + c, (a + b) / (a + b + c), a / (a + b)], 1)


def test_jitter_is_brightness_contrast_and_saturation_times_0_6_to_1_4(float64):
    images = noise(2000, 3, 4, 4, low=0.35, high=0.55)
    found = factors(images, seeded("jitter", images))
    for values in found.T:
        assert furthest(values, np.linspace(0.6, 1.4, 10_001)) < 0.044  # Kolmogorov-Smirnov, 99.9%
    assert torch.corrcoef(found.T).fill_diagonal_(0).abs().max() < 0.08  # drawn apart


def test_jitter_is_the_papers_by_pil(float64):
    """PIL rounds to whole grey values after each of the three, so it is within a few of 255."""
    images = (noise(30, 3, 16, 16, low=0.35, high=0.55) * 255).round() / 255
    changed = seeded("jitter", images)
    enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for image, ours, found in zip(images, changed, factors(images, changed).tolist(), strict=True):
        picture = Image.fromarray((image * 255).round().byte().permute(1, 2, 0).numpy())
        for enhancer, factor in zip(enhancers, found, strict=True):
            picture = enhancer(picture).enhance(factor)
        theirs = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255
        assert (ours - theirs).abs().max() < 4 / 255


def test_jitter_cuts_off_at_black_and_white():
    changed = seeded("jitter", (noise(50) > 0.5).float())
    assert changed.min() == 0
    assert changed.max() == 1


def test_the_order_of_the_three_does_not_matter_where_nothing_is_cut_off(float64):
    """So that one order serves papers that draw it."""
    from kornia.augmentation import ColorJitter

    images, results = noise(20, low=0.35, high=0.55), []
    for order in permutations(range(3)):
        torch.manual_seed(0)
        results.append(ColorJitter(0.4, 0.4, 0.4, order=order)(images))
    assert all(torch.allclose(results[0], other) for other in results)


def test_jitter_of_grey_images_is_brightness_and_contrast(float64):
    images = noise(2000, 1, 4, 4, low=0.35, high=0.55)
    changed = seeded("jitter", images)
    mean, changed_mean = (x.mean((2, 3), keepdim=True) for x in (images, changed))
    brightness = changed_mean / mean
    contrast = (
        ((changed - changed_mean) / (images - mean))
        .median(-1, keepdim=True)[0]
        .median(-2, keepdim=True)[0]
    )
    contrast /= brightness
    assert torch.allclose(changed, brightness * (contrast * images + (1 - contrast) * mean))
    for values in (brightness, contrast):
        assert (
            furthest(values.ravel(), np.linspace(0.6, 1.4, 10_001)) < 0.044
        )  # Kolmogorov-Smirnov, 99.9%


@pytest.mark.parametrize(
    ("spec", "instead"), [("jitter", "none"), ("crop+jitter+flip", "crop+flip")]
)
def test_jitter_of_other_channels_is_refused(spec, instead):
    with pytest.raises(
        UsageError,
        match=f"1 or 3 channels, and these have 4; use augment={instead}$".replace("+", r"\+"),
    ):
        augment.build(spec, (4, 20, 20))


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

"""Flip, crop, shift and jitter, each against formulas of our own."""

from itertools import permutations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from augmented import noise, seeded
from PIL import Image, ImageEnhance

from workbench.errors import UsageError
from workbench.learning import augment

GREY_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R 601-2, as PIL's convert("L")


def ramps(height, width):
    """Column and row number as two channels: what comes out says where it was."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([columns / (width - 1), rows / (height - 1)])


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

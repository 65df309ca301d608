"""What a data set is like: the same whatever the size, and what each number tells apart."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.data.opening import open_dataset
from workbench.data.tables import Table
from workbench.recommending.landmarks import Landmarks, landmarks


def table(images, per_class):
    """Return a split whose classes have `per_class` images each."""
    starts = np.arange(0, len(images) + 1, per_class)
    names = tuple(f"c{number}" for number in range(len(starts) - 1))
    return Table(images, names, starts, "")


def noise(count, channels=1, side=28, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (count, channels, side, side), dtype=np.uint8)


GLYPHS = Landmarks(
    colour=0.0, brightness=0.1331, contrast=0.2986, detail=0.2835, between=0.2276, nearest=0.4525
)


def test_golden_landmarks_of_the_glyphs():
    found = landmarks(open_dataset("glyphs").table("test"))
    assert found == pytest.approx(GLYPHS, abs=1e-4)


def test_classes_of_one_image_each_repeated_lie_apart():
    images = np.repeat(noise(6), 5, axis=0)
    found = landmarks(table(images, 5))
    assert found.between == pytest.approx(1)
    assert found.nearest == 1


def test_noise_is_told_apart_by_guessing():
    found = landmarks(table(noise(200), 10))
    assert abs(found.nearest) < 0.15
    assert found.between < 0.15


def test_colour_is_none_in_grey_images_of_three_channels():
    grey = np.repeat(noise(20), 3, axis=1)
    assert landmarks(table(grey, 5)).colour == 0
    assert landmarks(table(noise(20, channels=3), 5)).colour > 0.3


def test_smooth_images_have_little_detail():
    smooth = np.tile(np.linspace(0, 255, 28).astype(np.uint8), (20, 1, 28, 1))
    assert landmarks(table(smooth, 5)).detail < 0.2 * landmarks(table(noise(20), 5)).detail


def test_larger_images_of_the_same_give_the_same():
    small = noise(20)
    large = small.repeat(3, axis=2).repeat(3, axis=3)
    assert landmarks(table(large, 5)) == pytest.approx(landmarks(table(small, 5)), abs=1e-9)


@pytest.mark.parametrize("per_class", [1, 2])
def test_few_images_are_measured_too(per_class):
    found = landmarks(table(noise(4), per_class))
    assert all(np.isfinite(found))

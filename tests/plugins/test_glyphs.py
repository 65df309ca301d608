"""Glyphs: the same bytes everywhere, well formed, neither trivial nor impossible."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from mlw_vision.data import glyphs
from mlw_vision.data.glyphs import Glyphs, Random, bezier, character, draw, rasterise
from numpy.typing import NDArray

from workbench.data.dataset import SPLITS, ImageClass
from workbench.errors import UsageError

COUNTS = {"train": 400, "val": 80, "test": 160}


def first_class(**options: float) -> ImageClass:
    return next(Glyphs(**options).classes("val", {}))


@pytest.fixture(scope="module")
def splits() -> dict[str, list[ImageClass]]:
    return {split: list(Glyphs().classes(split, {})) for split in SPLITS}


@pytest.fixture(scope="module")
def test_images(splits: dict[str, list[ImageClass]]) -> NDArray[np.uint8]:
    return np.stack([glyph.images for glyph in splits["test"]])  # (classes, drawings, 1, 28, 28)


def test_every_class_is_well_formed(splits: dict[str, list[ImageClass]]) -> None:
    assert {split: len(classes) for split, classes in splits.items()} == COUNTS
    for glyph in (glyph for classes in splits.values() for glyph in classes):
        assert glyph.images.shape == (20, 1, 28, 28)
        assert glyph.images.dtype == np.uint8


def test_no_class_is_in_two_splits(splits: dict[str, list[ImageClass]]) -> None:
    numbers = [number for split in SPLITS for number in glyphs.SPLIT_NUMBERS[split]]
    assert len({character(Random(0, number)).tobytes() for number in numbers}) == 640
    assert len({glyph.name for classes in splits.values() for glyph in classes}) == 640


def test_no_two_drawings_are_the_same(test_images: NDArray[np.uint8]) -> None:
    assert len({image.tobytes() for image in test_images.reshape(-1, 28 * 28)}) == 160 * 20


def test_strokes_are_white_on_black(test_images: NDArray[np.uint8]) -> None:
    ink = test_images / 255.0
    assert (ink.max(axis=(2, 3, 4)) == 1.0).all()
    assert 0.08 < ink.mean() < 0.25
    assert ink.mean(axis=(2, 3, 4)).max() < 0.5
    assert ink.mean(axis=(2, 3, 4)).min() > 0.02


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert first_class().images.tobytes() == first_class().images.tobytes()
    assert first_class().images.tobytes() != first_class(seed=1).images.tobytes()


def test_a_character_does_not_depend_on_those_drawn_before_it(
    splits: dict[str, list[ImageClass]],
) -> None:
    random = Random(0, 405)
    strokes, pens = draw(character(random), random, 1.0)
    assert np.array_equal(rasterise(strokes, pens, 28), splits["val"][5].images)


def test_bytes_are_those_of_every_machine() -> None:
    """If these change, the data has changed: announce a change of results."""
    assert sha256(character(Random(0, 0)).tobytes()).hexdigest()[:16] == "75f2122e1e3abc7e"
    assert sha256(first_class().images.tobytes()).hexdigest()[:16] == "1eb5cbe0fc13c5dc"


def test_random_numbers_have_the_moments_they_claim() -> None:
    uniform, normal = Random(0, 0).uniform(100_000), Random(0, 1).normal(100_000)
    assert uniform.min() >= -1.0
    assert uniform.max() < 1.0
    assert [uniform.mean(), uniform.var()] == pytest.approx([0.0, 1 / 3], abs=0.01)
    assert [normal.mean(), normal.var()] == pytest.approx([0.0, 1.0], abs=0.02)


def test_bezier_follows_its_control_points() -> None:
    square = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    assert bezier(square, np.array([0.0, 0.5, 1.0])) == pytest.approx(
        np.array([[0, 0], [0.5, 0.75], [1, 0]])
    )


def test_a_dot_is_a_disc_of_its_pens_area() -> None:
    dot = rasterise(np.full((1, 1, 1, 2), 0.5), np.array([0.25]), 64) / 255.0
    assert dot.sum() == pytest.approx(np.pi * 16**2, rel=0.01)
    assert np.array_equal(dot, dot[..., ::-1])
    assert np.array_equal(dot, dot.swapaxes(2, 3))


def test_size_changes_the_pixels_and_not_the_drawing() -> None:
    small, large = first_class().images, first_class(size=56).images
    assert large.shape == (20, 1, 56, 56)
    halved = large.reshape(20, 1, 28, 2, 28, 2).mean(axis=(3, 5))
    assert abs(halved - small).mean() < 6.0  # grey levels


def test_three_channels_are_the_one_repeated() -> None:
    grey = first_class().images
    colour = first_class(channels=3).images
    assert colour.shape == (20, 3, 28, 28)
    assert (colour == grey).all()


def test_the_pen_never_leaves_the_paper() -> None:
    for number in range(100):
        random = Random(0, number)
        strokes, pens = draw(character(random), random, 3.0)
        assert (strokes.min(axis=(1, 2, 3)) - pens).min() > 0.0
        assert (strokes.max(axis=(1, 2, 3)) + pens).max() < 1.0


def test_jitter_spreads_the_drawings_of_a_class() -> None:
    still, wild = (draw(character(Random(0, 0)), Random(0, 1), jitter)[0] for jitter in (0.0, 2.0))
    shapes = [
        (points - points.mean(axis=(1, 2), keepdims=True)).std(axis=0).mean()
        for points in (still, wild)
    ]
    assert shapes[0] < 0.5 * shapes[1]


@pytest.mark.parametrize(
    "options", [{"seed": -1}, {"seed": 2**64}, {"size": 0}, {"jitter": -0.1}, {"jitter": np.nan}]
)
def test_options_out_of_range_are_named(options: dict[str, float]) -> None:
    ((name, value),) = options.items()
    with pytest.raises(UsageError, match=f"{name}={value}"):
        Glyphs(**options)


def test_pixels_alone_do_not_solve_it(test_images: NDArray[np.uint8]) -> None:
    """5-way 1-shot: nearest neighbour on pixels is far from chance and from 70%."""
    pixels = test_images.reshape(160, 20, -1) / 255.0
    random = np.random.default_rng(0)
    accuracies = []
    for _ in range(300):
        task = pixels[random.permutation(160)[:5]][:, random.permutation(20)[:16]]  # (5, 16, 784)
        support, query = task[:, 0], task[:, 1:].reshape(75, -1)
        distances = ((query[:, None] - support) ** 2).sum(axis=-1)  # (75, 5)
        accuracies.append((distances.argmin(axis=1) == np.arange(75) // 15).mean())
    assert 0.40 < np.mean(accuracies) < 0.65

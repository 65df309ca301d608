"""What is said of prepared images: copies, classes that share images, little contrast."""

from __future__ import annotations

from itertools import count

import numpy as np
from given_classes import Given

from workbench.data.dataset import ImageClass
from workbench.data.prepared import prepare
from workbench.data.tables import Note

numbers = count()


def noise(seed: int, images: int = 10, low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (images, 1, 6, 6), np.uint8)


def notes(**splits: list[np.ndarray]) -> list[Note]:
    """Return the notes on splits with classes of the given images, named a, b, ..."""
    content = {}
    for split, classes in splits.items():
        names = "abcdef"[: len(classes)]
        content[split] = [
            ImageClass(name, images) for name, images in zip(names, classes, strict=True)
        ]
    prepared = prepare(f"it{next(numbers)}", Given(content), {})
    return list(next(iter(prepared.values())).notes)


def test_images_that_differ_need_no_note(cache):
    assert notes(train=[noise(1), noise(2)], test=[noise(3), noise(4)]) == []


def test_copies_within_a_class_are_counted(cache):
    images = noise(1)
    (note,) = notes(train=[np.concatenate([images, images[:3]]), noise(2)], test=[noise(3)])
    assert "copies of others of their class, pixel by pixel: 3 of 33;" in note.text
    assert note.grave


def test_few_copies_are_not_grave(cache):
    images = noise(1, images=400)
    images[7] = images[3]
    (note,) = notes(train=[images])
    assert "pixel by pixel: 1 of 400;" in note.text
    assert not note.grave


def test_classes_that_share_images_are_named(cache):
    shared = noise(1)
    (note,) = notes(
        train=[shared, np.concatenate([noise(2), shared[:2]])],
        test=[np.concatenate([noise(3), shared[4:5]])],
    )
    assert note.text == (
        "images that lie in two classes: 3 of 33 (2 in a (train) and b (train), "
        "1 in a (train) and a (test))"
    )
    assert note.grave


def test_images_of_one_colour_are_not_called_copies(cache):
    blank = np.full((3, 1, 6, 6), 255, np.uint8)
    assert notes(train=[np.concatenate([noise(1), blank])], test=[noise(2)]) == []


def test_nearly_equal_images_are_said(cache):
    white = np.full((30, 1, 6, 6), 255, np.uint8)
    faint = noise(1, images=30, low=251)
    (note,) = notes(train=[white], test=[faint])
    assert note.text.startswith("60 of 60 images that were compared are nearly equal")
    assert note.grave
    drawing = np.concatenate([white, noise(2, images=40)])
    assert notes(test=[drawing]) == []  # many empty sheets are no fault


def test_few_grey_levels_are_said(cache):
    (note,) = notes(test=[noise(1, images=50, low=16, high=32)])
    assert note.text.startswith("99% of the pixels lie within 16 of 256 grey levels")
    two = np.where(noise(2, images=50) > 200, 255, 0).astype(np.uint8)
    assert notes(test=[two]) == []  # black and white are far apart

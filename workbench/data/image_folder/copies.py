"""Copies: files with the same bytes, with the same pixels, or that are one picture by their names.

A name tells where a picture was saved in two formats, "owl.png" beside "owl.jpg", if both look
alike; and where a program wrote several altered versions of one picture and says so in their names.

A copy of an image to learn from is no new image to classify. Nothing is removed from a user's
folder; a copy is only left out of the data set.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from workbench.data.dataset import SPLITS
from workbench.data.image_folder.image_lookup import without_suffix
from workbench.data.image_folder.labels import ImagesByClass
from workbench.data.image_folder.record import counted, listing

PAIRS = 5  # of classes that are named
ALIKE = 8  # of 255: the mean difference of thumbnails below which two files show one picture
# versions of "owl.png" that Roboflow exports: "owl_png.rf.0123456789abcdef.jpg"
VERSION = re.compile(r"(?P<picture>[^/]+)_[a-z]{3,4}\.rf\.\w+$", re.IGNORECASE)


class Seen(NamedTuple):
    """What tells an image from others."""

    file: bytes  # a hash of its bytes
    pixels: bytes  # a hash of its pixels; b"" for an image of one colour, which is no copy
    thumbnail: bytes  # grey values


class Copies(NamedTuple):
    """The images that repeat an earlier one."""

    of: dict[str, str]  # by their names, the image that they repeat
    files: int  # those with the same bytes
    named: int  # those that are so by their names only; the others have the same pixels
    classes: Counter[tuple[str, str]]  # how many images two different classes share


def find_copies(splits: Mapping[str, ImagesByClass], seen: Mapping[str, Seen]) -> Copies:
    """Find the images that repeat an earlier one.

    The order is that of splits, training first, then of classes and of names. So what lies in
    training and test stays in training, and of a class that was packed twice the first stays.
    """
    by_pixels: dict[bytes, tuple[str, str]] = {}  # the class and the name of each image
    by_name: dict[str, tuple[str, str]] = {}
    of: dict[str, str] = {}
    files = named = 0
    classes: Counter[tuple[str, str]] = Counter()
    for label, image in _in_order(splits):
        if not seen[image].pixels:
            continue
        this = (label, image)
        first = by_pixels.setdefault(seen[image].pixels, this)
        if first == this:
            name, certain = _picture_name(label, image)
            first = by_name.setdefault(name, this)
            if first == this or not (certain or _alike(seen[image], seen[first[1]])):
                continue
            named += 1
        earlier_label, earlier = first
        of[image] = earlier
        files += seen[image].file == seen[earlier].file
        if earlier_label != label:
            classes[earlier_label, label] += 1
    return Copies(of, files, named, classes)


def _picture_name(label: str, image: str) -> tuple[str, bool]:
    """Return what files of one picture have in common, and whether this alone tells."""
    stem = without_suffix(image)
    version = VERSION.search(stem)
    if version is None:
        return stem, False
    return f"{label}: {version['picture']}", True


def _alike(one: Seen, other: Seen) -> bool:
    """Return whether two files show one picture, but for what another format changes."""
    first = np.frombuffer(one.thumbnail, np.uint8).astype(int)
    second = np.frombuffer(other.thumbnail, np.uint8).astype(int)
    return bool(np.abs(first - second).mean() < ALIKE)


def _in_order(splits: Mapping[str, ImagesByClass]) -> Iterator[tuple[str, str]]:
    """Yield the class and the name of each image."""
    for split in ("", *SPLITS):
        for label, names in splits.get(split, {}).items():
            for image in names:
                yield f"{label} ({split})" if split else label, image


def notes_on_copies(copies: Copies, *, dropped: bool, command: str) -> list[str]:
    """Say in words how many copies there are, what becomes of them, and which classes share them.

    Args:
        dropped: whether they are left out.
        command: the command that does the opposite.
    """
    if not copies.of:
        return []
    examples = [f"{image} of {earlier}" for image, earlier in copies.of.items()]
    pixels = len(copies.of) - copies.files - copies.named
    kinds = f"{copies.files:,} by their bytes, {pixels:,} by their pixels"
    if copies.named:
        kinds += f", {copies.named:,} by their names"
    fate, other = "kept", "to leave them out"
    if dropped:
        fate, other = "left out", "to keep them"
    number = counted(len(copies.of), "copy", "copies")
    notes = [f"{number} {fate} ({kinds}): {listing(examples, 3)}; {other}: {command}"]
    if copies.classes:
        pairs = []
        for (earlier, label), images in copies.classes.most_common():
            pairs.append(f"{images:,} in {earlier} and {label}")
        total = sum(copies.classes.values())
        notes.append(
            f"{counted(total, 'copy lies', 'copies lie')} in two classes: {listing(pairs, PAIRS)}"
        )
    return notes

"""Copies: image files with the same bytes, or with the same pixels in another kind of file.

A copy of an image to learn from is no new image to classify. Nothing is removed from a user's
folder; a copy is only left out of the data set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from workbench.data.dataset import SPLITS
from workbench.data.image_folder.labels import ImagesByClass
from workbench.data.image_folder.record import counted, listing

PAIRS = 5  # of classes that are named


class Seen(NamedTuple):
    """What tells an image from others."""

    file: bytes  # a hash of its bytes
    pixels: bytes  # a hash of its pixels; b"" for an image of one colour, which is no copy


class Copies(NamedTuple):
    """The images that repeat an earlier one."""

    of: dict[str, str]  # by their names, the image that they repeat
    files: int  # those with the same bytes; the others have the same pixels only
    classes: Counter[tuple[str, str]]  # how many images two different classes share


def find_copies(splits: Mapping[str, ImagesByClass], seen: Mapping[str, Seen]) -> Copies:
    """Find the images that repeat an earlier one.

    The order is that of splits, training first, then of classes and of names. So what lies in
    training and test stays in training, and of a class that was packed twice the first stays.
    """
    first: dict[bytes, tuple[str, str]] = {}  # the class and the name of each image
    of: dict[str, str] = {}
    files = 0
    classes: Counter[tuple[str, str]] = Counter()
    for label, image in _in_order(splits):
        if not seen[image].pixels:
            continue
        earlier_label, earlier = first.setdefault(seen[image].pixels, (label, image))
        if earlier == image:
            continue
        of[image] = earlier
        files += seen[image].file == seen[earlier].file
        if earlier_label != label:
            classes[earlier_label, label] += 1
    return Copies(of, files, classes)


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
    kinds = f"{copies.files:,} by their bytes, {len(copies.of) - copies.files:,} by their pixels"
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

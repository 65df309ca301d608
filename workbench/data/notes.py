"""What users should know of prepared images: copies, and too little contrast.

Nothing is changed here. A published data set keeps its official counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.data.tables import BLANK, Note, Table

FEW = 0.01  # of the images: so many copies are told when images are prepared, and not again
SAMPLE = 100  # images of which the contrast is measured
SAME = 4  # of 255: JPEG files of one colour differ by as much
FEW_LEVELS = 32  # of 256
EXAMPLES = 3  # pairs of classes that are named


def notes_on(tables: Mapping[str, Table]) -> list[Note]:
    """Return what is said of the images of all splits, in sentences without a full stop."""
    return [*_copies(tables), *_contrast(tables)]


# --- copies


class _Places(NamedTuple):
    """All images that are not of one colour, sorted by their hashes."""

    hashes: NDArray[np.uint64]
    classes: NDArray[np.int64]  # counted over all splits
    names: list[str]  # of these classes, with their splits


def _copies(tables: Mapping[str, Table]) -> list[Note]:
    places = _places(tables)
    if len(places.hashes) < 2:
        return []
    again = places.hashes[1:] == places.hashes[:-1]
    within = again & (places.classes[1:] == places.classes[:-1])
    many = FEW * len(places.hashes)
    notes = []
    if within.any():
        text = (
            f"images that are copies of others of their class, pixel by pixel: {within.sum():,} "
            f"of {len(places.hashes):,}; a query that is a copy of a support image is no test"
        )
        notes.append(Note(text, bool(within.sum() > many)))
    between = again & ~within
    if between.any():
        notes.append(Note(_in_two_classes(places, between), bool(between.sum() > many)))
    return notes


def _places(tables: Mapping[str, Table]) -> _Places:
    hashes = [np.zeros(0, np.uint64)]
    classes = [np.zeros(0, np.int64)]
    names: list[str] = []
    for split, table in tables.items():
        numbers = np.arange(len(table.names)) + len(names)
        names += [f"{name} ({split})" for name in table.names]
        hashes.append(table.hashes)
        classes.append(np.repeat(numbers, np.diff(table.starts)))
    every_hash, every_class = np.concatenate(hashes), np.concatenate(classes)
    kept = every_hash != BLANK
    every_hash, every_class = every_hash[kept], every_class[kept]
    order = np.lexsort((every_class, every_hash))
    return _Places(every_hash[order], every_class[order], names)


def _in_two_classes(places: _Places, between: NDArray[np.bool_]) -> str:
    """Name the classes that share images; `between`: where an image equals the one before it."""
    pairs: dict[tuple[int, int], int] = {}
    for place in np.flatnonzero(between):
        pair = (int(places.classes[place]), int(places.classes[place + 1]))
        pairs[pair] = pairs.get(pair, 0) + 1
    most = sorted(pairs, key=lambda pair: -pairs[pair])
    named = []
    for first, second in most[:EXAMPLES]:
        count = pairs[first, second]
        named.append(f"{count:,} in {places.names[first]} and {places.names[second]}")
    if len(most) > EXAMPLES:
        named.append(f"and {len(most) - EXAMPLES:,} more pairs of classes")
    shared = f"images that lie in two classes: {between.sum():,} of {len(places.hashes):,}"
    return f"{shared} ({', '.join(named)})"


# --- contrast


def _contrast(tables: Mapping[str, Table]) -> list[Note]:
    sample = _sample(tables)  # (n, c, h, w)
    typical = np.sort(sample, axis=0)[len(sample) // 2].astype(np.int16)  # the median
    equal = 0
    for image in sample:
        equal += int(np.abs(image.astype(np.int16) - typical).max() <= SAME)
    if len(sample) > 2 and 2 * equal > len(sample):
        text = (
            f"{equal:,} of {len(sample):,} images that were compared are nearly equal: no pixel "
            f"differs by more than {SAME} of 255 from the typical image. What tells classes apart "
            "may lie in the alpha channel, which is put on white, or in values that 8 bits do not "
            "keep"
        )
        return [Note(text, grave=True)]
    levels = _levels(sample)
    if levels < FEW_LEVELS:
        text = (
            f"99% of the pixels lie within {levels} of 256 grey levels, so images differ little; "
            "scans of 12 bits in files of 16 do so, or a few pixels that are far too bright"
        )
        return [Note(text, grave=True)]
    return []


def _levels(images: NDArray[np.uint8]) -> int:
    """Return how many grey levels lie between the darkest and the brightest 0.5% of the pixels."""
    counts = sum(np.bincount(image.reshape(-1), minlength=256) for image in images)
    shares = np.cumsum(counts) / np.sum(counts)
    low, high = np.searchsorted(shares, [0.005, 0.995])
    return int(high - low) + 1


def _sample(tables: Mapping[str, Table]) -> NDArray[np.uint8]:
    """Return images that are spread evenly over all splits."""
    total = sum(len(table.images) for table in tables.values())
    step = max(total // SAMPLE, 1)
    return np.concatenate([table.images[::step] for table in tables.values()])

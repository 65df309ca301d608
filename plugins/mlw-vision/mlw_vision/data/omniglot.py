"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn once by 20 people.

Lake, Salakhutdinov, Tenenbaum: Human-level concept learning through probabilistic program
induction, Science 350, 2015. https://github.com/brendenlake/omniglot

The published drawings are black on white, 105 x 105 pixels of one bit. Here strokes are white on
black. Images are resized with antialiasing (LANCZOS on grey pixels), as papers say they do.
Rotations by 90, 180 and 270 degrees are additional classes; each drawing is decoded once. The
groups are the alphabets, as drawn or rotated, because Meta-Dataset draws each task from one
alphabet.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from mlw_vision.data.reading import Channels, Size, split_lists
from workbench import Dataset, Groups, ImageClass
from workbench.data import Archive
from workbench.errors import DataError

Split = Literal["vinyals", "lake", "alphabets"]
Rotations = Literal["auto", "none", "train", "all"]
SmallRotations = Annotated[
    Rotations, "rotations by 90, 180, 270 degrees as additional classes; auto: none"
]
SOURCES = ("reading.py", "../splits/omniglot.toml")
AS_DRAWN = ("",)
QUARTERS = ("", "/rot090", "/rot180", "/rot270")  # appended to the name of a rotated character
DRAWINGS = 20  # per character, all by different people
SMALL = {"Greek": "val", "Latin": "test"}  # in both small sets; their other alphabets train


class Omniglot(Dataset):
    """1,623 characters; each rotated by 90, 180 and 270 degrees is a class too, so 6,492 classes.

    `rotations=none` leaves the 1,623. The splits are those used in papers.
    """

    manifest = "omniglot"
    sources = SOURCES

    def __init__(
        self,
        *,
        split: Annotated[
            Split,
            "vinyals: 1028/172/423 characters; lake: 964/659, no validation; "
            "alphabets: 25/5/20, which are 883/81/659 characters",
        ] = "vinyals",
        rotations: Annotated[
            Rotations,
            "rotations by 90, 180, 270 degrees as additional classes; "
            "auto: all for vinyals, otherwise none",
        ] = "auto",
        size: Size = 28,
        channels: Channels = 1,
    ):
        self.split = split
        self.rotations = rotations
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's characters by name, each followed by its rotations."""
        wanted = characters(self.split, split)
        return _classes(files, wanted, self._quarters(split), self.size, self.channels)

    def groups(self, split: str) -> Groups:
        """Return the alphabets. A rotated alphabet is a group of its own."""
        alphabets: dict[str, list[str]] = defaultdict(list)
        for name in characters(self.split, split):
            alphabet = name.partition("/")[0]
            for quarter in self._quarters(split):
                alphabets[alphabet + quarter].append(name + quarter)
        return Groups(tuple(map(tuple, alphabets.values())), whole=False)

    def _quarters(self, split: str) -> tuple[str, ...]:
        rotations = self.rotations
        if rotations == "auto" and self.split == "vinyals":
            rotations = "all"
        return _quarters(rotations, split)


class OmniglotSmall1(Dataset):
    """Omniglot's first minimal set: 3 alphabets to train on, Greek to validate, Latin to test."""

    manifest = "omniglot_small1"
    sources = SOURCES

    def __init__(
        self, *, rotations: SmallRotations = "auto", size: Size = 28, channels: Channels = 1
    ):
        self.rotations = rotations
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's characters by name, each followed by its rotations."""
        wanted = _small(split, ("Balinese", "Early_Aramaic", "Korean"))
        quarters = _quarters(self.rotations, split)
        return _classes(files, wanted, quarters, self.size, self.channels)


class OmniglotSmall2(Dataset):
    """Omniglot's second minimal set: 3 alphabets to train on, Greek to validate, Latin to test."""

    manifest = "omniglot_small2"
    sources = SOURCES

    def __init__(
        self, *, rotations: SmallRotations = "auto", size: Size = 28, channels: Channels = 1
    ):
        self.rotations = rotations
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's characters by name, each followed by its rotations."""
        wanted = _small(split, ("Japanese_(katakana)", "Sanskrit", "Tagalog"))
        quarters = _quarters(self.rotations, split)
        return _classes(files, wanted, quarters, self.size, self.channels)


def characters(scheme: str, split: str) -> list[str]:
    """Return the characters of a split in a scheme, as "Greek/character01", sorted.

    Args:
        scheme: "vinyals", "lake" or "alphabets".
        split: "train", "val" or "test".
    """
    found = []
    for alphabet, facts in split_lists("omniglot").items():
        for part in facts[scheme].split(", "):  # "train", or "train 1-41, test 42-45"
            name, _, numbers = part.partition(" ")
            if name == split:
                first, _, last = (numbers or f"1-{facts['characters']}").partition("-")
                for number in range(int(first), int(last) + 1):
                    found.append(f"{alphabet}/character{number:02d}")
    return sorted(found)


def _small(split: str, train: Collection[str]) -> list[str]:
    """Return the characters of a split of a small set with these training alphabets."""
    splits = dict.fromkeys(train, "train") | SMALL
    background = characters("lake", "train")  # the small sets are parts of it
    return [name for name in background if splits.get(name.partition("/")[0]) == split]


def _quarters(rotations: Rotations, split: str) -> tuple[str, ...]:
    if rotations == "all":
        return QUARTERS
    if rotations == "train" and split == "train":
        return QUARTERS
    return AS_DRAWN


def _classes(
    files: Mapping[str, Path],
    wanted: list[str],
    quarters: tuple[str, ...],
    size: int,
    channels: int,
) -> Iterator[ImageClass]:
    """Yield the wanted characters from whichever archive contains them."""
    with ExitStack() as stack:
        archives = [stack.enter_context(Archive(path)) for path in files.values()]
        places = _drawings(archives)
        for character in wanted:
            drawings = places.get(character, [])
            if len(drawings) != DRAWINGS:
                raise DataError(
                    f"{character} has {len(drawings)} of {DRAWINGS} drawings in {', '.join(files)}."
                )
            archive = drawings[0][0]
            names = [name for _, name in drawings]
            strokes = 255 - archive.stack(names, size=size, channels=channels)
            for turns, quarter in enumerate(quarters):
                rotated = np.rot90(strokes, turns, axes=(2, 3))  # (20, channels, size, size)
                yield ImageClass(character + quarter, rotated)


def _drawings(archives: list[Archive]) -> dict[str, list[tuple[Archive, str]]]:
    """Return the drawings, an archive and a member each, by character."""
    places: dict[str, list[tuple[Archive, str]]] = defaultdict(list)
    for archive in archives:
        for name in archive.images():  # .../ALPHABET/characterNN/file.png
            folders = name.split("/")[-3:-1]
            places["/".join(folders)].append((archive, name))
    return places

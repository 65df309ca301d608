"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn once by 20 people.

Lake, Salakhutdinov, Tenenbaum: Human-level concept learning through probabilistic program induction,
Science 350, 2015. https://github.com/brendenlake/omniglot

Drawings are black on white, 105 x 105 pixels of one bit. Here strokes are white on black, and resizing
is antialiased (LANCZOS on grey pixels), as papers say that they do. Rotations by 90, 180 and 270 degrees
are further classes; each drawing is decoded once. Meta-Dataset draws a task from one alphabet, which is
what the groups are: an alphabet, as drawn or turned.
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
SOURCES = ("reading.py", "../splits/omniglot.toml")
QUARTERS = ("", "/rot090", "/rot180", "/rot270")  # what a turned character's name ends in
DRAWINGS = 20  # of a character, all by different people
SMALL = {
    "Greek": "val",
    "Latin": "test",
}  # in both small sets; the other three alphabets are for training


class Omniglot(Dataset):
    """All of Omniglot, split as the papers did."""

    manifest = "omniglot"
    sources = SOURCES

    def __init__(
        self,
        *,
        split: Annotated[
            Split,
            "vinyals: 1028/172/423 characters; lake: 964/659, no validation; alphabets: 25/5/20, 883/81/659 characters",
        ] = "vinyals",
        rotations: Annotated[
            Rotations,
            "characters turned by 90, 180, 270 degrees as further classes; auto: all for vinyals, else none",
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
        return _classes(
            files, characters(self.split, split), self._turned(split), self.size, self.channels
        )

    def groups(self, split: str) -> Groups:
        """The alphabets; turned ones are alphabets of their own."""
        alphabets: dict[str, list[str]] = defaultdict(list)
        for name in characters(self.split, split):
            for quarter in QUARTERS if self._turned(split) else QUARTERS[:1]:
                alphabets[name.partition("/")[0] + quarter].append(name + quarter)
        return Groups(tuple(map(tuple, alphabets.values())), whole=False)

    def _turned(self, split: str) -> bool:
        return _turned(self.rotations, split, auto=self.split == "vinyals")


class OmniglotSmall1(Dataset):
    """Omniglot's first minimal set: five alphabets; Greek validates, Latin tests, three train."""

    manifest = "omniglot_small1"
    sources = SOURCES

    def __init__(
        self,
        *,
        rotations: Annotated[
            Rotations, "characters turned by 90, 180, 270 degrees as further classes; auto: none"
        ] = "auto",
        size: Size = 28,
        channels: Channels = 1,
    ):
        self.rotations = rotations
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's characters by name, each followed by its rotations."""
        wanted = _small(split, ("Balinese", "Early_Aramaic", "Korean"))
        return _classes(
            files, wanted, _turned(self.rotations, split, auto=False), self.size, self.channels
        )


class OmniglotSmall2(Dataset):
    """Omniglot's second minimal set: five alphabets; Greek validates, Latin tests, three train."""

    manifest = "omniglot_small2"
    sources = SOURCES

    def __init__(
        self,
        *,
        rotations: Annotated[
            Rotations, "characters turned by 90, 180, 270 degrees as further classes; auto: none"
        ] = "auto",
        size: Size = 28,
        channels: Channels = 1,
    ):
        self.rotations = rotations
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's characters by name, each followed by its rotations."""
        wanted = _small(split, ("Japanese_(katakana)", "Sanskrit", "Tagalog"))
        return _classes(
            files, wanted, _turned(self.rotations, split, auto=False), self.size, self.channels
        )


def characters(scheme: str, split: str) -> list[str]:
    """Return the characters of a split ("train", "val", "test") in a scheme, as "Greek/character01", sorted."""
    found = []
    for alphabet, facts in split_lists("omniglot").items():
        for part in facts[scheme].split(", "):  # "train", or "train 1-41, test 42-45"
            target, _, numbers = part.partition(" ")
            first, _, last = (numbers or f"1-{facts['characters']}").partition("-")
            if target == split:
                found += [
                    f"{alphabet}/character{number:02d}"
                    for number in range(int(first), int(last) + 1)
                ]
    return sorted(found)


def _small(split: str, train: Collection[str]) -> list[str]:
    chosen = [name for name in (*train, *SMALL) if SMALL.get(name, "train") == split]
    every = characters("lake", "train")  # the small sets are parts of the background set
    return [name for name in every if name.partition("/")[0] in chosen]


def _turned(rotations: Rotations, split: str, *, auto: bool) -> bool:
    return (
        rotations == "all"
        or (rotations == "train" and split == "train")
        or (rotations == "auto" and auto)
    )


def _classes(
    files: Mapping[str, Path], wanted: list[str], turned: bool, size: int, channels: int
) -> Iterator[ImageClass]:
    """Read the wanted characters from whichever archive holds them."""
    with ExitStack() as stack:
        where: dict[str, list[tuple[Archive, str]]] = defaultdict(list)
        for path in files.values():
            archive = stack.enter_context(Archive(path))
            for name in archive.images():
                where["/".join(name.split("/")[-3:-1])].append(
                    (archive, name)
                )  # .../ALPHABET/characterNN/file.png
        for character in wanted:
            drawings = where.get(character, [])
            if len(drawings) != DRAWINGS:
                raise DataError(
                    f"{character} has {len(drawings)} of {DRAWINGS} drawings in {', '.join(files)}."
                )
            names = [name for _, name in drawings]
            strokes = 255 - drawings[0][0].stack(
                names, size=size, channels=channels
            )  # (20, channels, size, size)
            for times, quarter in enumerate(QUARTERS if turned else QUARTERS[:1]):
                yield ImageClass(character + quarter, np.rot90(strokes, times, axes=(2, 3)))

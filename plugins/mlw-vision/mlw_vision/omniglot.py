"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn once by 20 people.

Lake, Salakhutdinov, Tenenbaum: Human-level concept learning through probabilistic program induction,
Science 350, 2015. https://github.com/brendenlake/omniglot

Drawings are black on white, 105 x 105 pixels of one bit. Here strokes are white on black, and resizing
is antialiased (LANCZOS on grey pixels), as papers say that they do. Rotations by 90, 180 and 270 degrees
are further classes; each drawing is decoded once.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from workbench.archives import Archive
from workbench.errors import DataError
from workbench.images import Dataset, ImageClass

Split = Literal["vinyals", "lake", "alphabets"]
Rotations = Literal["auto", "none", "train", "all"]
SPLITS_FILE = "splits/omniglot.toml"
DRAWINGS = 20  # of a character, all by different people
SMALL = {"Greek": "val", "Latin": "test"}  # in both small sets; the other three alphabets are for training


class Omniglot(Dataset):
    """All of Omniglot, split as the papers did."""

    manifest = "omniglot"
    sources = (SPLITS_FILE,)

    def __init__(
        self,
        *,
        split: Annotated[
            Split,
            "vinyals: 1028/172/423 characters; lake: 964/659, no validation; alphabets: 25/5/20, 883/81/659 characters",
        ] = "vinyals",
        rotations: Annotated[
            Rotations, "characters turned by 90, 180, 270 degrees as further classes; auto: all for vinyals, else none"
        ] = "auto",
        size: Annotated[int, "pixels a side"] = 28,
    ):
        self.split = split
        self.rotations = rotations
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's characters by name, each followed by its rotations."""
        turned = _turned(self.rotations, split, auto=self.split == "vinyals")
        return _classes(files, characters(self.split, split), self.size, turned)


class OmniglotSmall1(Dataset):
    """Omniglot's first minimal set: five alphabets; Greek validates, Latin tests, three train."""

    manifest = "omniglot_small1"
    sources = (SPLITS_FILE,)

    def __init__(
        self,
        *,
        rotations: Annotated[
            Rotations, "characters turned by 90, 180, 270 degrees as further classes; auto: none"
        ] = "auto",
        size: Annotated[int, "pixels a side"] = 28,
    ):
        self.rotations = rotations
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's characters by name, each followed by its rotations."""
        wanted = _small(split, ("Balinese", "Early_Aramaic", "Korean"))
        return _classes(files, wanted, self.size, _turned(self.rotations, split, auto=False))


class OmniglotSmall2(Dataset):
    """Omniglot's second minimal set: five alphabets; Greek validates, Latin tests, three train."""

    manifest = "omniglot_small2"
    sources = (SPLITS_FILE,)

    def __init__(
        self,
        *,
        rotations: Annotated[
            Rotations, "characters turned by 90, 180, 270 degrees as further classes; auto: none"
        ] = "auto",
        size: Annotated[int, "pixels a side"] = 28,
    ):
        self.rotations = rotations
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's characters by name, each followed by its rotations."""
        wanted = _small(split, ("Japanese_(katakana)", "Sanskrit", "Tagalog"))
        return _classes(files, wanted, self.size, _turned(self.rotations, split, auto=False))


def characters(scheme: str, split: str) -> list[str]:
    """Return the characters of a split ("train", "val", "test") in a scheme, as "Greek/character01", sorted."""
    found = []
    for alphabet, facts in _alphabets().items():
        for part in facts[scheme].split(", "):  # "train", or "train 1-41, test 42-45"
            target, _, numbers = part.partition(" ")
            first, _, last = (numbers or f"1-{facts['characters']}").partition("-")
            if target == split:
                found += [f"{alphabet}/character{number:02d}" for number in range(int(first), int(last) + 1)]
    return sorted(found)


@cache
def _alphabets() -> dict[str, dict[str, str]]:
    return tomllib.loads((package_files("mlw_vision") / SPLITS_FILE).read_text(encoding="utf-8"))


def _small(split: str, train: Collection[str]) -> list[str]:
    chosen = [name for name in (*train, *SMALL) if SMALL.get(name, "train") == split]
    every = characters("lake", "train")  # the small sets are parts of the background set
    return [name for name in every if name.partition("/")[0] in chosen]


def _turned(rotations: Rotations, split: str, *, auto: bool) -> bool:
    return rotations == "all" or (rotations == "train" and split == "train") or (rotations == "auto" and auto)


def _classes(files: Mapping[str, Path], wanted: list[str], size: int, turned: bool) -> Iterator[ImageClass]:
    """Read the wanted characters from whichever archive holds them."""
    with ExitStack() as stack:
        where: dict[str, list[tuple[Archive, str]]] = defaultdict(list)
        for path in files.values():
            archive = stack.enter_context(Archive(path))
            for name in archive.images():
                where["/".join(name.split("/")[-3:-1])].append((archive, name))  # .../ALPHABET/characterNN/file.png
        for character in wanted:
            drawings = where.get(character, [])
            if len(drawings) != DRAWINGS:
                raise DataError(f"{character} has {len(drawings)} of {DRAWINGS} drawings in {', '.join(files)}.")
            paper = np.stack([archive.image(name, size=size, channels=1) for archive, name in drawings])
            strokes = 255 - paper  # (20, 1, size, size)
            yield ImageClass(character, strokes)
            for quarter in (1, 2, 3) if turned else ():
                yield ImageClass(f"{character}/rot{90 * quarter:03d}", np.rot90(strokes, quarter, axes=(2, 3)))

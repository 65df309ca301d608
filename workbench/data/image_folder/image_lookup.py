"""Images by what a table may call them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from posixpath import normpath
from typing import NamedTuple

from workbench.data.files.archive import SUFFIXES
from workbench.data.image_folder.labels import plain

IMAGE_SUFFIXES = frozenset(SUFFIXES)


class Match(NamedTuple):
    """The images that a text may mean."""

    images: tuple[str, ...]  # none, one, or two of those that it could be
    parts: int  # how many parts of the path agree: 1 if only the file name does


NOTHING = Match((), 0)


class ImageLookup:
    """Images by the end of their path, with and without suffix, in capitals or not.

    A table may come from another machine, so its paths may begin with other folders. Where a name
    is in several folders, the table `train.csv` or `train_labels.csv` means the one in `train`.
    """

    def __init__(self, images: Iterable[str]):
        self._paths: dict[str, str] = {}
        self._tails: dict[str, tuple[str, ...]] = {}
        for image in images:
            name = plain(image)
            self._paths[name] = image
            for ending in _endings(name.casefold()):
                self._add(ending, image)
                self._add(without_suffix(ending), image)

    def _add(self, ending: str, image: str) -> None:
        known = self._tails.get(ending, ())
        if len(known) < 2 and image not in known:
            self._tails[ending] = (*known, image)

    def find(self, text: str, table: str) -> Match:
        """Return what a text in a table may mean: the longest end of its path decides."""
        wanted = plain(text.strip().replace("\\", "/")).removeprefix("./").strip("/")
        if not wanted:
            return NOTHING
        folder = table.rpartition("/")[0]
        beside = normpath(f"{folder}/{wanted}") if folder else normpath(wanted)
        for path in (beside, wanted):
            if path in self._paths:
                return Match((self._paths[path],), path.count("/") + 1)
        match = self._by_ending(beside)
        if len(match.images) < 2:
            return match
        for called in _words(PurePosixPath(table).stem):
            named = self._by_ending(f"{called}/{wanted}")
            if len(named.images) == 1 and named.parts > match.parts:
                return named
        return match

    def _by_ending(self, path: str) -> Match:
        """Return the images of the longest end of a path that any has."""
        for ending in _endings(path.casefold()):
            for key in (ending, without_suffix(ending)):
                found = self._tails.get(key)
                if found:
                    return Match(found, ending.count("/") + 1)
        return NOTHING


def _endings(path: str) -> list[str]:
    """Return all ends of a path, the longest first: "a/b/c", "b/c", "c"."""
    parts = path.split("/")
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _words(name: str) -> list[str]:
    """Return a name, and its words."""
    return [name, *re.findall(r"[^\W_]+", name)]


def without_suffix(name: str) -> str:
    """Return a name without the suffix of an image file."""
    stem, dot, suffix = name.rpartition(".")
    if dot + suffix.lower() in IMAGE_SUFFIXES:
        return stem
    return name

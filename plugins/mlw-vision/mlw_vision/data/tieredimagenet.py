"""tieredImageNet: 608 classes of ImageNet, split so that classes alike are in the same part; 84 x 84 pixels.

Ren, Triantafillou, Ravi, Snell, Swersky, Tenenbaum, Larochelle, Zemel: Meta-Learning for Semi-Supervised
Few-Shot Classification, ICLR 2018, arXiv 1803.00676. https://github.com/renmengye/few-shot-ssl-public

Published as pickled lists of PNG files with a pickle of labels beside each. The labels of superclasses in
it are not used: a class is found by its name in `class_names.txt`, its number in `synsets.txt` beside it,
and its superclass in the published split. The largest pickle takes several GB of memory while it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlw_vision.data.reading import Size, split_lists
from workbench import Dataset, ImageClass
from workbench.data import Archive, decode, load_pickle
from workbench.errors import DataError


class TieredImageNet(Dataset):
    """351 classes to train on, 97 to validate, 160 to test; named "superclass/class" by their ImageNet numbers."""

    manifest = "tieredimagenet"
    sources = ("reading.py", "../splits/tieredimagenet.toml")

    def __init__(self, *, size: Size = 84):
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's classes, sorted."""
        with ExitStack() as stack:
            source = _Source(stack, files)
            labels = source.pickled(f"{split}_labels.pkl")
            names = _names(split, labels["label_specific_str"], source.numbers())
            images = source.pickled(f"{split}_images_png.pkl")
            specific = np.asarray(labels["label_specific"])
            for name, label in sorted(zip(names, range(len(names)), strict=True)):
                rows = np.flatnonzero(specific == label)
                yield ImageClass(
                    name, np.stack([_decoded(images[row], self.size, name) for row in rows])
                )


class _Source:
    """The published members, in one archive or as files of their own."""

    def __init__(self, stack: ExitStack, files: Mapping[str, Path]):
        self.stack = stack
        archives = [path for name, path in files.items() if ".tar" in name]
        if archives:
            archive = stack.enter_context(Archive(archives[0]))
            self.members = {name.rpartition("/")[2]: (archive, name) for name in archive.names}
        self.files = (
            {}
            if archives
            else {name.removeprefix("tiered-imagenet-"): path for name, path in files.items()}
        )

    def open(self, name: str) -> BinaryIO:
        if name in self.files:
            return self.stack.enter_context(self.files[name].open("rb"))
        if self.files or name not in self.members:
            raise DataError(f"tieredImageNet's files lack {name}.")
        archive, inside = self.members[name]
        return self.stack.enter_context(archive.open(inside))

    def pickled(self, name: str) -> Any:
        return load_pickle(self.open(name), encoding="latin1", name=name)

    def numbers(self) -> list[tuple[str, str]]:
        """Name and ImageNet number of all classes."""
        names, numbers = (
            self.open(f"{word}.txt").read().decode().splitlines()
            for word in ("class_names", "synsets")
        )
        return [
            (name.strip(), number.strip()) for name, number in zip(names, numbers, strict=False)
        ]


def superclasses(split: str) -> dict[str, str]:
    """Return the superclass of each class of a split, both as ImageNet numbers."""
    groups = split_lists("tieredimagenet")[split]
    return {each: group for group, members in groups.items() for each in members.split()}


def _names(split: str, words: list[str], numbers: list[tuple[str, str]]) -> list[str]:
    """Turn the names that the labels stand for into "superclass/class"; of two alike, the first comes first."""
    groups, left = superclasses(split), list(numbers)
    found = []
    for word in words:
        match = next((pair for pair in left if pair[0] == word.strip() and pair[1] in groups), None)
        if match is None:
            raise DataError(
                f"tieredImageNet's {split} part holds a class {word!r} that is not in the published split."
            )
        left.remove(match)
        found.append(f"{groups[match[1]]}/{match[1]}")
    return found


def _decoded(png: NDArray[np.uint8], size: int, name: str) -> NDArray[np.uint8]:
    return decode(np.asarray(png).tobytes(), size=size, channels=3, name=f"an image of {name}")

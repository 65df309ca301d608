"""tieredImageNet: 608 classes of ImageNet, with similar classes in the same split; 84 x 84 pixels.

Ren, Triantafillou, Ravi, Snell, Swersky, Tenenbaum, Larochelle, Zemel: Meta-Learning for
Semi-Supervised Few-Shot Classification, ICLR 2018, arXiv 1803.00676.
https://github.com/renmengye/few-shot-ssl-public

Published as pickled lists of PNG files, each with a pickle of labels. Their labels of superclasses
are not used. A class is found by its name: the names are in `class_names.txt`, the ImageNet numbers
of the same lines in `synsets.txt`, and the superclasses in the published split. Reading the largest
pickle takes several GB of memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from mlw_vision.data.pickled import PickledTable, read_pickle
from mlw_vision.data.reading import Channels, Size, by_file, split_lists, wrong_file
from workbench import Dataset, ImageClass
from workbench.data import Archive, decode
from workbench.errors import DataError

DATASET = "tieredimagenet"


class TieredImageNet(Dataset):
    """351 classes to train on, 97 to validate, 160 to test.

    Classes are named "superclass/class" by their ImageNet numbers.
    """

    manifest = DATASET
    sources = ("reading.py", "pickled.py", "../splits/tieredimagenet.toml")

    def __init__(self, *, size: Size = 84, channels: Channels = 3):
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's classes, sorted."""
        with ExitStack() as stack:
            source = _Source(stack, files)
            labels_file = f"{split}_labels.pkl"
            labels = PickledTable(source.open(labels_file), source.place(labels_file), DATASET)
            called = labels.names("label_specific_str")
            names = _full_names(split, called, source.numbers())
            label_of = {name: label for label, name in enumerate(names)}
            pngs = source.pngs(f"{split}_images_png.pkl")
            label_of_row = labels.labels("label_specific", len(pngs))
            if label_of_row.max() >= len(names):
                labels.refuse(
                    f"label_specific has {label_of_row.max()} where there are {len(names)} classes"
                )
            for name in sorted(names):
                images = []
                for row in np.flatnonzero(label_of_row == label_of[name]):
                    images.append(_decoded(pngs[row], self.size, self.channels, name))
                if not images:
                    labels.refuse(f"the class {name} has no images")
                yield ImageClass(name, np.stack(images))


class _Source:
    """The published members, in one archive or as separate files."""

    def __init__(self, stack: ExitStack, files: Mapping[str, Path]):
        self.stack = stack
        self.archive: Archive | None = None
        self.members: dict[str, str] = {}
        self.files: dict[str, Path] = {}
        for name, path in files.items():
            if self.archive is None and ".tar" in name:
                self.archive = stack.enter_context(Archive(path))
                self.members = by_file(self.archive.names)
            self.files[name.removeprefix("tiered-imagenet-")] = path

    def open(self, name: str) -> BinaryIO:
        if self.archive is not None and name in self.members:
            return self.stack.enter_context(self.archive.open(self.members[name]))
        if self.archive is None and name in self.files:
            return self.stack.enter_context(self.files[name].open("rb"))
        raise DataError(f"The files of tieredImageNet do not include {name}.")

    def place(self, name: str) -> str:
        """Return what messages call a file that can be opened."""
        if self.archive is not None:
            return f"{name} in {self.archive.path}"
        return str(self.files[name])

    def pngs(self, name: str) -> list[NDArray[np.uint8]]:
        """Return the images of a pickle, each a PNG file in an array of bytes."""
        stream = self.open(name)
        content = read_pickle(stream, self.place(name), DATASET)
        if not isinstance(content, list) or not content:
            raise wrong_file(self.place(name), "it is not a list of images", DATASET)
        for png in content:
            if not isinstance(png, np.ndarray) or png.dtype != np.uint8:
                fault = f"it has a {type(png).__name__} among its images, not bytes of a PNG file"
                raise wrong_file(self.place(name), fault, DATASET)
        return content

    def numbers(self) -> list[tuple[str, str]]:
        """Return the name and the ImageNet number of all classes."""
        names = self.lines("class_names.txt")
        numbers = self.lines("synsets.txt")
        return list(zip(names, numbers, strict=False))

    def lines(self, name: str) -> list[str]:
        try:
            text = self.open(name).read().decode()
        except UnicodeDecodeError as error:
            raise wrong_file(self.place(name), f"it is no text ({error})", DATASET) from error
        return [line.strip() for line in text.splitlines()]


def superclasses(split: str) -> dict[str, str]:
    """Return the superclass of each class of a split, both as ImageNet numbers."""
    superclass_of = {}
    for superclass, classes in split_lists("tieredimagenet")[split].items():
        for each in classes.split():
            superclass_of[each] = superclass
    return superclass_of


def _full_names(split: str, names: list[str], numbers: list[tuple[str, str]]) -> list[str]:
    """Turn names of classes into "superclass/class" by ImageNet numbers.

    Args:
        numbers: the name and number of all classes. Where two have the same name, the first comes
            first.
    """
    superclass_of = superclasses(split)
    unused = [pair for pair in numbers if pair[1] in superclass_of]
    full_names = []
    for name in names:
        number = _take(unused, name.strip())
        if number is None:
            raise DataError(
                f"The {split} part of tieredImageNet has a class {name!r} that is not in the "
                "published split."
            )
        full_names.append(f"{superclass_of[number]}/{number}")
    return full_names


def _take(unused: list[tuple[str, str]], name: str) -> str | None:
    """Remove the first class with this name and return its number, or None if there is none."""
    for pair in unused:
        if pair[0] == name:
            unused.remove(pair)
            return pair[1]
    return None


def _decoded(png: NDArray[np.uint8], size: int, channels: int, name: str) -> NDArray[np.uint8]:
    return decode(
        np.asarray(png).tobytes(), size=size, channels=channels, name=f"an image of {name}"
    )

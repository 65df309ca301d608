"""CIFAR-10, CIFAR-100, and the two few-shot splits of CIFAR-100, CIFAR-FS and FC100.

Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009.
https://www.cs.toronto.edu/~kriz/cifar.html

CIFAR-FS: Bertinetto, Henriques, Torr, Vedaldi: Meta-learning with differentiable closed-form
solvers, ICLR 2019, arXiv 1805.08136. FC100: Oreshkin, Rodriguez, Lacoste: TADAM, NeurIPS 2018,
arXiv 1805.10123.

Images have 32 x 32 pixels; CIFAR-10 has 6,000 per class, CIFAR-100 has 600. All are read from the
authors' archives (python version), with training and test images together. As whole data sets,
CIFAR-10 and CIFAR-100 are test sets of Meta-Dataset: all classes belong to the test split. To
train, use CIFAR-FS, FC100, or `cifar10:split=train`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlw_vision.data.reading import Size, Whole, file_of, member, resize, split_lists
from workbench import Dataset, ImageClass
from workbench.data import Archive, load_pickle
from workbench.errors import DataError

SPLITS = ("train", "val", "test")
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
CIFAR100_SOURCES = ("reading.py", "../splits/cifar100.toml")


class Cifar10(Dataset):
    """10 classes, all to test on, or all to train on (`split=train`)."""

    manifest = "cifar10"
    sources = ("reading.py",)

    def __init__(self, *, split: Whole = "test", size: Size = 84):
        self.split = split
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes in the order of their labels if this is their split."""
        if split != self.split:
            return
        with Archive(file_of(files, "cifar-10-python.tar.gz")) as archive:
            names = _load(archive, "batches.meta")["label_names"]
            images, labels = _load_batches(archive, BATCHES, "labels")
        for label, name in enumerate(names):
            yield ImageClass(name, resize(images[labels == label], self.size, 3))


class Cifar100(Dataset):
    """100 classes named "superclass/class", all to test on; cifarfs and fc100 are splits of it."""

    manifest = "cifar100"
    sources = CIFAR100_SOURCES

    def __init__(self, *, size: Size = 84):
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes, sorted, for "test" only."""
        if split == "test":
            yield from _cifar100(files, _every_class(), self.size)


class CifarFs(Dataset):
    """CIFAR-FS: 64 classes to train on, 16 to validate, 20 to test, named "superclass/class"."""

    manifest = "cifar100"
    sources = CIFAR100_SOURCES

    def __init__(self, *, size: Size = 32):
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's classes, sorted."""
        return _cifar100(files, cifarfs(split), self.size)


class Fc100(Dataset):
    """FC100: 60 classes of 12 superclasses to train on, 20 of 4 to validate, 20 of 4 to test."""

    manifest = "cifar100"
    sources = CIFAR100_SOURCES

    def __init__(self, *, size: Size = 32):
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's classes, sorted."""
        return _cifar100(files, fc100(split), self.size)


def cifarfs(split: str) -> list[str]:
    """Return the classes of a split of CIFAR-FS as "superclass/class", sorted."""
    classes = []
    for superclass, names in split_lists("cifar100")["cifarfs"][split].items():
        for name in names.split():
            classes.append(f"{superclass}/{name}")
    return sorted(classes)


def fc100(split: str) -> list[str]:
    """Return the classes of a split of FC100 as "superclass/class", sorted."""
    superclasses = split_lists("cifar100")["fc100"][split]
    return [name for name in _every_class() if name.partition("/")[0] in superclasses]


def _every_class() -> list[str]:
    """Return the classes of CIFAR-100 as "superclass/class", sorted."""
    classes = []
    for split in SPLITS:
        classes += cifarfs(split)
    return sorted(classes)


def _cifar100(files: Mapping[str, Path], wanted: list[str], size: int) -> Iterator[ImageClass]:
    """Yield the wanted classes, given as "superclass/class"."""
    with Archive(file_of(files, "cifar-100-python.tar.gz")) as archive:
        names = _load(archive, "meta")["fine_label_names"]
        images, labels = _load_batches(archive, ("train", "test"), "fine_labels")
    for name in wanted:
        label = names.index(name.partition("/")[2])
        yield ImageClass(name, resize(images[labels == label], size, 3))


def _load(archive: Archive, file: str) -> dict[str, Any]:
    """Return the table in a pickled member."""
    name = member(archive, file)
    content = load_pickle(
        archive.read(name), encoding="latin1", name=f"{name} in {archive.path.name}"
    )
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise DataError(f"{name} in {archive.path} holds a {kind}, not a table.")
    return content


def _load_batches(
    archive: Archive, batches: tuple[str, ...], key: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images (n, 32, 32, 3) and labels (n,) of batches, whose labels are under `key`."""
    tables = [_load(archive, batch) for batch in batches]
    rows = np.concatenate([table["data"] for table in tables])
    labels = np.concatenate([table[key] for table in tables])
    images = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # published as three colour planes
    return images, labels

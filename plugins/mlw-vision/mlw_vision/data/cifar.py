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

import numpy as np
from numpy.typing import NDArray

from mlw_vision.data.pickled import PickledTable
from mlw_vision.data.reading import Channels, Size, Whole, file_of, member, resize, split_lists
from workbench import Dataset, ImageClass
from workbench.data import Archive

SPLITS = ("train", "val", "test")
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
CIFAR100_SOURCES = ("reading.py", "pickled.py", "../splits/cifar100.toml")


class Cifar10(Dataset):
    """10 classes, all to test on, or all to train on (`split=train`)."""

    manifest = "cifar10"
    sources = ("reading.py", "pickled.py")

    def __init__(self, *, split: Whole = "test", size: Size = 84, channels: Channels = 3):
        self.split = split
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes in the order of their labels if this is their split."""
        if split != self.split:
            return
        with Archive(file_of(files, "cifar-10-python.tar.gz")) as archive:
            names = _load(archive, "batches.meta", "cifar10").names("label_names")
            batches = [_load(archive, batch, "cifar10") for batch in BATCHES]
        images, labels = _joined(batches, "labels", len(names))
        for label, name in enumerate(names):
            if not (labels == label).any():
                batches[0].refuse(f"the class {name} has no images in any batch")
            yield ImageClass(name, resize(images[labels == label], self.size, self.channels))


class Cifar100(Dataset):
    """100 classes named "superclass/class", all to test on; cifarfs and fc100 are splits of it."""

    manifest = "cifar100"
    sources = CIFAR100_SOURCES

    def __init__(self, *, size: Size = 84, channels: Channels = 3):
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes, sorted, for "test" only."""
        if split == "test":
            yield from _cifar100(files, _every_class(), self.size, self.channels)


class CifarFs(Dataset):
    """CIFAR-FS: 64 classes to train on, 16 to validate, 20 to test, named "superclass/class"."""

    manifest = "cifar100"
    sources = CIFAR100_SOURCES

    def __init__(self, *, size: Size = 32, channels: Channels = 3):
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's classes, sorted."""
        return _cifar100(files, cifarfs(split), self.size, self.channels)


class Fc100(Dataset):
    """FC100: 60 classes of 12 superclasses to train on, 20 of 4 to validate, 20 of 4 to test."""

    manifest = "cifar100"
    sources = CIFAR100_SOURCES

    def __init__(self, *, size: Size = 32, channels: Channels = 3):
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's classes, sorted."""
        return _cifar100(files, fc100(split), self.size, self.channels)


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


def _cifar100(
    files: Mapping[str, Path], wanted: list[str], size: int, channels: int
) -> Iterator[ImageClass]:
    """Yield the wanted classes, given as "superclass/class"."""
    with Archive(file_of(files, "cifar-100-python.tar.gz")) as archive:
        meta = _load(archive, "meta", "cifar100")
        batches = [_load(archive, batch, "cifar100") for batch in ("train", "test")]
    names = meta.names("fine_label_names")
    images, labels = _joined(batches, "fine_labels", len(names))
    for name in wanted:
        fine = name.partition("/")[2]
        if fine not in names:
            meta.refuse(f"fine_label_names lacks the class {fine}")
        label = names.index(fine)
        if not (labels == label).any():
            batches[0].refuse(f"the class {fine} has no images in any batch")
        yield ImageClass(name, resize(images[labels == label], size, channels))


def _load(archive: Archive, file: str, dataset: str) -> PickledTable:
    """Return the table in a pickled member."""
    name = member(archive, file)
    return PickledTable(archive.read(name), f"{name} in {archive.path}", dataset)


def _joined(
    batches: list[PickledTable], key: str, classes: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images (n, 32, 32, 3) and labels (n,) of batches, whose labels are under `key`."""
    rows, labels = [], []
    for batch in batches:
        images_of_batch = batch.bytes_of_images("data", (3 * 32 * 32,))
        labels_of_batch = batch.labels(key, len(images_of_batch))
        if labels_of_batch.max() >= classes:
            batch.refuse(f"{key} has {labels_of_batch.max()} where there are {classes} classes")
        rows.append(images_of_batch)
        labels.append(labels_of_batch)
    planes = np.concatenate(rows).reshape(-1, 3, 32, 32)  # published as three colour planes
    return planes.transpose(0, 2, 3, 1), np.concatenate(labels)

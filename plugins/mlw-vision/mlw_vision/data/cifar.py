"""CIFAR-10, CIFAR-100 and the two few-shot splits of the latter; 600 (or 6,000) images of 32 x 32 a class.

Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009.
https://www.cs.toronto.edu/~kriz/cifar.html

CIFAR-FS: Bertinetto, Henriques, Torr, Vedaldi: Meta-learning with differentiable closed-form solvers,
ICLR 2019, arXiv 1805.08136. FC100: Oreshkin, Rodriguez, Lacoste: TADAM, NeurIPS 2018, arXiv 1805.10123.

All are read from the archives of the authors (python version), training and test images together; no copy
of a copy. As whole data sets, CIFAR-10 and CIFAR-100 are targets of Meta-Dataset: all classes are for test
(to train, take CIFAR-FS or FC100, or ask for `cifar10:split=train`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlw_vision.data.reading import Size, Whole, file_of, fitted, member, split_lists
from workbench import Dataset, ImageClass
from workbench.data import Archive, load_pickle
from workbench.errors import DataError

CIFAR10, CIFAR100 = "cifar-10-python.tar.gz", "cifar-100-python.tar.gz"
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


class Cifar10(Dataset):
    """10 classes, all for test or, if asked, to train on."""

    manifest = "cifar10"
    sources = ("reading.py",)

    def __init__(self, *, split: Whole = "test", size: Size = 84):
        self.split = split
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes in the order of their labels, for the one split."""
        if split != self.split:
            return
        with Archive(file_of(files, CIFAR10)) as archive:
            names = _pickle(archive, "batches.meta")["label_names"]
            images, labels = _joined([_pickle(archive, batch) for batch in BATCHES], "labels")
        for label, name in enumerate(names):
            yield ImageClass(name, fitted(images[labels == label], self.size, 3))


class Cifar100(Dataset):
    """100 classes named "superclass/class", all for test; cifarfs and fc100 are splits of them."""

    manifest = "cifar100"
    sources = ("reading.py", "../splits/cifar100.toml")

    def __init__(self, *, size: Size = 84):
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes, sorted, for "test" only."""
        every = sorted(name for part in ("train", "val", "test") for name in cifarfs(part))
        return _hundred(files, every if split == "test" else [], self.size)


class CifarFs(Dataset):
    """CIFAR-FS: 64 classes to train on, 16 to validate, 20 to test, named "superclass/class"."""

    manifest = "cifar100"
    sources = ("reading.py", "../splits/cifar100.toml")

    def __init__(self, *, size: Size = 32):
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's classes, sorted."""
        return _hundred(files, cifarfs(split), self.size)


class Fc100(Dataset):
    """FC100: 60 classes of 12 superclasses to train on, 20 of 4 to validate, 20 of 4 to test."""

    manifest = "cifar100"
    sources = ("reading.py", "../splits/cifar100.toml")

    def __init__(self, *, size: Size = 32):
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's classes, sorted."""
        return _hundred(files, fc100(split), self.size)


def cifarfs(split: str) -> list[str]:
    """Return the classes of a split of CIFAR-FS as "superclass/class", sorted."""
    groups = split_lists("cifar100")["cifarfs"][split]
    return sorted(f"{group}/{name}" for group, names in groups.items() for name in names.split())


def fc100(split: str) -> list[str]:
    """Return the classes of a split of FC100 as "superclass/class", sorted."""
    groups = split_lists("cifar100")["fc100"][split]
    every = (name for part in ("train", "val", "test") for name in cifarfs(part))
    return sorted(name for name in every if name.partition("/")[0] in groups)


def _hundred(files: Mapping[str, Path], wanted: list[str], size: int) -> Iterator[ImageClass]:
    if not wanted:
        return
    with Archive(file_of(files, CIFAR100)) as archive:
        fine = _pickle(archive, "meta")["fine_label_names"]
        images, labels = _joined(
            [_pickle(archive, part) for part in ("train", "test")], "fine_labels"
        )
    for name in wanted:
        yield ImageClass(
            name, fitted(images[labels == fine.index(name.partition("/")[2])], size, 3)
        )


def _pickle(archive: Archive, name: str) -> dict[str, Any]:
    inside = member(archive, name)
    content = load_pickle(
        archive.read(inside), encoding="latin1", name=f"{inside} in {archive.path.name}"
    )
    if not isinstance(content, dict):
        raise DataError(
            f"{inside} in {archive.path} holds a {type(content).__name__}, not a table."
        )
    return content


def _joined(
    batches: list[dict[str, Any]], labels: str
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (n, 32, 32, 3) and labels (n,) of all batches; published as rows of three planes."""
    rows = np.concatenate([batch["data"] for batch in batches])
    images = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, np.concatenate([batch[labels] for batch in batches])

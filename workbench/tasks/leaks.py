"""What training and test share: classes of one source, or images of any."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from workbench.data.opening import OpenDataset, open_dataset
from workbench.data.tables import BLANK, Table
from workbench.errors import UsageError, WorkbenchError
from workbench.plugin.options import parse_spec
from workbench.progress import say_nothing
from workbench.tasks.splits import TrainingData

# Collections of photographs share a few by chance (CUB and ImageNet do, as CUB's homepage says).
# More than this share of the test images is no chance.
CHANCE = 0.01


def refuse_leak(
    train: TrainingData,
    test: OpenDataset,
    earlier: Iterable[str] = (),
    note: Callable[[str], None] = say_nothing,
) -> None:
    """Refuse to test on what was trained on, under whatever name.

    Images are compared by their pixels as they were prepared; images of one colour do not count.
    Names of classes count only between data sets that are made of the same files: a "dog" of
    another source is another dog.

    Args:
        earlier: the specs of the data sets that earlier runs learned from.
        note: is told what is shared and not refused: few images, or names of classes.

    Raises:
        UsageError: test classes of the same source are training classes, or more than `CHANCE` of
            the test images are training images.
    """
    learned = list(train.members)
    for label in sorted(set(earlier) - set(train.labels)):
        if parse_spec(label).name == test.name:
            learned.append(open_dataset(label))
            continue
        with suppress(WorkbenchError):  # what is gone cannot be compared any more
            learned.append(open_dataset(label))
    for member in learned:
        if "train" in member.tables and "test" in test.tables:
            _compare_classes(member, test, note)
            _compare_images(member, test, note)


def _compare_classes(train: OpenDataset, test: OpenDataset, note: Callable[[str], None]) -> None:
    if train.label == test.label:  # the splits that the data set itself makes
        return
    names = set(train.table("train").names) & set(test.table("test").names)
    if not names:
        return
    example = min(names)
    if train.name == test.name or train.source == test.source != "":
        raise UsageError(
            f"{train.label} trains on {len(names)} of the test classes of {test.label}, "
            f"{example} for instance; train on another data set or test on another"
        )
    note(
        f"{len(names)} of the test classes of {test.label} have the name of a training class of "
        f"{train.label}, {example} for instance: if they are the same things, they are not new"
    )


class _Shared(NamedTuple):
    """Test images that are training images too."""

    images: int
    total: int  # of all test images
    example: str  # the test class that has most of them


def _compare_images(train: OpenDataset, test: OpenDataset, note: Callable[[str], None]) -> None:
    shared = _shared(train.table("train"), test.table("test"))
    if not shared.images:
        return
    fact = (
        f"{shared.images:,} of the {shared.total:,} test images of {test.label} are also training "
        f"images of {train.label}, most of them in {shared.example}"
    )
    if shared.images > CHANCE * shared.total:
        raise UsageError(f"{fact}; train on another data set or test on another")
    note(fact)


def _shared(train: Table, test: Table) -> _Shared:
    known = np.isin(test.hashes, train.hashes) & (test.hashes != BLANK)
    if not known.any():
        return _Shared(0, len(test.hashes), "")
    by_class = np.add.reduceat(known, test.starts[:-1], dtype=np.int64)
    return _Shared(int(known.sum()), len(known), test.names[int(by_class.argmax())])

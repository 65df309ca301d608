"""What training and evaluation share: classes of one source, or images of any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from workbench.data.opening import OpenDataset, open_dataset
from workbench.data.tables import BLANK, Table
from workbench.errors import UsageError, WorkbenchError
from workbench.plugin.options import parse_spec
from workbench.progress import say_nothing
from workbench.tasks.splits import TrainingData, in_shape

# Collections of photographs share a few by chance (CUB and ImageNet do, as CUB's homepage says).
# More than this share of the test images is no chance.
CHANCE = 0.01

LEARNED = ("train", "val")  # validation classes choose options and the best weights
WORDS = {"train": "training", "val": "validation", "test": "test"}
VERBS = {"train": "trains", "val": "validates"}


class _Pair(NamedTuple):
    """A split that was learned from, and one to evaluate on."""

    learned: OpenDataset
    learned_split: str
    asked: OpenDataset
    asked_split: str


def refuse_leak(
    train: TrainingData,
    test: OpenDataset,
    earlier: Iterable[str] = (),
    note: Callable[[str], None] = say_nothing,
    *,
    split: str = "test",
) -> None:
    """Refuse to evaluate on what was trained or validated on, under whatever name.

    Images are compared by their pixels as they were prepared; images of one colour do not count.
    Names of classes count only between data sets that are made of the same files: a "dog" of
    another source is another dog. The split that was learned from may itself be asked for, by its
    name: then the rows say so.

    Args:
        earlier: the specs of the data sets that earlier runs learned from.
        note: is told what is shared and not refused: few images, or names of classes; and what
            cannot be compared.
        split: of `test`, which is evaluated.

    Raises:
        UsageError: classes of the same source were learned from, or more than `CHANCE` of the
            images.
    """
    if split not in test.tables:
        return
    for pair in _pairs(_learned(train, test, earlier, note), test, split):
        same = _same_classes(pair)
        if same.refused:
            raise UsageError(f"{same.text}; train on another data set or test on another")
        shared = _same_images(pair)
        if shared.refused:
            raise UsageError(f"{shared.text}; train on another data set or test on another")
        _tell((same, shared), note)


def tell_validation_leak(
    train: TrainingData, earlier: Iterable[str], note: Callable[[str], None]
) -> None:
    """Tell what the validation classes share with what is, or was earlier, trained on.

    Nothing is refused, for numbers on test classes are right all the same. What is chosen by
    validation is chosen badly.
    """
    for member in train.members:
        if "val" not in member.tables:
            continue
        for pair in _pairs(_learned(train, member, earlier, note), member, "val"):
            for finding in (_same_classes(pair), _same_images(pair)):
                if finding.refused:
                    note(f"{finding.text}: validation accuracy is too high, and chooses badly")
                else:
                    _tell((finding,), note)


class _Finding(NamedTuple):
    """What is shared, in words; "" for nothing."""

    text: str = ""
    refused: bool = False


def _tell(findings: Iterable[_Finding], note: Callable[[str], None]) -> None:
    for finding in findings:
        if finding.text:
            note(finding.text)


def _learned(
    train: TrainingData, test: OpenDataset, earlier: Iterable[str], note: Callable[[str], None]
) -> Iterator[OpenDataset]:
    """Yield the training data, and the data sets that earlier runs learned from."""
    yield from train.members
    for label in sorted(set(earlier) - set(train.labels)):
        try:
            yield _with_its_shape(test, open_dataset(label))
        except WorkbenchError as error:
            if parse_spec(label).name == test.name:
                raise
            note(
                f"{label}, which an earlier run learned from, was not compared with {test.label}, "
                f"because it cannot be opened: {error}"
            )


def _with_its_shape(test: OpenDataset, member: OpenDataset) -> OpenDataset:
    """Return a data set with images of the shape of the test's: only such can be compared."""
    if member.image_shape == test.image_shape:
        return member
    label = in_shape(member.label, member.image_shape, test.image_shape)
    return open_dataset(label) if label else member


def _pairs(learned: Iterable[OpenDataset], asked: OpenDataset, split: str) -> Iterator[_Pair]:
    """Yield the splits that must share nothing with the one that is asked for."""
    for member in learned:
        for learned_split in LEARNED:
            if learned_split not in member.tables:
                continue
            if member.label == asked.label and split in ("train", learned_split):
                continue  # asked for by its name
            if split == "val" and learned_split == "val":
                continue  # two that choose together, or one that was asked for
            yield _Pair(member, learned_split, asked, split)


def _same_classes(pair: _Pair) -> _Finding:
    learned, asked = pair.learned, pair.asked
    if learned.label == asked.label:  # the splits that the data set itself makes
        return _Finding()
    names = set(learned.table(pair.learned_split).names) & set(asked.table(pair.asked_split).names)
    if not names:
        return _Finding()
    example = min(names)
    kind = WORDS[pair.asked_split]
    if learned.name == asked.name or learned.source == asked.source != "":
        return _Finding(
            f"{learned.label} {VERBS[pair.learned_split]} on {len(names)} of the {kind} classes of "
            f"{asked.label}, {example} for instance",
            refused=True,
        )
    return _Finding(
        f"{len(names)} of the {kind} classes of {asked.label} have the name of a "
        f"{WORDS[pair.learned_split]} class of {learned.label}, {example} for instance: if they "
        "are the same things, they are not new"
    )


class _Shared(NamedTuple):
    """Images that were learned from."""

    images: int
    total: int  # of all images of the split that is evaluated
    example: str  # the class that has most of them


def _same_images(pair: _Pair) -> _Finding:
    shared = _shared(pair.learned.table(pair.learned_split), pair.asked.table(pair.asked_split))
    if not shared.images:
        return _Finding()
    choosing = ""
    if pair.learned_split == "val":
        choosing = ", which choose options and the best weights"
    return _Finding(
        f"{shared.images:,} of the {shared.total:,} {WORDS[pair.asked_split]} images of "
        f"{pair.asked.label} are also {WORDS[pair.learned_split]} images of {pair.learned.label}"
        f"{choosing}, most of them in {shared.example}",
        refused=shared.images > CHANCE * shared.total,
    )


def _shared(learned: Table, asked: Table) -> _Shared:
    known = np.isin(asked.hashes, learned.hashes) & (asked.hashes != BLANK)
    if not known.any():
        return _Shared(0, len(asked.hashes), "")
    by_class = np.add.reduceat(known, asked.starts[:-1], dtype=np.int64)
    return _Shared(int(known.sum()), len(known), asked.names[int(by_class.argmax())])

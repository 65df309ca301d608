"""Data sets opened: their images by split, several as one to train on, and what may not be judged together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import get_args

import numpy as np

from workbench.data.catalog import find_dataset
from workbench.data.download.manifest import overlaps_of
from workbench.data.opening import open_dataset, part_here
from workbench.data.prepared import Table
from workbench.errors import DataError, UsageError
from workbench.plugin.options import TOGETHER, canonical_spec, parse_spec
from workbench.plugin.registry import registry
from workbench.tasks.sampling import ClassIndex
from workbench.tasks.source import Domain


@dataclass(frozen=True)
class Data:
    """A data set with its options chosen, opened; or several together, to train on."""

    label: str  # its spec, without what is default: "omniglot:split=lake"; of several: "aircraft + dtd"
    name: str
    tables: dict[str, Table]  # by split; none of several
    part: str = ""  # of what is published, where not all of it is here: "4,000 of 27,000 images"
    members: tuple[Data, ...] = ()  # of several
    overlaps: Mapping[str, bool] = field(
        default_factory=dict
    )  # with data that backbones are pre-trained on

    @property
    def each(self) -> tuple[Data, ...]:
        """The single data sets."""
        return self.members or (self,)

    @property
    def fingerprint(self) -> str:
        """Of the content, all splits."""
        if self.members:
            return hashlib.sha256(
                "".join(member.fingerprint for member in self.members).encode()
            ).hexdigest()
        return next(iter(self.tables.values())).fingerprint

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        if self.members:
            return self.members[0].image_shape
        shape = next(iter(self.tables.values())).images.shape
        return int(shape[1]), int(shape[2]), int(shape[3])

    def table(self, split: str) -> Table:
        """The images of a split.

        Raises:
            DataError: it has no such split.
        """
        if split not in self.tables:
            another = f"; train on another: mlw compare ALGORITHM --train-on NAME --on {self.label}"
            hints = {"train": another + self._whole()}
            if list(self.tables) == ["train"]:
                hints["test"] = "; all its classes train, so test on another data set"
            raise DataError(
                f"{self.label} has no {split} classes; its splits: {', '.join(self.tables)}{hints.get(split, '')}"
            )
        return self.tables[split]

    def _whole(self) -> str:
        """How to train on all classes of a data set that is all for test, where that can be asked."""
        if not registry().knows("datasets", self.name):
            return ""
        choice = find_dataset(self.label)
        if "split" not in choice.known or "train" not in get_args(choice.known["split"].type):
            return ""
        whole = canonical_spec(choice.name, choice.options | {"split": "train"}, choice.known)
        return f"; or on all its classes, to test elsewhere: {whole}"

    def domains(self, split: str) -> list[Domain]:
        """What a source is made of: the data sets that have such a split. Raises `DataError` if none has."""
        found = [data for data in self.each if split in data.tables] or list(self.each[:1])
        return [Domain(data.label, data.table(split).images, data.classes(split)) for data in found]

    def classes(self, split: str) -> ClassIndex:
        """What tasks of a split of a single data set are drawn from. Raises `DataError` as `table` does."""
        table = self.table(split)
        if table.groups is None:
            return ClassIndex(table.starts)
        number = {name: place for place, name in enumerate(table.names)}
        groups = tuple(np.array([number[name] for name in group]) for group in table.groups.members)
        return ClassIndex(table.starts, groups, table.groups.whole)

    @property
    def validates(self) -> bool:
        """Whether there are validation classes."""
        return any("val" in data.tables for data in self.each)

    def validation(self, ways: int, shots: int) -> tuple[int, int, int]:
        """Ways, shots and queries of validation tasks: as asked for and 15, or the most that the classes give."""
        if not self.validates:
            return ways, shots, 0
        fewest, least = scarcest([domain.classes for domain in self.domains("val")])
        ways, shots = min(ways, fewest), min(shots, max(least - 1, 1))
        return ways, shots, max(min(15, least - shots), 1)

    @property
    def parts(self) -> list[str]:
        """The data sets of which only a part is here: "eurosat: 4,000 of 27,000 images"."""
        return [f"{data.label}: {data.part}" for data in self.each if data.part]

    def fitting(
        self, split: str, ways: int | None, shots: int, queries: int | None, *, usual: int = 5
    ) -> tuple[int, int]:
        """Ways and queries: as asked for, else the usual and 15, or the most that the classes of a split give."""
        counts = self.classes(split).counts
        return ways or min(usual, len(counts)), queries or max(
            min(15, int(counts.min()) - shots), 1
        )


@cache
def open_data(text: str) -> Data:
    """Open a data set by its spec, preparing it where needed; several, joined by " + ", to train on.

    Raises:
        UsageError: an unknown name or option.
        DataError: it is not downloaded; the message says what to type.
    """
    if TOGETHER in text:
        return _together([open_data(each) for each in text.split(TOGETHER)])
    choice = find_dataset(text)
    label = canonical_spec(choice.name, choice.options, choice.known)
    overlaps = overlaps_of(choice.dataset)
    return Data(
        label,
        choice.name,
        open_dataset(choice.name, choice.dataset),
        part_here(choice.dataset),
        overlaps=overlaps,
    )


def require_same_shape(whose: str, shape: Sequence[int], data: Data) -> None:
    """Refuse a data set whose images have not this shape, (channels, height, width)."""
    if tuple(shape) != data.image_shape:
        wanted, found = (" x ".join(map(str, each)) for each in (shape, data.image_shape))
        channels = f",channels={shape[0]}" if shape[0] != data.image_shape[0] else ""
        raise UsageError(
            f"{whose} {wanted}, and those of {data.label} are {found}; choose one form, "
            f"for instance {data.name}:size={shape[-1]}{channels}"
        )


def refuse_leak(train: Data, test: Data, earlier: Iterable[str] = ()) -> None:
    """Refuse to judge on classes that were trained on, which two splits of one data set may share.

    Args:
        earlier: the data sets that the runs before learnt from, by their specs; those of another name are not opened.
    """
    before = {*earlier} - {member.label for member in train.each}
    again = [open_data(label) for label in sorted(before) if parse_spec(label).name == test.name]
    for member in (*train.each, *again):
        if member.name != test.name or member.label == test.label:
            continue
        if shared := sorted(set(member.table("train").names) & set(test.table("test").names)):
            raise UsageError(
                f"{member.label} trains on {len(shared)} of the test classes of {test.label}, {shared[0]} for "
                "instance; train on another data set or test on another"
            )


def _together(members: Sequence[Data]) -> Data:
    """Several data sets to train on at once."""
    first, labels = members[0], [member.label for member in members]
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise UsageError(f"{twice} is named twice among the data sets to train on; name it once")
    for member in members:
        member.table("train")
        require_same_shape(f"The images of {first.label} are", first.image_shape, member)
    return Data(
        TOGETHER.join(labels),
        "+".join(member.name for member in members),
        {},
        members=tuple(members),
    )


def scarcest(domains: Sequence[ClassIndex]) -> tuple[int, int]:
    """The fewest classes of a domain, and the fewest images of a class."""
    return min(len(classes.counts) for classes in domains), min(
        int(classes.counts.min()) for classes in domains
    )

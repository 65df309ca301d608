"""The splits of opened data sets as what tasks are drawn from, and several data sets as one."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.data.catalog import find_dataset
from workbench.data.opening import OpenDataset, open_datasets
from workbench.errors import DataError, UsageError
from workbench.plugin.options import canonical_spec, convert_options
from workbench.plugin.registry import DEFAULT_DATASET
from workbench.tasks.sampling import ClassIndex, Domain, TaskShape

USUAL_QUERIES = 15  # per class


def class_index(dataset: OpenDataset, split: str) -> ClassIndex:
    """Return the classes of a split as rows. Raises `DataError` if there is no such split."""
    table = dataset.table(split)
    if table.groups is None:
        return ClassIndex(table.starts)
    number = {name: place for place, name in enumerate(table.names)}
    groups = []
    for members in table.groups.members:
        groups.append(np.array([number[name] for name in members]))
    return ClassIndex(table.starts, tuple(groups), table.groups.whole)


def domain(dataset: OpenDataset, split: str) -> Domain:
    """Return a split as a source takes it. Raises `DataError` if there is no such split."""
    return Domain(dataset.label, dataset.table(split).images, class_index(dataset, split))


@dataclass(frozen=True, eq=False)  # equal only to itself: it holds large arrays
class TrainingData:
    """The data sets, one or several, that a method is trained on at once."""

    members: tuple[OpenDataset, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The specs of the data sets."""
        return tuple(member.label for member in self.members)

    @property
    def label(self) -> str:
        """For people: "aircraft + dtd"."""
        return joined_label(self.labels)

    @property
    def name(self) -> str:
        """For the names of folders and recipes: "aircraft+dtd"."""
        return "+".join(member.name for member in self.members)

    @property
    def fingerprint(self) -> str:
        """A checksum of the content of all data sets."""
        if len(self.members) == 1:
            return self.members[0].fingerprint
        together = "".join(member.fingerprint for member in self.members)
        return hashlib.sha256(together.encode()).hexdigest()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width), the same for all."""
        return self.members[0].image_shape

    @property
    def parts(self) -> tuple[str, ...]:
        """The data sets whose files are a part of the published ones, or not known to be them."""
        return tuple(parts_of(self.members))

    def domains(self, split: str) -> list[Domain]:
        """Return the data sets that have a split. Raises `DataError` if none has it."""
        having = [member for member in self.members if split in member.tables]
        if not having:
            having = [self.members[0]]  # it says what is missing
        return [domain(member, split) for member in having]

    @property
    def validated_on(self) -> tuple[str, ...]:
        """The specs of the data sets that have validation classes."""
        return tuple(member.label for member in self.members if "val" in member.tables)

    def validation_shape(self, ways: int, shots: int) -> TaskShape:
        """Return the shape of validation tasks: as asked, if the classes allow."""
        if not self.validated_on:
            return TaskShape(ways, shots, 0)
        indices = [each.classes for each in self.domains("val")]
        fewest_classes, fewest_images = smallest(indices)
        ways = min(ways, fewest_classes)
        shots = min(shots, max(fewest_images - 1, 1))
        return TaskShape(ways, shots, usual_queries(fewest_images, shots))


def require_training_classes(dataset: OpenDataset, algorithms: Sequence[str]) -> None:
    """Refuse a data set that algorithms are to be trained on and that has no training classes.

    The message has a command that works: it trains on the default data set, which needs no
    download, with images of the same shape.

    Args:
        algorithms: their specs, as the user gave them.

    Raises:
        DataError: it has none.
    """
    if "train" in dataset.tables:
        return
    elsewhere = training_data_for(dataset.image_shape)
    named = " ".join(shlex.quote(spec) for spec in algorithms)
    label = shlex.quote(dataset.label)
    message = (
        f"{dataset.label} has no training classes, only {' and '.join(dataset.tables)} classes. "
        f"Train on another data set, for instance: mlw compare {named} --train-on {elsewhere} "
        f"--test-on {label}"
    )
    if dataset.label_of_whole:
        message += f"; or train on all its classes and test elsewhere: {dataset.label_of_whole}"
    raise DataError(message)


def training_data_for(shape: Sequence[int], name: str = DEFAULT_DATASET) -> str:
    """Return the spec of a data set with images `(channels, height, width)`; "" if it has none."""
    return in_shape(name, (), shape)


def joined_label(labels: Sequence[str]) -> str:
    """Return the specs of data sets that are trained on at once, for people."""
    return " + ".join(labels)


def training_data(members: Sequence[OpenDataset]) -> TrainingData:
    """Put data sets together to train on all of them at once.

    Raises:
        UsageError: one is named twice, or their images differ in shape.
        DataError: one has no training classes.
    """
    labels = [member.label for member in members]
    for label in labels:
        if labels.count(label) > 1:
            raise UsageError(f"The training data name {label} twice; name it once")
    if len(members) > 1:
        first = members[0]
        for member in members:
            member.table("train")
            require_same_shape(
                f"The images of {first.label} are", first.image_shape, member, [first.label]
            )
    return TrainingData(tuple(members))


def open_training_data(labels: Iterable[str]) -> TrainingData:
    """Open data sets by their specs, to train on all of them at once."""
    return training_data(open_datasets(labels))


def parts_of(datasets: Iterable[OpenDataset]) -> Iterator[str]:
    """Yield which data sets are not as published: "eurosat: 4,000 of 27,000 images"."""
    for dataset in datasets:
        if dataset.part:
            yield f"{dataset.label}: {dataset.part}"


def smallest(indices: Sequence[ClassIndex]) -> tuple[int, int]:
    """Return the fewest classes of any split, and the fewest images of any class."""
    fewest_classes = min(len(index.counts) for index in indices)
    fewest_images = min(int(index.counts.min()) for index in indices)
    return fewest_classes, fewest_images


def usual_queries(fewest_images: int, shots: int) -> int:
    """Return the usual queries per class, or what the shots leave of the smallest class."""
    return max(min(USUAL_QUERIES, fewest_images - shots), 1)


def require_same_shape(
    whose: str, shape: Sequence[int], dataset: OpenDataset, others: Sequence[str] = ()
) -> None:
    """Refuse a data set whose images have another shape than (channels, height, width).

    Args:
        others: the specs of the data sets whose images have that shape.
    """
    if tuple(shape) == dataset.image_shape:
        return
    wanted = " x ".join(map(str, shape))
    found = " x ".join(map(str, dataset.image_shape))
    raise UsageError(
        f"{whose} {wanted}, and those of {dataset.label} are {found}; "
        f"{_to_one_shape(tuple(shape), dataset, others)}"
    )


def _to_one_shape(shape: tuple[int, ...], dataset: OpenDataset, others: Sequence[str]) -> str:
    """Return what to write so that images have one shape, with options that the data sets have."""
    own = in_shape(dataset.label, dataset.image_shape, shape)
    if own:
        return f"choose one shape, for instance {own}"
    changed = [in_shape(label, shape, dataset.image_shape) for label in others]
    if others and all(changed):
        return f"choose one shape, for instance train on {' '.join(changed)}"
    return f"no option of {dataset.name} makes them equal; choose another data set"


def in_shape(label: str, shape: Sequence[int], wanted: Sequence[int]) -> str:
    """Return the spec with which images have the wanted shape; "" if no option gives it.

    Args:
        shape: what they have with this spec; () if that is not known.
    """
    options = {}
    if shape[-1:] != wanted[-1:]:
        options["size"] = wanted[-1]
    if shape[:1] != wanted[:1]:
        options["channels"] = wanted[0]
    try:
        chosen = find_dataset(label)
        values = convert_options(chosen.name, options, chosen.known)
    except UsageError:  # it has no such option, or not this value
        return ""
    return canonical_spec(chosen.name, {**chosen.options, **values}, chosen.known)

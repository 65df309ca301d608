"""Labelled images from the rows of tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from workbench.data.image_folder.choice import NONE, LayoutChoice, level_of
from workbench.data.image_folder.image_table import ImageTable
from workbench.data.image_folder.label_columns import Labels, split_column
from workbench.data.image_folder.labels import SPLIT_NAMES, LabelledImage, plain, split_in
from workbench.errors import DataError, UsageError

# what people and programs write where there is no label, in lower case
MISSING = ("", "nan", "-nan", "na", "n/a", "#n/a", "<na>", "null", "?", "unknown")


class LabelTable(NamedTuple):
    """A table that names images, and the columns that are used."""

    table: ImageTable
    labels: Labels
    split: int | None  # the column, if there is one
    stated: str  # the split that the name of the table states, or ""
    group: int | None  # the column, if the user names one

    @property
    def columns(self) -> list[str]:
        """The names of the columns that are used, or how many classes have one each."""
        used = [self.table.columns[self.table.image_column]]
        if len(self.labels.columns) > 1:
            used.append(f"{len(self.labels.columns)} columns of classes")
        else:
            used += self.labels.columns
        for column in (self.split, self.group):
            if column is not None:
                used.append(self.table.columns[column])
        return used


class TableLabels(NamedTuple):
    """What tables say."""

    images: dict[str, LabelledImage]  # by their names
    missing: list[str]  # files that are listed and are not there
    unlabelled: Counter[str]  # how many rows have which word instead of a label


def label_table(table: ImageTable, labels: Labels, choice: LayoutChoice) -> LabelTable:
    """Return which columns of a table are used."""
    split = split_column(table)
    stated = _split_in_name(table.name)
    if choice.split_from:
        split = table.find_column(choice.split_from)
        stated = ""
    group = None
    if choice.group_from not in ("", NONE):
        group = table.find_column(choice.group_from)
    return LabelTable(table, labels, split, stated, group)


def check_columns(tables: Sequence[LabelTable], choice: LayoutChoice) -> None:
    """Raise `UsageError` if no table has a column that the user names."""
    for flag, name, found in (
        ("--split-from", choice.split_from, [each.split for each in tables]),
        ("--group-from", choice.group_from, [each.group for each in tables]),
    ):
        if name in ("", NONE) or level_of(name) or any(each is not None for each in found):
            continue
        columns = ", ".join(tables[0].table.columns)
        raise UsageError(
            f"No table has the column {name} of {flag}; {tables[0].table.name} has {columns}"
        )


def _split_in_name(name: str) -> str:
    """Return the split that the name of a table states, or its folder: "train.csv", "train/x.csv".

    Returns "" if there is none, or more than one.
    """
    path = PurePosixPath(name)
    for part in (path.stem, *reversed(path.parent.parts)):
        split, _ = split_in(part)
        if split:
            return split
    return ""


def read_labels(
    tables: Sequence[LabelTable], folder_splits: Mapping[str, str], origin: Path
) -> TableLabels:
    """Return the images that tables label.

    Args:
        tables: the tables.
        folder_splits: the split of each image by its folder, for tables that state none.
        origin: where they are, for messages.

    Raises:
        DataError: a row is ambiguous or contradicts another.
    """
    found: dict[str, LabelledImage] = {}
    missing: list[str] = []
    unlabelled: Counter[str] = Counter()
    for each in tables:
        for row, images in enumerate(match.images for match in each.table.found):
            place = f"{each.table.place(row)} in {origin}"
            file = each.table.rows[row][each.table.image_column]
            if len(images) > 1:
                raise DataError(
                    f"{place} lists {file}, which could be {images[0]} or {images[1]}. To take "
                    "the images of one folder only, add --only NAME"
                )
            if not images:
                missing.append(file)
                continue
            label = plain(each.labels.values[row])
            if label.lower() in MISSING:
                unlabelled[label] += 1
                continue
            labelled = _labelled(each, row, images[0], place)
            if not labelled.split:
                labelled = labelled._replace(split=folder_splits.get(images[0], ""))
            if found.setdefault(images[0], labelled) != labelled:
                raise DataError(
                    f"{place} gives {file} a different label or split than an earlier row."
                )
    return TableLabels(found, missing, unlabelled)


def _labelled(each: LabelTable, row: int, image: str, place: str) -> LabelledImage:
    cells = each.table.rows[row]
    label = plain(each.labels.values[row])
    group = "" if each.group is None else cells[each.group]
    return LabelledImage(_split(each, cells, place), label, image, group)


def _split(each: LabelTable, cells: list[str], place: str) -> str:
    """Return the split that a row states, or the name of its table."""
    if each.split is None:
        return each.stated
    stated = cells[each.split]
    name = stated.lower()
    if name not in SPLIT_NAMES:
        raise DataError(
            f"{place} has the split {stated!r}; it must be one of {', '.join(SPLIT_NAMES)}. "
            "For no splits, add --split-from none"
        )
    return SPLIT_NAMES[name]

"""Which column of a table is the label, the split or the group; nothing is guessed past evidence.

A label is a column with a known name; a column for each class with one 1 in each row; the other one
of two columns if its values repeat; or a column whose values are the names of folders.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from math import isfinite
from typing import NamedTuple

from workbench.data.image_folder.image_table import ImageTable, key
from workbench.data.image_folder.labels import SPLIT_NAMES
from workbench.data.image_folder.level_names import are_albums, only_hold_images

# names of columns as `key` writes them
LABEL_COLUMNS = (
    "label",
    "labels",
    "class",
    "classname",
    "classlabel",
    "category",
    "categoryname",
    "target",
    "targets",
    "species",
    "speciesname",
    "breed",
    "labelname",
    "classes",
    "classid",
    "classidx",
    "classindex",
    "labelid",
    "categoryid",
    "targetid",
)
SPLIT_COLUMNS = ("split", "splits", "set", "subset", "partition")
OTHER_SPLIT_COLUMNS = ("dataset", "fold", "phase", "usage", "mode")  # if all values are splits
# names of columns, as `key` writes them, with where something is in an image, and its size
BOX = re.compile(
    r"(image|img|roi|bbox|box)?"
    r"(([xy]|left|right|top|bottom)[12]?|[xy](min|max|c|center)|(min|max)[xy]|w|h|width|height|area)"
)
BOX_NUMBERS = 4
# Rows for each value of a column that is a label without a known name. Checksums had 1.0 in samples
# of nine real archives of images; classes of two images have 2.0, generated uneven ones had 3.
LEAST_REPEATS = 1.5


class Labels(NamedTuple):
    """The label of each row of a table, and in which columns it is."""

    columns: list[str]
    values: list[str]  # "" where a row has none
    named: bool = True  # False: the column is taken only because there is no other


def find_labels(table: ImageTable, folders: Collection[str]) -> Labels | None:
    """Return the labels of a table, or None if it does not tell which column they are in.

    Args:
        table: a table that names images.
        folders: the names of all folders.
    """
    split = split_column(table)
    others = [column for column in table.others if column != split]
    known = _known(table, others)
    if len(known) > 1:
        known = _alike(table, known)
    if len(known) == 1:
        return _from_column(table, known[0])
    if known:
        return None  # several that say different things
    named = [column for column in others if _names_folders(table, column, folders)]
    if len(named) == 1:
        return _from_column(table, named[0])
    if len(others) == 1:
        if _is_evident(table, others[0]):
            return _from_column(table, others[0])._replace(named=False)
        return None
    return _one_hot(table, others)


def labels_in(table: ImageTable, column: str) -> Labels | None:
    """Return the labels in the column that the user names; None if the table lacks it."""
    number = table.find_column(column)
    if number is None:
        return None
    return _from_column(table, number)


def _from_column(table: ImageTable, column: int) -> Labels:
    return Labels([table.columns[column]], table.column(column))


def _known(table: ImageTable, others: Sequence[int]) -> list[int]:
    """Return the columns with a known name, without those with one value if there are others."""
    if not table.has_header:
        return []
    known = []
    for name in LABEL_COLUMNS:
        known += [column for column in others if key(table.columns[column]) == name]
    telling = [column for column in known if len(set(table.column(column))) > 1]
    return telling or known


def _alike(table: ImageTable, known: list[int]) -> list[int]:
    """Return one column if all of them tell the same classes apart: words rather than numbers."""
    partitions = {tuple(_partition(table.column(column))) for column in known}
    if len(partitions) > 1:
        return known
    words = [column for column in known if not _all_numbers(table.column(column))]
    return (words or known)[:1]


def _partition(values: Sequence[str]) -> list[int]:
    numbers: dict[str, int] = {}
    return [numbers.setdefault(value, len(numbers)) for value in values]


def _names_folders(table: ImageTable, column: int, folders: Collection[str]) -> bool:
    values = {value for value in table.column(column) if value}
    if len(values) < 2 or _all_numbers(list(values)):
        return False
    if are_albums(values) or only_hold_images(values):
        return False  # "camera" names the folders of cameras
    return all(value in folders for value in values)


def _is_evident(table: ImageTable, column: int) -> bool:
    """Return whether the only other column can be nothing but a label.

    Its values repeat, unlike checksums, and they are words; or they are whole numbers from 0 or 1
    where the table does not name its columns. Sizes of files repeat too in large sets (4.9 files
    of mini-ImageNet for each size, among 10,000), but they do not begin there.
    """
    values = table.column(column)
    different = set(values)
    if not 2 <= len(different) <= len(values) / LEAST_REPEATS:
        return False
    if not _all_numbers(values):
        return True
    if table.has_header or not all(value.isdecimal() for value in values):
        return False
    return min(int(value) for value in values) <= 1


def _all_numbers(values: Sequence[str]) -> bool:
    return all(_number(value) is not None for value in values if value)


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _flag(value: str) -> bool | None:
    """Return whether a cell of a column for one class says that it is this class."""
    word = value.strip().lower()
    if word in ("true", "false"):  # as pandas writes them
        return word == "true"
    number = _number(word)
    if number in (0, 1, -1):
        return number == 1
    return None


def _one_hot(table: ImageTable, others: Sequence[int]) -> Labels | None:
    """Return the labels of a table with a column for each class, of 0 and 1, or False and True."""
    if not table.has_header:
        return None
    flags: dict[int, list[bool | None]] = {}
    for column in others:
        values = [_flag(value) for value in table.column(column)]
        if None not in values:
            flags[column] = values
    if len(flags) < 2 or (len(flags) == 2 and len(others) > 2):
        return None
    labels = []
    for row in range(len(table.rows)):
        ones = [table.columns[column] for column in flags if flags[column][row]]
        if len(ones) > 1:
            return None
        labels.append(ones[0] if ones else "")
    return Labels([table.columns[column] for column in flags], labels)


# --- splits


def split_column(table: ImageTable) -> int | None:
    """Return the column that states the split of each image, or None."""
    if not table.has_header:
        for column in table.others:
            if _all_splits(table.column(column)):
                return column
        return None
    for column in table.others:
        if key(table.columns[column]) in SPLIT_COLUMNS:
            return column
    for column in table.others:
        if key(table.columns[column]) in OTHER_SPLIT_COLUMNS and _all_splits(table.column(column)):
            return column
    return None


def _all_splits(values: Sequence[str]) -> bool:
    return all(value.lower() in SPLIT_NAMES for value in values)


# --- what can be asked


def only_boxes(table: ImageTable) -> bool:
    """Return whether a table says where something is in each image, and nothing else.

    Without names of columns these are four whole numbers in a row, of which most are not 0 or 1.
    """
    others = table.others
    if table.has_header:
        return bool(others) and all(BOX.fullmatch(key(table.columns[column])) for column in others)
    if len(others) != BOX_NUMBERS:
        return False
    numbers: list[float | None] = []
    for column in others:
        numbers += [_number(value) for value in table.column(column)]
    if None in numbers:
        return False
    return sum(number in (0, 1) for number in numbers) < len(numbers) / 2


def repeats(table: ImageTable) -> bool:
    """Return whether a column has values that repeat, as labels do: words or whole numbers."""
    for column in table.others:
        values = table.column(column)
        if 2 <= len(set(values)) <= len(values) / LEAST_REPEATS and not _has_fractions(values):
            return True
    return False


def _has_fractions(values: Sequence[str]) -> bool:
    """Return whether a column has numbers that are not whole; "1.000000" is."""
    numbers = [_number(value) for value in values]
    return any(number is not None and isfinite(number) and number % 1 for number in numbers)


def several_labels(table: ImageTable) -> str:
    """Return an image to which a table with a column of 0 and 1 for each class gives several.

    With the classes, in words; "" if the table is not of this kind.
    """
    columns = []
    for column in table.others:
        if {_number(value) for value in table.column(column)} <= {0, 1}:
            columns.append(column)
    if not table.has_header or len(columns) < 2 or len(columns) < len(table.others):
        return ""
    for row in table.rows:
        ones = [table.columns[column] for column in columns if _number(row[column]) == 1]
        if len(ones) > 1:
            return f"{row[table.image_column]} ({', '.join(ones)})"
    return ""


def possible_labels(table: ImageTable) -> dict[str, int]:
    """Return the columns that could be the label, with the number of their different values.

    Columns of words come first; a column with one value, or as many as rows, is none.
    """
    words, numbers = {}, {}
    for column in table.others:
        values = table.column(column)
        different = len(set(values))
        if not 2 <= different < len(values):
            continue
        if _all_numbers(values):
            numbers[table.columns[column]] = different
        else:
            words[table.columns[column]] = different
    return words | numbers

"""Tables (.csv, .tsv) that list image files with their labels, and perhaps their splits."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from workbench.data.files.archive import Archive
from workbench.data.image_folder.labels import SPLIT_NAMES, LabelledImage, plain
from workbench.errors import DataError

SUFFIXES = (".csv", ".tsv")
DELIMITERS = ",;\t"
# names that people give to the columns, in lower case; the first that a table has is taken
IMAGE_COLUMNS = (
    "filename",
    "file_name",
    "file",
    "image",
    "image_name",
    "image_id",
    "img",
    "path",
    "filepath",
    "image_path",
)
LABEL_COLUMNS = ("label", "labels", "class", "class_name", "category", "target", "species")
SPLIT_COLUMNS = ("split", "set", "subset", "partition")


class LabelTable(NamedTuple):
    """A table that lists images and their labels."""

    name: str
    rows: list[dict[str, str]]
    image_column: str
    label_column: str
    split_column: str  # "" if there is none

    @property
    def columns(self) -> list[str]:
        """The columns that are used."""
        columns = [self.image_column, self.label_column]
        if self.split_column:
            columns.append(self.split_column)
        return columns


# --- read tables


def read_tables(archive: Archive) -> list[LabelTable]:
    """Return the tables of images and labels among those that lie least deep in the archive."""
    names = [name for name in archive.names if name.lower().endswith(SUFFIXES)]
    if not names:
        return []
    least = min(name.count("/") for name in names)
    tables = []
    for name in names:
        if name.count("/") > least:
            continue
        table = _read_table(archive, name)
        if table is not None:
            tables.append(table)
    return tables


def _read_table(archive: Archive, name: str) -> LabelTable | None:
    """Return a table, or None if it has no column of images or none of labels."""
    text = _decode(archive.read(name))
    head = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
    rows = list(reader)
    if not rows:
        return None
    columns = {str(column).strip().lower(): str(column) for column in rows[0]}
    image_column = _column(columns, IMAGE_COLUMNS)
    label_column = _column(columns, LABEL_COLUMNS)
    if not image_column or not label_column:
        return None
    return LabelTable(name, rows, image_column, label_column, _column(columns, SPLIT_COLUMNS))


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:  # Western spreadsheets write their own code page
        return data.decode("cp1252", errors="replace")


def _column(columns: Mapping[str, str], names: Iterable[str]) -> str:
    """Return the column with the first of the names that the table has, or ""."""
    for name in names:
        if name in columns:
            return columns[name]
    return ""


# --- look up images


def labels_of(
    tables: Sequence[LabelTable], images: Iterable[str], origin: Path
) -> tuple[list[LabelledImage], list[str]]:
    """Return the images that tables label, and the files that they list but the archive lacks.

    Raises:
        DataError: a row is ambiguous, contradicts another or lacks a label; no listed file exists;
            or only some tables have splits.
    """
    lookup = _ImageLookup(images)
    found: dict[str, LabelledImage] = {}
    missing: list[str] = []
    for table, row, place in _rows(tables, origin):
        file = row[table.image_column]
        image = lookup.find(file, table.name, place)
        if image is None:
            missing.append(file)
            continue
        labelled = _labelled(table, row, image, place)
        if found.setdefault(image, labelled) != labelled:
            raise DataError(f"{place} gives {file} a different label or split than an earlier row.")
    if not found:
        raise DataError(
            f"{origin} has none of the files that {tables[0].name} lists; "
            f"the first of them is {missing[0]}."
        )
    _check_splits(found.values(), origin)
    return list(found.values()), missing


def _rows(
    tables: Iterable[LabelTable], origin: Path
) -> Iterator[tuple[LabelTable, Mapping[str, str], str]]:
    """Yield each row of the tables with its table and with its place for messages."""
    for table in tables:
        for number, row in enumerate(table.rows, start=2):  # row 1 has the names of the columns
            yield table, row, f"row {number} of {table.name} in {origin}"


def _labelled(table: LabelTable, row: Mapping[str, str], image: str, place: str) -> LabelledImage:
    split = _split(table, row, place)
    label = plain(row[table.label_column].strip())
    if not label:
        raise DataError(f"{place} has no label for {row[table.image_column]}.")
    return LabelledImage(split, label, image)


def _split(table: LabelTable, row: Mapping[str, str], place: str) -> str:
    """Return the split that a row states, or that the name of its table states: "train.csv"."""
    if not table.split_column:
        stem = PurePosixPath(table.name).stem.lower()
        return SPLIT_NAMES.get(stem, "")
    stated = row[table.split_column]
    name = stated.strip().lower()
    if name not in SPLIT_NAMES:
        raise DataError(
            f"{place} has the split {stated!r}; it must be one of {', '.join(SPLIT_NAMES)}."
        )
    return SPLIT_NAMES[name]


def _check_splits(images: Iterable[LabelledImage], origin: Path) -> None:
    with_split = {bool(labelled.split) for labelled in images}
    if len(with_split) > 1:
        raise DataError(
            f"{origin} has tables with splits and tables without. "
            "Give a split to all images or to none."
        )


class _ImageLookup:
    """Images by what a table may call them.

    That is the path from the table or from the root, the file name, or the name without suffix.
    """

    def __init__(self, images: Iterable[str]):
        self.by_path: dict[str, str] = {}
        self.by_name: dict[str, list[str]] = {}
        for image in images:
            path = PurePosixPath(plain(image))
            self.by_path[plain(image)] = image
            for name in {path.name, path.stem}:
                self.by_name.setdefault(name, []).append(image)

    def find(self, text: str, table: str, place: str) -> str | None:
        """Return the image, or None if there is none.

        Raises:
            DataError: it could be more than one.
        """
        wanted = plain(text.strip().replace("\\", "/")).removeprefix("./")
        beside = str(PurePosixPath(table).parent / wanted)
        for path in (beside, wanted):
            if path in self.by_path:
                return self.by_path[path]
        found = self.by_name.get(PurePosixPath(wanted).name, [])
        if len(found) > 1:
            raise DataError(f"{place} lists {text}, which could be {found[0]} or {found[1]}.")
        if found:
            return found[0]
        return None

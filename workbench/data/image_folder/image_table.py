"""Tables that name images: which column does, and what the other columns are called."""

from __future__ import annotations

from typing import NamedTuple

from workbench.data.files.archive import SUFFIXES
from workbench.data.image_folder.image_lookup import NOTHING, ImageLookup, Match
from workbench.data.image_folder.table_file import TableFile

# what people call the column, as `key` writes it
IMAGE_COLUMNS = (
    "filename",
    "file",
    "filepath",
    "filepaths",
    "image",
    "imagename",
    "imageid",
    "imagepath",
    "imagefile",
    "img",
    "imgname",
    "path",
    "id",
    "name",
)
UNSPECIFIC = ("id", "name")  # columns of other tables have these names too
SAMPLE = 2000  # rows that tell which column names the images
ENOUGH = 0.5  # of the cells of a column must be names of images


class ImageTable(NamedTuple):
    """A table with a column that names images. `found` has a match for each row."""

    name: str
    columns: list[str]  # their names; numbers from 1 if the table gives none
    has_header: bool
    rows: list[list[str]]
    image_column: int
    found: list[Match]

    @property
    def images(self) -> set[str]:
        """The images that it names."""
        return {match.images[0] for match in self.found if len(match.images) == 1}

    @property
    def others(self) -> list[int]:
        """The columns that do not name the images."""
        return [column for column in range(len(self.columns)) if column != self.image_column]

    def column(self, number: int) -> list[str]:
        """The cells of a column."""
        return [row[number] for row in self.rows]

    def place(self, row: int) -> str:
        """Where a row is, for messages."""
        return f"row {row + 1 + self.has_header} of {self.name}"

    def find_column(self, name: str) -> int | None:
        """Return the number of a column by its name, however it is spelt; None if there is none."""
        if name in self.columns:
            return self.columns.index(name)
        keys = [key(column) for column in self.columns]
        if key(name) in keys:
            return keys.index(key(name))
        return None


def key(column: str) -> str:
    """Return the name of a column in lower case, without spaces, "_" and "-"."""
    return "".join(letter for letter in column.lower() if letter not in " _-.")


def image_table(file: TableFile, lookup: ImageLookup, images: int) -> ImageTable | None:
    """Return what a file says about images; None if it names none of them.

    Args:
        file: the file, read.
        lookup: the images.
        images: how many there are.
    """
    if not file.rows or len(file.rows[0]) < 2:
        return None
    column, found = _image_column(file, lookup)
    if column is None:
        return None
    has_header = file.has_header
    if has_header is None:
        first = file.rows[0][column]
        has_header = not found[0].images and not is_image_name(first)
    rows = file.rows
    names = [str(number + 1) for number in range(len(rows[0]))]
    if has_header:
        rows, found, names = rows[1:], found[1:], _distinct(rows[0])
    table = ImageTable(file.name, names, has_header, rows, column, found)
    if not _names_images(table, images):
        return None
    table = table._replace(found=_without_chance(table))
    if not any(match.images for match in table.found):
        return None
    return table


def _distinct(names: list[str]) -> list[str]:
    """Return the names of columns; where several are called the same, with their numbers."""
    distinct = []
    for number, name in enumerate(names, 1):
        if names.count(name) > 1:
            name = f"{name} (column {number})"
        distinct.append(name)
    return distinct


def _image_column(file: TableFile, lookup: ImageLookup) -> tuple[int | None, list[Match]]:
    """Return the column whose cells mean the most different images, and what each cell means.

    Names with suffixes come first, then columns called like names of images: the numbers of the
    rows may mean images too, "1.png" and "2.png", and others than the names beside them.
    """
    step = max(1, len(file.rows) // SAMPLE)
    sample = file.rows[::step]
    best, column = (False, False, 0), None
    for number, name in enumerate(file.rows[0]):
        cells = [row[number] for row in sample]
        meant: set[str] = set()
        for cell in cells:
            meant.update(_find(lookup, cell, file.name).images)
        with_suffix = sum(is_image_name(cell) for cell in cells) >= ENOUGH * len(cells)
        called_so = key(name) in IMAGE_COLUMNS and len(meant) >= ENOUGH * len(cells)
        rank = (with_suffix, called_so, len(meant))
        if meant and rank > best:
            best, column = rank, number
    if column is None:
        return None, []
    return column, [_find(lookup, row[column], file.name) for row in file.rows]


def _find(lookup: ImageLookup, text: str, table: str) -> Match:
    if not text:
        return NOTHING
    return lookup.find(text, table)


def _names_images(table: ImageTable, images: int) -> bool:
    """Return whether the column is meant to name images, and does not only look so.

    Plain numbers are the days of a month as well as images "1.png" to "31.png".
    """
    cells = table.column(table.image_column)
    if any(is_image_name(cell) for cell in cells):
        return True
    column = key(table.columns[table.image_column])
    known = table.has_header and column in IMAGE_COLUMNS
    if known and column not in UNSPECIFIC:
        return True
    if len(table.images) < ENOUGH * len(cells):
        return False
    if known or not all(cell.isdecimal() for cell in cells if cell):
        return True
    return len(table.images) >= ENOUGH * images


def is_image_name(cell: str) -> bool:
    """Return whether a cell ends like the name of an image file."""
    return cell.lower().endswith(SUFFIXES)


def _without_chance(table: ImageTable) -> list[Match]:
    """Return what the rows mean, without those whose file name agrees but whose folder does not.

    That is so if the folders of most other rows agree: then the file is missing, and another one of
    that name is meant elsewhere.
    """
    with_folder = ["/" in cell.replace("\\", "/") for cell in table.column(table.image_column)]
    agreeing = []
    for match, folder in zip(table.found, with_folder, strict=True):
        if match.images and folder:
            agreeing.append(match.parts > 1)
    if agreeing.count(True) <= len(agreeing) / 2:
        return table.found
    kept = []
    for match, folder in zip(table.found, with_folder, strict=True):
        by_chance = folder and match.parts == 1
        kept.append(NOTHING if by_chance else match)
    return kept


def lost_file(file: TableFile) -> str:
    """Return the first file that a table lists, although no image has such a name; "" if none."""
    if len(file.rows) < 2:
        return ""
    for name, cell in zip(file.rows[0], file.rows[1], strict=True):
        known = key(name) in IMAGE_COLUMNS and key(name) not in UNSPECIFIC
        if known or is_image_name(cell):
            return cell
    return ""

"""Files that may hold a table: read as rows of cells, whatever they are coded and separated by.

What a table means is decided elsewhere: the first row may have the names of the columns or not.
"""

from __future__ import annotations

import csv
import io
import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from workbench.data.files.archive import Archive

JSON_LINES = (".jsonl", ".ndjson")
TABLES = (".csv", ".tsv", *JSON_LINES)
LISTS = (".txt", ".lst")  # lists of images among many other texts
DELIMITERS = ("\t", ";", ",", "|")
SAMPLE = 100  # lines that tell how the cells are separated


class TableFile(NamedTuple):
    """The cells of a file, row by row; all rows have the same length."""

    name: str
    rows: list[list[str]]
    has_header: bool | None = None  # None: the rows must tell

    @property
    def suffix(self) -> str:
        """The suffix of its name, in lower case."""
        return PurePosixPath(self.name).suffix.lower()


class UnreadTable(NamedTuple):
    """A file that should hold a table and does not."""

    name: str
    reason: str


def table_files(archive: Archive, images: int) -> Iterator[TableFile | UnreadTable]:
    """Yield the files of an archive that may hold a table, read.

    Texts are looked at where they are few compared with the number of images: one text for each
    image is a description of the image.
    """
    texts = [name for name in archive.names if name.lower().endswith(LISTS)]
    few_texts = len(texts) <= images / 2
    for name in archive.names:
        if name.lower().endswith(TABLES) or (few_texts and name in texts):
            yield read_table(name, archive.read(name))


def read_table(name: str, data: bytes) -> TableFile | UnreadTable:
    """Return the rows of a table, or why it has none."""
    text = decode_text(data)
    try:
        if name.lower().endswith(JSON_LINES):
            return _from_json(name, text)
        rows = _rows(text, spaces=name.lower().endswith(LISTS))
    except csv.Error as error:
        return UnreadTable(name, f"is no table: {error}")
    except (ValueError, AttributeError):
        return UnreadTable(name, "does not have one JSON object in each line")
    return TableFile(name, _padded(rows))


def decode_text(data: bytes) -> str:
    """Return a text that may be coded in UTF-8, UTF-16 or a Western code page."""
    if data.startswith((BOM_UTF16_BE, BOM_UTF16_LE)):
        return data.decode("utf-16", errors="replace")
    if data[1:2] == b"\0":  # every other byte of a Western text in UTF-16
        return data.decode("utf-16-le", errors="replace")
    if data[:1] == b"\0":
        return data.decode("utf-16-be", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:  # Western spreadsheets write their own code page
        return data.decode("cp1252", errors="replace")


# --- cells


def _rows(text: str, *, spaces: bool) -> list[list[str]]:
    """Return the cells of each line that is not empty."""
    head = text.splitlines()[:SAMPLE]
    delimiter = _delimiter(head)
    if not delimiter and spaces:
        return [line.split() for line in text.splitlines() if line.strip()]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or ",")
    rows: list[list[str]] = []
    for cells in reader:
        if not rows and cells and cells[0].lower() == "sep=":
            continue  # spreadsheets write it to say what separates the cells
        if not rows and delimiter and len(cells) == 1 and cells[0].startswith("#"):
            continue  # a comment before the table
        if any(cell.strip() for cell in cells):
            rows.append([cell.strip() for cell in cells])
    return rows


def _delimiter(lines: list[str]) -> str:
    """Return what separates the cells: it gives most lines the same number of cells, over one."""
    best, best_share = "", 0.0
    for delimiter in DELIMITERS:
        lengths = Counter(len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells)
        if not lengths:
            continue
        length, count = lengths.most_common(1)[0]
        share = count / lengths.total()
        if length > 1 and share > best_share:
            best, best_share = delimiter, share
    return best


def _padded(rows: list[list[str]]) -> list[list[str]]:
    """Return rows of the length that most of them have."""
    if not rows:
        return []
    width = Counter(len(row) for row in rows).most_common(1)[0][0]
    width = max(width, len(rows[0]))
    return [(row + [""] * width)[:width] for row in rows]


# --- JSON


def _from_json(name: str, text: str) -> TableFile:
    """Return a table with one JSON object in each line; the first row has the names."""
    objects: list[dict[str, Any]] = []
    columns: dict[str, None] = {}
    for line in text.splitlines():
        if line.strip():
            found = json.loads(line)
            columns.update(dict.fromkeys(found.keys()))
            objects.append(found)
    rows = [list(columns)]
    for each in objects:
        rows.append([_cell(each.get(column)) for column in columns])
    return TableFile(name, rows, has_header=True)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    return json.dumps(value)

"""How a folder or archive of images is laid out: which image is of which class, and in which split.

Three layouts are known: class folders; train, val and test folders with class folders in them; images
with a table (.csv) of file names and labels. Names are compared and kept in Unicode's composed form
(NFC), because systems differ in how they write an umlaut.
"""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from workbench.data.dataset import SPLITS
from workbench.data.files.archive import SUFFIXES, Archive
from workbench.data.image_folder.record import counted
from workbench.errors import DataError

SPLIT_NAMES = {
    **{split: split for split in SPLITS},
    **{"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"},
}
TABLES = (".csv", ".tsv")
# how the columns of a table are called, in small letters
FILE = (
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
LABEL = ("label", "labels", "class", "class_name", "category", "target", "species")
SPLIT = ("split", "set", "subset", "partition")

ImagesByClass = dict[str, list[str]]  # by class, the names of its images in the archive, sorted


class Layout(NamedTuple):
    """What was found: classes by split, or under "" where no split is given."""

    how: str  # "class folders"
    splits: dict[str, ImagesByClass]
    sources: tuple[str, ...]  # the tables that decided
    notes: tuple[str, ...]  # what was left aside


def find_layout(archive: Archive) -> Layout:
    """Find the images of each class.

    Raises:
        DataError: there are no images, or it cannot be told of which classes they are.
    """
    images = list(archive.images())
    if not images:
        raise DataError(f"{archive.path} holds no images ({', '.join(SUFFIXES)}).")
    tables = list(_tables(archive))
    found = _by_table(archive, images, tables) if tables else _by_folders(archive, images)
    used = sum(len(names) for classes in found.splits.values() for names in classes.values())
    others = len(archive.names) - len(images) - len(found.sources)
    notes = [*found.notes]
    if len(images) > used:
        notes.append(f"{counted(len(images) - used, 'image')} of no class ignored")
    if others:
        notes.append(f"{counted(others, 'file')} ignored that are no images")
    return _disjoint(found._replace(notes=tuple(notes)))


def plain(text: str) -> str:
    """A name in Unicode's composed form."""
    return unicodedata.normalize("NFC", text)


# --- folders


def _by_folders(archive: Archive, images: list[str]) -> Layout:
    """Class folders, or split folders with class folders in them, below what all images have in common."""
    root = os.path.commonpath([os.path.dirname(name) for name in images])
    inside = {name: PurePosixPath(name).relative_to(root).parts for name in images}
    tops = {parts[0] for parts in inside.values() if len(parts) > 1}
    named = {top for top in tops if top.lower() in SPLIT_NAMES}
    if not tops:
        raise DataError(
            f"{archive.path} has no class folders: all {len(images):,} images lie in one folder; put those of each "
            "class into a folder of its own, or add a table, labels.csv, with the columns filename,label."
        )
    if named and named == tops:
        deep = {name: parts for name, parts in inside.items() if len(parts) > 2}
        if not deep:
            raise DataError(
                f"{archive.path} has images in {', '.join(sorted(tops))} without class folders; put those of each "
                "class into a folder of its own."
            )
        grouped = _grouped(
            archive, (((SPLIT_NAMES[p[0].lower()], _folder(p[1:-1])), n) for n, p in deep.items())
        )
        return Layout("split folders with class folders", grouped, (), ())
    if len(named) > 1:
        others = ", ".join(sorted(tops - named))
        raise DataError(
            f"{archive.path} has the folders {', '.join(sorted(named))}, and beside them {others}; which?"
        )
    grouped = _grouped(
        archive, ((("", _folder(p[:-1])), name) for name, p in inside.items() if len(p) > 1)
    )
    return Layout("class folders", grouped, (), ())


def _folder(parts: tuple[str, ...]) -> str:
    return "/".join(parts)


def _grouped(
    archive: Archive, labelled: Iterator[tuple[tuple[str, str], str]]
) -> dict[str, ImagesByClass]:
    """Collect `((split, class), image)`; two folders that differ only in how they are coded are refused."""
    splits: dict[str, ImagesByClass] = defaultdict(lambda: defaultdict(list))
    written: dict[str, str] = {}
    for (split, label), name in labelled:
        folder, known = (
            f"{split}/{label}",
            written.setdefault(f"{split}/{plain(label)}", f"{split}/{label}"),
        )
        if folder != known:
            raise DataError(
                f"{archive.path} has two folders {plain(label)!r}, coded differently; rename one."
            )
        splits[split][plain(label)].append(name)
    return {
        split: {label: sorted(classes[label]) for label in sorted(classes)}
        for split, classes in splits.items()
    }


# --- tables


class _Table(NamedTuple):
    """A table that names images and their labels."""

    name: str
    rows: list[dict[str, str]]
    file: str  # the columns
    label: str
    split: str  # "" where there is none


def _tables(archive: Archive) -> Iterator[_Table]:
    """The tables with a column of files and one of labels, of those that lie least deep."""
    names = [name for name in archive.names if name.lower().endswith(TABLES)]
    least = min((name.count("/") for name in names), default=0)
    for name in names:
        if name.count("/") == least and (table := _read_table(archive, name)):
            yield table


def _read_table(archive: Archive, name: str) -> _Table | None:
    data = archive.read(name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")  # as spreadsheets of the West write it
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval=""))
    columns = {str(column).strip().lower(): str(column) for column in rows[0]} if rows else {}
    file, label, split = (
        next((columns[guess] for guess in guesses if guess in columns), "")
        for guesses in (FILE, LABEL, SPLIT)
    )
    return _Table(name, rows, file, label, split) if file and label else None


def _by_table(archive: Archive, images: list[str], tables: list[_Table]) -> Layout:
    labels: dict[str, tuple[str, str]] = {}
    absent = []
    lookup = _Lookup(images)
    for table in tables:
        for number, row in enumerate(table.rows, 2):
            place = f"row {number} of {table.name} in {archive.path}"
            image = lookup.find(row[table.file], table.name, place)
            if image is None:
                absent.append(row[table.file])
                continue
            found = (_split_of(table, row, place), plain(row[table.label].strip()))
            if not found[1]:
                raise DataError(f"{place} gives {row[table.file]} no label.")
            if labels.setdefault(image, found) != found:
                raise DataError(
                    f"{place} gives {row[table.file]} another label or split than a row before it."
                )
    if not labels:
        raise DataError(
            f"None of the files that {tables[0].name} names, {absent[0]} first, is in {archive.path}."
        )
    if len({bool(split) for split, _ in labels.values()}) > 1:
        raise DataError(f"{archive.path} has tables with a split and tables without one; which?")
    grouped = _grouped(archive, ((found, image) for image, found in labels.items()))
    notes = (
        (f"{counted(len(absent), 'row')} ignored whose file is not there: {listing(absent)}",)
        if absent
        else ()
    )
    columns = ", ".join(filter(None, (tables[0].file, tables[0].label, tables[0].split)))
    names = tuple(table.name for table in tables)
    return Layout(f"images with {', '.join(names)}: {columns}", grouped, names, notes)


def listing(names: list[str], most: int = 5) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _split_of(table: _Table, row: Mapping[str, str], place: str) -> str:
    if not table.split:
        return SPLIT_NAMES.get(PurePosixPath(table.name).stem.lower(), "")
    value = row[table.split].strip().lower()
    if value not in SPLIT_NAMES:
        raise DataError(
            f"{place} has the split {row[table.split]!r}; it must be one of {', '.join(SPLIT_NAMES)}."
        )
    return SPLIT_NAMES[value]


class _Lookup:
    """Images by what a table may call them: the path from the table or the root, the name, the name without suffix."""

    def __init__(self, images: list[str]):
        self.images = {plain(image): image for image in images}
        self.short: dict[str, list[str]] = defaultdict(list)
        for image in images:
            path = PurePosixPath(plain(image))
            for key in dict.fromkeys((path.name, path.stem)):
                self.short[key].append(image)

    def find(self, text: str, table: str, place: str) -> str | None:
        """The image; None if it is not there. Raises `DataError` if it could be more than one."""
        wanted = plain(text.strip().replace("\\", "/")).removeprefix("./")
        beside = str(PurePosixPath(table).parent / wanted)
        for path in (beside, wanted):
            if path in self.images:
                return self.images[path]
        found = self.short.get(PurePosixPath(wanted).name, [])
        if len(found) > 1:
            raise DataError(f"{place} names {text}, which could be {found[0]} or {found[1]}.")
        return found[0] if found else None


# --- splits


def _disjoint(layout: Layout) -> Layout:
    """Put the images of a class together where a class is in two splits: few-shot tasks need new classes."""
    seen = Counter(label for classes in layout.splits.values() for label in classes)
    shared = sorted(label for label, splits in seen.items() if splits > 1)
    if not shared:
        return layout
    together: ImagesByClass = {
        label: sorted(name for classes in layout.splits.values() for name in classes.get(label, []))
        for label in sorted(seen)
    }
    note = (
        f"{counted(len(shared), 'class', 'classes')} in more than one split ({listing(shared)}); few-shot tasks need "
        "classes that training never saw, so the images of each class were put together and the classes split anew"
    )
    return layout._replace(splits={"": together}, notes=(note, *layout.notes))

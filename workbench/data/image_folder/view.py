"""What is looked at to find a layout: the images, the tables, and what the user says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import NamedTuple

from workbench.data.files.archive import SUFFIXES, Archive
from workbench.data.image_folder.choice import LayoutChoice, is_pattern
from workbench.data.image_folder.image_lookup import ImageLookup
from workbench.data.image_folder.image_table import ImageTable, image_table, lost_file
from workbench.data.image_folder.joined_lists import joined_lists, parts_of_lists
from workbench.data.image_folder.label_columns import Labels, find_labels, labels_in
from workbench.data.image_folder.left_out import left_out
from workbench.data.image_folder.masks import masks_in
from workbench.data.image_folder.record import listing
from workbench.data.image_folder.table_file import TABLES, TableFile, UnreadTable, table_files
from workbench.errors import DataError, UsageError

# what competitions call a form for answers, often with the same label in all rows
SUBMISSION = re.compile(r"submissions?[^/]*$", re.IGNORECASE)


class View(NamedTuple):
    """The images of a folder or archive, and what the user says about them."""

    archive: Archive
    images: list[str]
    choice: LayoutChoice
    command: str  # that the user gives again with more options
    masks: list[str]  # files beside them that are no images of their own

    def ask(self, message: str, flags: str) -> DataError:
        """Return the error for a question to the user."""
        return DataError(f"{self.archive.path} has {message}: {self.command} {flags}")


class Tables(NamedTuple):
    """The tables that name images, and the labels in those that tell."""

    known: list[tuple[ImageTable, Labels]]
    unknown: list[ImageTable]
    unread: list[UnreadTable]
    lost: list[tuple[str, str]]  # tables of image files of which none is there; the first file
    nameless: list[str]  # why other tables name no image


def view_of(archive: Archive, choice: LayoutChoice, command: str) -> View:
    """Return the images of an archive, or those of the folder that the user names.

    Raises:
        DataError: there are none.
        UsageError: there are none in that folder.
    """
    images = list(archive.images())
    if not images:
        others = "; ".join(left_out(archive.names))
        raise DataError(f"{archive.path} contains no images ({', '.join(SUFFIXES)}); {others}.")
    if choice.only:
        images = [image for image in images if _is_wanted(image, choice.only)]
    if not images:
        raise UsageError(_nothing_of(archive, choice.only))
    masks: list[str] = []
    if not is_pattern(choice.only):
        masks = masks_in(images)
        pictures = set(images).difference(masks)
        images = [image for image in images if image in pictures]
    return View(archive, images, choice, command, masks)


def _nothing_of(archive: Archive, only: str) -> str:
    """Say that no image fits a folder or pattern, and what is there."""
    paths = [PurePosixPath(image) for image in archive.images()]
    suffixes = sorted({f"'*{path.suffix}'" for path in paths})
    folders = sorted({folder for path in paths for folder in path.parent.parts})
    there = f"folders: {listing(folders) or 'none'}; patterns: {listing(suffixes)}"
    if is_pattern(only):
        return f"{archive.path} has no images whose names fit --only '{only}'. It has {there}"
    return f"{archive.path} has no images in a folder {only}, given by --only. It has {there}"


def _is_wanted(image: str, only: str) -> bool:
    """Return whether an image is in the folder that the user names, or has such a name."""
    path = PurePosixPath(image)
    if is_pattern(only):
        return fnmatchcase(path.name, only)
    return only in path.parent.parts


def read_tables(view: View) -> Tables:
    """Return the tables that name images; none if the user says that the folders name classes.

    Raises:
        UsageError: no table has the column that the user names.
    """
    found = Tables([], [], [], [], [])
    if view.choice.level:
        return found
    lookup = ImageLookup(view.images)
    folders: set[str] = set()
    for image in view.images:
        folders.update(image.split("/")[:-1])
    for file in _files(view):
        if isinstance(file, UnreadTable):
            found.unread.append(file)
            continue
        table = image_table(file, lookup, len(view.images))
        if table is None:
            lost = lost_file(file)
            if lost:
                found.lost.append((file.name, lost))
            elif file.suffix in TABLES:
                found.nameless.append(_why_nameless(file, lookup, view.images[0]))
            continue
        labels = _labels(table, folders, view.choice)
        if labels is None:
            found.unknown.append(table)
        else:
            found.known.append((table, labels))
    if view.choice.label and not found.known:
        raise UsageError(_no_column(view, found))
    return _without_doubtful(_without_forms(found, view.choice))


def _files(view: View) -> Iterator[TableFile | UnreadTable]:
    """Yield the files that may be tables, and lists that are one table together in their place."""
    yield from joined_lists(view.archive)
    joined: set[str] = set()
    for parts in parts_of_lists(view.archive.names):
        joined.update(parts)
    for file in table_files(view.archive, len(view.images)):
        if file.name not in joined:
            yield file


def _why_nameless(file: TableFile, lookup: ImageLookup, image: str) -> str:
    """Say why a table names no image, with the first row that could, and the name of an image."""
    if not file.rows:
        return f"{file.name} is empty"
    row = file.rows[:2][-1]
    first = ", ".join(row)
    for cell in row:
        meant = lookup.find(cell, file.name).images if cell else ()
        if len(meant) > 1:
            folders = [f"--only {PurePosixPath(each).parent.name}" for each in meant]
            return (
                f"{file.name} does not say which images it names: {cell} in its first row may be "
                f"{meant[0]} or {meant[1]}. For one of the folders, add {' or '.join(folders)}"
            )
    name = PurePosixPath(image).name
    return f"{file.name} names none of the images (its first row is {first}; an image is {name})"


def _without_forms(tables: Tables, choice: LayoutChoice) -> Tables:
    """Leave out forms for answers, unless the user names a column that only they have."""
    known = [pair for pair in tables.known if not SUBMISSION.search(pair[0].name)]
    if choice.label and not known:
        return tables
    unknown = [table for table in tables.unknown if not SUBMISSION.search(table.name)]
    forms = {table.name for table in [*tables.unknown, *(table for table, _ in tables.known)]}
    forms -= {table.name for table in [*unknown, *(table for table, _ in known)]}
    reason = "is a form for answers by its name, so it is not used"
    unread = [*tables.unread, *(UnreadTable(name, reason) for name in sorted(forms))]
    return tables._replace(known=known, unknown=unknown, unread=unread)


def _without_doubtful(tables: Tables) -> Tables:
    """Count tables as unknown whose label has no known name, if others name their images."""
    sure = named_by([table for table, labels in tables.known if labels.named])
    known, unknown = [], list(tables.unknown)
    for table, labels in tables.known:
        if not labels.named and table.images <= sure:
            unknown.append(table)
        else:
            known.append((table, labels))
    return tables._replace(known=known, unknown=unknown)


def _labels(table: ImageTable, folders: set[str], choice: LayoutChoice) -> Labels | None:
    """Return the labels of a table by what the user says, or by what the table tells."""
    if choice.label:
        return labels_in(table, choice.label)
    return find_labels(table, folders)


def _no_column(view: View, tables: Tables) -> str:
    found = [f"{table.name} has {', '.join(table.columns)}" for table in tables.unknown]
    return (
        f"No table in {view.archive.path} has the column {view.choice.label}; "
        f"{'; '.join(found) or 'none of them names its images'}"
    )


def named_by(tables: Sequence[ImageTable]) -> set[str]:
    """Return the images that tables name."""
    named: set[str] = set()
    for table in tables:
        named |= table.images
    return named

"""What is asked where folders and tables do not tell for certain which of them has the classes."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from workbench.data.image_folder.annotations import read_annotations
from workbench.data.image_folder.folder_levels import Levels, Placed, folders_of
from workbench.data.image_folder.image_table import ImageTable
from workbench.data.image_folder.label_columns import (
    only_boxes,
    possible_labels,
    repeats,
    several_labels,
)
from workbench.data.image_folder.label_table import MISSING
from workbench.data.image_folder.record import listing
from workbench.data.image_folder.table_file import TABLES
from workbench.data.image_folder.view import Tables, View, named_by
from workbench.errors import DataError

MOST = 0.5  # of the images: a table that names fewer does not decide alone


# --- a table whose label is not known


def ask_for_label(view: View, tables: Tables, levels: Levels | None) -> None:
    """Ask which column is the label if tables name images and do not tell.

    If the folders tell, lists of boxes are passed over, and lists in texts without a column that
    could be a label (names, sizes, checksums).
    """
    asked = tables.unknown
    if levels is not None:
        asked = [each for each in asked if each.name.lower().endswith(TABLES) or repeats(each)]
        asked = [each for each in asked if not only_boxes(each)]
    named = named_by(asked)
    if not asked or (levels is not None and len(named) < MOST * len(view.images)):
        return
    table = max(asked, key=lambda each: len(each.images))
    if levels is not None and _confirms(table, levels):
        return
    by_folders = ""
    level = _level_to_take(view, levels)
    if level:
        by_folders = f" To take the classes from the folders, add --level {level}."
    several = several_labels(table)
    if several:
        raise DataError(
            f"{view.archive.path} has the table {table.name}, which gives several classes to one "
            f"image: {several}. Few-shot tasks need one label for each image, so write a table, "
            f"labels.csv, with the columns filename,label.{by_folders}"
        )
    others = [table.columns[column] for column in table.others]
    columns = f"its columns: {', '.join(others)}"
    column = "COLUMN"
    possible = possible_labels(table)
    if possible:
        described = [f"{name} ({count} values)" for name, count in possible.items()]
        columns = f"those that could be: {', '.join(described)}"
    if len(possible) == 1:
        column = next(iter(possible))
    raise view.ask(
        f"the table {table.name}, which names {share(len(table.images), view)}, and it is not "
        f"clear which of its columns is the label; {columns}.{by_folders} To say which column",
        f"--label {shlex.quote(column)}",
    )


def _level_to_take(view: View, levels: Levels | None) -> str:
    """Return the level that names the classes, or the first that could; "" without folders."""
    if levels is not None:
        return levels.level
    tops = {names[:1] for names in folders_of(view.images).values()}
    return "1" if len(tops) > 1 else ""


def share(count: int, view: View) -> str:
    return f"{count:,} of the {len(view.images):,} images"


def _confirms(table: ImageTable, levels: Levels) -> bool:
    """Return whether a column gives the same classes as the folders."""
    for column in table.others:
        pairs = beside_folders(table, table.column(column), levels)
        if len({label for _, label in pairs}) > 1 and one_to_one(pairs):
            return True
    return False


def beside_folders(
    table: ImageTable, values: Sequence[str], levels: Levels
) -> list[tuple[str, str]]:
    """Return the value of each row that has one, and the class folder of its image."""
    pairs = []
    for match, value in zip(table.found, values, strict=True):
        if value.lower() not in MISSING and len(match.images) == 1:
            label = levels.placed.get(match.images[0], Placed("", "")).label
            if label:
                pairs.append((value, label))
    return pairs


def one_to_one(pairs: Sequence[tuple[str, str]]) -> bool:
    """Return whether each left value goes with one right value only, and the other way round."""
    forwards = dict(pairs)
    backwards = {right: left for left, right in pairs}
    return all(forwards[left] == right and backwards[right] == left for left, right in pairs)


def ask_which_table(view: View, tables: Tables) -> None:
    """Ask which column is the label if none has a known name, and no folders can confirm it."""
    columns: dict[str, str] = {}
    for table, labels in tables.known:
        if not labels.named and table.has_header:
            columns.setdefault(labels.columns[0], table.name)
    if len(columns) == 1 and all(not labels.named for _, labels in tables.known):
        ((column, name),) = columns.items()
        raise view.ask(
            f"no class folders, and a table {name} whose column {column} may be the label or "
            "something else, such as who made the image. If it is the label",
            f"--label {shlex.quote(column)}",
        )
    if len(columns) > 1:
        found = [f"{column} in {name}" for column, name in columns.items()]
        raise view.ask(
            f"several tables that name images, and it is not clear which column is the label: "
            f"{listing(found)}. To say which",
            f"--label {shlex.quote(next(iter(columns)))}",
        )


# --- annotations that are not read


def ask_about_annotations(view: View, levels: Levels) -> None:
    """Ask for the classes if files such as those of COCO name images and differ from the folders.

    Files that name few images, and no label that differs, are told as files that are ignored.
    """
    annotations = read_annotations(view.archive, view.images)
    named = len(annotations.images)
    if not named:
        return
    pairs = []
    for image, label in annotations.found:
        folder = levels.placed.get(image, Placed("", "")).label
        if label and folder:
            pairs.append((label, folder))
    several = len({label for label, _ in pairs}) > 1
    agrees = several and one_to_one(pairs)
    few = annotations.complete and named < MOST * len(view.images)
    if few and (agrees or not several):
        return
    if agrees and len(pairs) >= MOST * len(annotations.found):
        return
    names = listing(annotations.files, 1)
    found = share(named, view)
    if not annotations.complete:
        found = f"images, among them {listing(sorted(annotations.images), 1)}"
    raise view.ask(
        f"annotations that are not read: {names}, which name {found}. If the classes are in them, "
        "write them into a table, labels.csv, beside the images, with the columns filename,label, "
        "and give the same command again. If the folders are the classes, add --level "
        f"{levels.level}",
        f"--level {levels.level}",
    )

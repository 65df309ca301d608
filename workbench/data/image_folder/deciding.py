"""Whether tables or folders tell the class of each image.

A table decides if it names most images. One that names few must agree with the folders. A table
that names images is never passed over in silence.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.folder_levels import (
    Levels,
    Placed,
    folders_of,
    read_levels,
    split_level,
    splits_at,
)
from workbench.data.image_folder.image_table import ImageTable
from workbench.data.image_folder.label_columns import possible_labels
from workbench.data.image_folder.label_table import MISSING, check_columns, label_table, read_labels
from workbench.data.image_folder.labels import (
    ImagesByClass,
    LabelledImage,
    by_class,
    groups_of,
)
from workbench.data.image_folder.left_out import OTHER_TABLES
from workbench.data.image_folder.record import counted, listing
from workbench.data.image_folder.table_file import TABLES
from workbench.data.image_folder.view import Tables, View, named_by
from workbench.errors import DataError

MOST = 0.5  # of the images: a table that names fewer does not decide alone
ADD_TABLE = (
    "Put those of each class into a folder of its own, or add a table, labels.csv, with the "
    "columns filename,label."
)


class Layout(NamedTuple):
    """The classes that were found."""

    how: str  # they were found: "class folders"
    splits: dict[str, ImagesByClass]  # by split; under "" if no split is given
    groups: dict[str, str]  # of the classes that have one
    tables: tuple[str, ...] = ()  # the names of the tables that were used
    notes: tuple[str, ...] = ()  # what was ignored or changed


def decide(view: View, tables: Tables) -> Layout:
    """Return the classes by tables or by folders.

    Raises:
        DataError: neither tells, or it is not clear which.
    """
    if view.choice.label and tables.known:
        return _from_tables(view, tables)
    levels: Levels | None = None
    question = DataError()
    try:
        levels = _levels(view)
    except DataError as error:
        question = error
    if tables.known and levels is None:
        _ask_which_table(view, tables)
        return _from_tables(view, tables)
    labelled = named_by([table for table, _ in tables.known])
    if levels is not None and labelled and len(labelled) >= MOST * len(view.images):
        return _from_most(view, tables, levels)
    _ask_for_label(view, tables, levels)
    if levels is None:
        raise _unanswered(view, tables, question)
    if tables.known:
        return _from_both(view, tables, levels)
    return _from_folders(view, tables, levels)


def _levels(view: View) -> Levels:
    """Return the classes by folders; there is at least one."""
    levels = read_levels(view.images, view.choice, view.ask)
    if any(placed.label for placed in levels.placed.values()):
        return levels
    path = view.archive.path
    if view.choice != LayoutChoice():
        flags = " ".join(view.choice.flags)
        raise DataError(f"{path} has no class folders with {flags}; {view.images[0]} is an image.")
    tops = sorted({names[0] for names in folders_of(view.images).values() if names})
    if tops:
        raise DataError(f"{path} has images in {listing(tops)} without class folders. {ADD_TABLE}")
    raise DataError(
        f"{path} has no class folders: all {len(view.images):,} images are in one folder. "
        f"{ADD_TABLE}"
    )


def _unanswered(view: View, tables: Tables, question: DataError) -> DataError:
    """Return the question that folders ask, after the tables that could have answered it."""
    if tables.lost:
        name, first = tables.lost[0]
        return DataError(
            f"{view.archive.path} has none of the files that {name} lists; "
            f"the first of them is {first}."
        )
    unused = [f"{name} names none of the images" for name in tables.nameless]
    unused += [f"{table.name} {table.reason}" for table in tables.unread]
    for name in view.archive.names:
        if PurePosixPath(name).suffix.lower() in OTHER_TABLES:
            unused.append(f"{name} is not read; save it as .csv")
    if not unused:
        return question
    return DataError(f"{listing(unused, 3)}. {question}")


# --- a table whose label is not known


def _ask_for_label(view: View, tables: Tables, levels: Levels | None) -> None:
    """Ask which column is the label if tables name images and do not tell.

    Lists in texts that name images for another purpose are passed over if the folders tell.
    """
    asked = tables.unknown
    if levels is not None:
        asked = [each for each in asked if each.name.lower().endswith(TABLES)]
    named = named_by(asked)
    if not asked or (levels is not None and len(named) < MOST * len(view.images)):
        return
    table = max(asked, key=lambda each: len(each.images))
    if levels is not None and _confirms(table, levels):
        return
    others = [table.columns[column] for column in table.others]
    columns = f"its columns: {', '.join(others)}"
    column = "COLUMN"
    possible = possible_labels(table)
    if possible:
        described = [f"{name} ({count} values)" for name, count in possible.items()]
        columns = f"those that could be: {', '.join(described)}"
    if len(possible) == 1:
        column = next(iter(possible))
    by_folders = ""
    if levels is not None:
        by_folders = f" To take the classes from the folders, add --level {levels.level}."
    raise view.ask(
        f"the table {table.name}, which names {_share(len(table.images), view)}, and it is not "
        f"clear which of its columns is the label; {columns}.{by_folders} To say which column",
        f"--label {shlex.quote(column)}",
    )


def _share(count: int, view: View) -> str:
    return f"{count:,} of the {len(view.images):,} images"


def _confirms(table: ImageTable, levels: Levels) -> bool:
    """Return whether a column gives the same classes as the folders."""
    for column in table.others:
        pairs = _beside_folders(table, table.column(column), levels)
        if len({label for _, label in pairs}) > 1 and _one_to_one(pairs):
            return True
    return False


def _beside_folders(
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


def _one_to_one(pairs: Sequence[tuple[str, str]]) -> bool:
    """Return whether each left value goes with one right value only, and the other way round."""
    forwards = dict(pairs)
    backwards = {right: left for left, right in pairs}
    return all(forwards[left] == right and backwards[right] == left for left, right in pairs)


# --- tables that differ from folders, or from one another


def _from_most(view: View, tables: Tables, levels: Levels) -> Layout:
    """Return the classes by tables that name most images, although folders tell classes too.

    Raises:
        DataError: they differ from the folders, and no column is called label or the like.
    """
    differing = []
    for table, labels in tables.known:
        if not _one_to_one(_beside_folders(table, labels.values, levels)):
            differing.append((table, labels))
    folders = _described(sorted({each.label for each in levels.placed.values()} - {""}))
    for table, labels in differing:
        if not labels.named:
            column = labels.columns[0]
            raise view.ask(
                f"class folders ({folders}), and a table {table.name} that says something else of "
                f"their images: {column} ({_described(sorted(set(labels.values) - {''}))}). To "
                f"take the classes from the table, add --label {shlex.quote(column)}; from the "
                "folders",
                f"--level {levels.level}",
            )
    layout = _from_tables(view, tables)
    if not differing:
        return layout
    note = (
        f"the classes are those of {listing([table.name for table, _ in differing], 3)}, not of "
        f"the folders ({folders}); for the folders, add --level {levels.level}"
    )
    return layout._replace(notes=(note, *layout.notes))


def _described(classes: list[str]) -> str:
    return f"{counted(len(classes), 'class', 'classes')}: {listing(classes, 3)}"


def _ask_which_table(view: View, tables: Tables) -> None:
    """Ask which column is the label if two tables have one each, neither with a known name."""
    columns: dict[str, str] = {}
    for table, labels in tables.known:
        if not labels.named and table.has_header:
            columns.setdefault(labels.columns[0], table.name)
    if len(columns) > 1:
        found = [f"{column} in {name}" for column, name in columns.items()]
        raise view.ask(
            f"several tables that name images, and it is not clear which column is the label: "
            f"{listing(found)}. To say which",
            f"--label {shlex.quote(next(iter(columns)))}",
        )


# --- by tables


def _from_tables(view: View, tables: Tables) -> Layout:
    used = [label_table(table, labels, view.choice) for table, labels in tables.known]
    check_columns(used, view.choice)
    splits: dict[str, str] = {}
    if any(each.split is None and not each.stated for each in used):
        splits = _folder_splits(view)
    found = read_labels(used, splits, view.archive.path)
    notes = []
    if found.missing:
        rows = counted(len(found.missing), "row")
        notes.append(f"{rows} without a file ignored: {listing(found.missing)}")
    if found.unlabelled:
        rows = counted(found.unlabelled.total(), "row")
        words = [f"{word or 'an empty cell'} ({n:,})" for word, n in found.unlabelled.most_common()]
        notes.append(f"{rows} without a label ignored: {listing(words)}")
    if tables.unknown:
        notes.append(_not_used(tables.unknown))
    names = tuple(each.table.name for each in used)
    how = f"images with {listing(names)}: {', '.join(used[0].columns)}"
    return _layout(view, how, list(found.images.values()), names, notes)


def _folder_splits(view: View) -> dict[str, str]:
    """Return the split of each image by its folders, for images that tables label."""
    folders = folders_of(view.images)
    return splits_at(folders, split_level(folders, view.choice))


def _layout(
    view: View, how: str, images: list[LabelledImage], tables: tuple[str, ...], notes: list[str]
) -> Layout:
    path = view.archive.path
    return Layout(how, by_class(images, path), groups_of(images, path), tables, tuple(notes))


def _not_used(tables: Sequence[ImageTable]) -> str:
    names = listing([table.name for table in tables], 3)
    images = counted(len(named_by(tables)), "image")
    return (
        f"not used: {names}, which names {images} and has no known column of labels; "
        "to use it, add --label COLUMN"
    )


# --- by folders


def _from_folders(view: View, tables: Tables, levels: Levels) -> Layout:
    images = []
    for image, placed in levels.placed.items():
        if placed.label:
            images.append(LabelledImage(placed.split, placed.label, image, placed.group))
    notes = list(levels.notes)
    if tables.unknown:
        notes.append(_not_used(tables.unknown))
    return _layout(view, levels.how, images, (), notes)


def _from_both(view: View, tables: Tables, levels: Levels) -> Layout:
    """Return the classes by folders if tables that name few images agree with them, or ask.

    Images without a class folder then get the class that the tables give them.
    """
    used = [label_table(table, labels, view.choice) for table, labels in tables.known]
    found = read_labels(used, _folder_splits(view), view.archive.path)
    by_folders = {placed.label for placed in levels.placed.values() if placed.label}
    pairs = []
    for image, labelled in found.images.items():
        label = levels.placed.get(image, Placed("", "")).label
        if not label and labelled.label in by_folders:
            label = labelled.label
        pairs.append((labelled.label, label))
    names = tuple(each.table.name for each in used)
    if not _one_to_one(pairs) or any(not label for _, label in pairs):
        label = shlex.quote(used[0].labels.columns[0])
        raise view.ask(
            f"{listing(names)}, which names {_share(len(found.images), view)} with other classes "
            f"than their folders. To take only these images, add --label {label}; to take the "
            "classes from the folders",
            f"--level {levels.level}",
        )
    label_of = dict(pairs)
    merged = dict(levels.placed)
    for image, labelled in found.images.items():
        if not merged.get(image, Placed("", "")).label:
            merged[image] = Placed(labelled.split, label_of[labelled.label])
    layout = _from_folders(view, tables, levels._replace(placed=merged))
    note = f"{listing(names)} names {_share(len(found.images), view)}, in classes of the folders"
    return layout._replace(tables=names, notes=(*layout.notes, note))

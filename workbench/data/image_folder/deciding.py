"""Whether tables or folders tell the class of each image.

A table decides if it names most images. One that names few must agree with the folders. A table
that names images is never passed over in silence.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from workbench.data.image_folder.asking import (
    MOST,
    ask_about_annotations,
    ask_for_label,
    ask_which_table,
    beside_folders,
    one_to_one,
    share,
)
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
from workbench.data.image_folder.label_table import check_columns, label_table, read_labels
from workbench.data.image_folder.labels import (
    ImagesByClass,
    LabelledImage,
    by_class,
    groups_of,
)
from workbench.data.image_folder.left_out import OTHER_TABLES
from workbench.data.image_folder.record import counted, listing
from workbench.data.image_folder.view import Tables, View, named_by
from workbench.errors import DataError

WORD = re.compile(r"([^\W\d_](?:\D*?[^\W\d_])?)[ _.(-]*\d")  # and a number: "cat_001.jpg"
ADD_TABLE = (
    "Put those of each class into a folder of its own, or add a table, labels.csv, with the "
    "columns filename,label; so too if the class is in the names of the files"
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
        ask_which_table(view, tables)
        return _from_tables(view, tables)
    labelled = named_by([table for table, _ in tables.known])
    if levels is not None and labelled and len(labelled) >= MOST * len(view.images):
        return _from_most(view, tables, levels)
    ask_for_label(view, tables, levels)
    if levels is None:
        raise _unanswered(view, tables, question)
    if tables.known:
        return _from_both(view, tables, levels)
    if not view.choice.level:
        ask_about_annotations(view, levels)
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
        example = _example(view.images)
        raise DataError(
            f"{path} has images in {listing(tops)} without class folders. {ADD_TABLE}{example}."
        )
    raise DataError(
        f"{path} has no class folders: all {len(view.images):,} images are in one folder. "
        f"{ADD_TABLE}{_example(view.images)}."
    )


def _example(images: Sequence[str]) -> str:
    """Return a row of a table by the first file name that begins with a word: "cat_001.jpg,cat"."""
    for image in images:
        name = PurePosixPath(image).name
        word = WORD.match(name)
        if word is not None:
            return f" ({name},{word[1]})"
    return ""


def _unanswered(view: View, tables: Tables, question: DataError) -> DataError:
    """Return the question that folders ask, after the tables that could have answered it."""
    if tables.lost:
        name, first = tables.lost[0]
        return DataError(
            f"{view.archive.path} has none of the files that {name} lists; "
            f"the first of them is {first}."
        )
    unused = list(tables.nameless)
    unused += [f"{table.name} {table.reason}" for table in tables.unread]
    unread = []
    for name in view.archive.names:
        if PurePosixPath(name).suffix.lower() in OTHER_TABLES:
            unread.append(name)
    if unread:
        names = listing(unread, 2)
        unused.append(f"{names} is not read; save it as .csv with the columns filename,label")
    if not unused:
        return question
    return DataError(f"{listing(unused, 3)}. {question}")


# --- tables that differ from folders, or from one another


def _from_most(view: View, tables: Tables, levels: Levels) -> Layout:
    """Return the classes by tables that name most images, although folders tell classes too.

    Raises:
        DataError: they differ from the folders, and no column is called label or the like.
    """
    differing = []
    for table, labels in tables.known:
        if not one_to_one(beside_folders(table, labels.values, levels)):
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
        note = f"{rows} without a label ignored: {listing(words)}"
        if any(found.unlabelled):
            note += "; if such a word is a class, write it differently in the table (unknown_class)"
        notes.append(note)
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
    if not one_to_one(pairs) or any(not label for _, label in pairs):
        label = shlex.quote(used[0].labels.columns[0])
        raise view.ask(
            f"{listing(names)}, which names {share(len(found.images), view)} with other classes "
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
    note = f"{listing(names)} names {share(len(found.images), view)}, in classes of the folders"
    return layout._replace(tables=names, notes=(*layout.notes, note))

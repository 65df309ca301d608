"""The layout of a folder or archive of images: the class and the split of each image.

Three layouts are known: class folders; train, val and test folders with class folders in them; and
images with a table of file names and labels.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from workbench.data.files.archive import SUFFIXES, Archive
from workbench.data.image_folder.label_table import LabelTable, labels_of, read_tables
from workbench.data.image_folder.labels import (
    SPLIT_NAMES,
    ImagesByClass,
    LabelledImage,
    all_images,
    by_class,
    sorted_classes,
)
from workbench.data.image_folder.record import counted, listing
from workbench.errors import DataError


class Layout(NamedTuple):
    """The classes that were found."""

    how: str  # they were found: "class folders"
    splits: dict[str, ImagesByClass]  # by split; under "" if no split is given
    tables: tuple[str, ...] = ()  # the names of the tables that were used
    notes: tuple[str, ...] = ()  # what was ignored or changed


def find_layout(archive: Archive) -> Layout:
    """Find the images of each class.

    Raises:
        DataError: there are no images, or their classes are ambiguous.
    """
    images = list(archive.images())
    if not images:
        raise DataError(f"{archive.path} contains no images ({', '.join(SUFFIXES)}).")
    layout = _layout(archive, images)
    notes = layout.notes + _ignored(archive, images, layout)
    return _without_shared_classes(layout._replace(notes=notes))


def _layout(archive: Archive, images: list[str]) -> Layout:
    tables = read_tables(archive)
    if tables:
        return _from_tables(archive, images, tables)
    return _from_folders(archive, images)


def _ignored(archive: Archive, images: list[str], layout: Layout) -> tuple[str, ...]:
    """Say how many images and other files were ignored."""
    notes = []
    unlabelled = len(images) - len(all_images(layout.splits))
    if unlabelled > 0:
        notes.append(f"{counted(unlabelled, 'image')} without a class ignored")
    others = len(archive.names) - len(images) - len(layout.tables)
    if others:
        notes.append(f"{counted(others, 'other file')} ignored")
    return tuple(notes)


def _from_tables(archive: Archive, images: list[str], tables: list[LabelTable]) -> Layout:
    labelled, missing = labels_of(tables, images, archive.path)
    names = tuple(table.name for table in tables)
    how = f"images with {', '.join(names)}: {', '.join(tables[0].columns)}"
    notes: tuple[str, ...] = ()
    if missing:
        notes = (f"{counted(len(missing), 'row')} without a file ignored: {listing(missing)}",)
    return Layout(how, by_class(labelled, archive.path), names, notes)


# --- folders


def _from_folders(archive: Archive, images: list[str]) -> Layout:
    paths = _paths_below_common_folder(images)
    folders = {parts[0] for parts in paths.values() if len(parts) > 1}
    if not folders:
        raise DataError(
            f"{archive.path} has no class folders: all {len(images):,} images are in one folder. "
            "Put those of each class into a folder of its own, or add a table, labels.csv, with "
            "the columns filename,label."
        )
    split_folders = {folder for folder in folders if folder.lower() in SPLIT_NAMES}
    if split_folders == folders:
        return _from_split_folders(archive, paths, folders)
    if len(split_folders) > 1:
        others = ", ".join(sorted(folders - split_folders))
        raise DataError(
            f"{archive.path} has the split folders {', '.join(sorted(split_folders))} and other "
            f"folders beside them: {others}. Keep only one kind."
        )
    return _from_class_folders(archive, paths)


def _paths_below_common_folder(images: list[str]) -> dict[str, tuple[str, ...]]:
    """Return the parts of each image's path below the deepest folder that has all images."""
    root = os.path.commonpath([os.path.dirname(name) for name in images])
    paths = {}
    for name in images:
        paths[name] = PurePosixPath(name).relative_to(root).parts
    return paths


def _from_class_folders(archive: Archive, paths: Mapping[str, tuple[str, ...]]) -> Layout:
    labelled = []
    for image, (*folders, _) in paths.items():
        if folders:
            labelled.append(LabelledImage("", "/".join(folders), image))
    return Layout("class folders", by_class(labelled, archive.path))


def _from_split_folders(
    archive: Archive, paths: Mapping[str, tuple[str, ...]], split_folders: set[str]
) -> Layout:
    labelled = []
    for image, (top, *rest) in paths.items():
        folders = rest[:-1]
        if folders:
            split = SPLIT_NAMES[top.lower()]
            labelled.append(LabelledImage(split, "/".join(folders), image))
    if not labelled:
        names = ", ".join(sorted(split_folders))
        raise DataError(
            f"{archive.path} has images in {names} without class folders. "
            "Put those of each class into a folder of its own."
        )
    return Layout("split folders with class folders", by_class(labelled, archive.path))


# --- splits


def _without_shared_classes(layout: Layout) -> Layout:
    """Merge the images of each class if a class is in two splits, so that no split is given.

    Few-shot tasks need test classes that training never saw.
    """
    splits_of: Counter[str] = Counter()
    together: ImagesByClass = {}
    for classes in layout.splits.values():
        for label, names in classes.items():
            splits_of[label] += 1
            together.setdefault(label, []).extend(names)
    shared = sorted(label for label, splits in splits_of.items() if splits > 1)
    if not shared:
        return layout
    number = counted(len(shared), "class", "classes")
    note = (
        f"{number} in more than one split ({listing(shared)}): the images of each class were "
        "merged and the classes split again, because few-shot tasks need classes that training "
        "never saw"
    )
    return layout._replace(splits={"": sorted_classes(together)}, notes=(note, *layout.notes))

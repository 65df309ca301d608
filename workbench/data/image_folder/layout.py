"""The layout of a folder or archive of images: the class and the split of each image.

Classes come from folders, or from tables of file names and labels. Splits come from a level of
folders above or below the classes, from a column, or from the names of tables. What neither tells
for certain is asked, with the option that answers it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from pathlib import PurePosixPath

from workbench.data.files.archive import Archive
from workbench.data.image_folder.asking import MOST
from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.deciding import ADD_TABLE, Layout, decide
from workbench.data.image_folder.joined_lists import parts_of_lists
from workbench.data.image_folder.labels import (
    ImagesByClass,
    all_images,
    sorted_classes,
    split_in,
)
from workbench.data.image_folder.left_out import left_out
from workbench.data.image_folder.masks import note_on_masks
from workbench.data.image_folder.record import counted, listing
from workbench.data.image_folder.view import Tables, View, read_tables, view_of

# what systems add to the name of a folder that is copied
COPY = re.compile(r"( - (copy|kopie|copie|copia))?( \(\d+\))?$|( copy| kopie)( \d+)?$")

# words beside the name of a split that make it no class: "public_test", "train_part1"
BESIDE_SPLITS = {
    "public",
    "private",
    "simple",
    "part",
    "set",
    "new",
    "all",
    "full",
    "final",
    "mini",
}

SEVERAL = re.compile(r"\w\s*[|;]\s*\w")  # "cat|dog"


def find_layout(archive: Archive, choice: LayoutChoice, command: str) -> Layout:
    """Find the images of each class.

    Args:
        archive: the folder or archive.
        choice: what the user says about it.
        command: the command to give again, to which messages add an option.

    Raises:
        DataError: there are no images, or their classes are ambiguous.
        UsageError: there is nothing of what the user says.
    """
    view = view_of(archive, choice, command)
    tables = read_tables(view)
    layout = decide(view, tables)
    layout = _without_lone_split(layout, choice)
    layout = _without_shared_classes(layout)
    _check_splits(layout, view)
    _refuse_splits_as_classes(layout, view)
    notes = (*layout.notes, *_similar(layout), *_several(layout), *_doubtful(layout, archive))
    notes = (*notes, *_ignored(view, layout, tables))
    return layout._replace(notes=notes)


# --- splits


def _without_lone_split(layout: Layout, choice: LayoutChoice) -> Layout:
    """Drop a split that is the only one: without another, it says nothing."""
    if choice.split_from or len(layout.splits) != 1 or "" in layout.splits:
        return layout
    ((split, classes),) = layout.splits.items()
    note = f"all labelled images are in the split {split}, so no split is given"
    return layout._replace(splits={"": classes}, notes=(*layout.notes, note))


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


def _check_splits(layout: Layout, view: View) -> None:
    """Raise `DataError` if some images have a split and others have none."""
    if "" not in layout.splits or len(layout.splits) == 1:
        return
    without = counted(len(all_images({"": layout.splits[""]})), "image")
    raise view.ask(
        f"images with splits and {without} without. Give a split to all images, or to ignore the "
        "splits",
        "--split-from none",
    )


def _refuse_splits_as_classes(layout: Layout, view: View) -> None:
    """Raise `DataError` if all folders of classes are named like splits: "train" and "test1"."""
    if view.choice.level or layout.tables:
        return
    labels = [label for classes in layout.splits.values() for label in classes]
    if not labels or not all(_is_split(label) for label in labels):
        return
    raise view.ask(
        f"folders that are named like splits ({listing(sorted(labels))}), and no class folders in "
        f"them. {ADD_TABLE}. If they are classes after all",
        "--level 1",
    )


def _is_split(label: str) -> bool:
    """Return whether a name says which split a folder is, and nothing of a class."""
    split, rest = split_in(label)
    return bool(split) and set(re.findall("[a-z]+", rest)) <= BESIDE_SPLITS


# --- names of classes


def _similar(layout: Layout) -> list[str]:
    """Say which classes have names that differ in nothing but capitals, spaces, signs or a copy."""
    spellings: dict[str, set[str]] = {}
    for classes in layout.splits.values():
        for label in classes:
            spellings.setdefault(_letters(label), set()).add(label)
    similar = [
        ", ".join(map(repr, sorted(names))) for names in spellings.values() if len(names) > 1
    ]
    if not similar:
        return []
    number = counted(len(similar), "group")
    return [
        f"warning: {number} of classes with nearly the same names ({listing(similar)}), which are "
        "different classes here; if they are one class, give them one name"
    ]


def _several(layout: Layout) -> list[str]:
    """Say which classes of tables look like several labels of one image."""
    if not layout.tables:
        return []
    found: set[str] = set()
    for classes in layout.splits.values():
        found.update(label for label in classes if SEVERAL.search(label))
    if not found:
        return []
    number = counted(len(found), "class looks", "classes look")
    return [
        f"warning: {number} like several labels of an image ({listing(sorted(found))}), and each "
        "combination is a class here; few-shot tasks need one label for each image"
    ]


def _letters(label: str) -> str:
    """Return the words of a name without capitals, in the same letters on all systems."""
    compatible = COPY.sub("", unicodedata.normalize("NFKC", label).casefold())
    return " ".join(compatible.replace("_", " ").replace("-", " ").split())


def _doubtful(layout: Layout, archive: Archive) -> list[str]:
    """Say which classes have names that may be wrong, as the archive does not say their coding."""
    if layout.tables:
        return []
    found = set()
    for classes in layout.splits.values():
        for label, images in classes.items():
            if not label.isascii() and not archive.doubtful.isdisjoint(images):
                found.add(label)
    if not found:
        return []
    number = counted(len(found), "class", "classes")
    return [
        f"warning: the zip does not say how its names are coded, so those of {number} may be "
        f"wrong ({listing(sorted(found))}); if they are, pack it again with names in UTF-8, or "
        "unpack it with the right coding and give the folder"
    ]


# --- what is left out


def _ignored(view: View, layout: Layout, tables: Tables) -> list[str]:
    """Say which images and other files were ignored, and why."""
    notes = []
    labelled = set(all_images(layout.splits))
    without = [image for image in view.images if image not in labelled]
    if without:
        notes.append(_without_class(without, view))
    if view.masks:
        notes.append(note_on_masks(view.masks))
    known = {*view.images, *view.masks, *layout.tables, *(table.name for table in tables.unread)}
    known.update(table.name for table in tables.unknown)  # a note on them is there
    for parts in parts_of_lists(view.archive.names):
        known.update(parts)
    elsewhere = [image for image in view.archive.images() if image not in known]
    if elsewhere:
        notes.append(f"{counted(len(elsewhere), 'image')} outside of {view.choice.only} ignored")
        known.update(elsewhere)
    notes += left_out([name for name in view.archive.names if name not in known])
    notes += [f"{table.name} {table.reason}" for table in tables.unread]
    return notes


def _without_class(images: list[str], view: View) -> str:
    """Say where images without a class are, and warn if these are most of them."""
    folders = Counter(str(PurePosixPath(image).parent) for image in images)
    where = [f"{folder} ({count:,})" for folder, count in folders.most_common()]
    text = f"{counted(len(images), 'image')} without a class ignored, in {listing(where)}"
    if len(images) > MOST * len(view.images):
        return f"warning: most images are left out: {text}"
    return text

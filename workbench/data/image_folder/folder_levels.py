"""Classes and splits by the folders that images are in.

A path of folders has levels, counted from 1 below the deepest folder that has all images. One level
may be splits; the others name the class, unless their names say something else.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath
from typing import NamedTuple

from workbench.data.image_folder.choice import NONE, LayoutChoice, level_of
from workbench.data.image_folder.class_levels import Ask, Folders, found_levels
from workbench.data.image_folder.labels import named_splits, paired_splits
from workbench.data.image_folder.level_names import UNSORTED
from workbench.data.image_folder.record import counted, listing
from workbench.errors import DataError


class Placed(NamedTuple):
    """What the folders say about an image."""

    split: str  # "" if they give none
    label: str  # "" if they give none
    group: str = ""  # "" if they give none


class Levels(NamedTuple):
    """What folders say about all images."""

    placed: dict[str, Placed]
    notes: list[str]
    how: str  # in words
    level: str  # the levels that name the classes: "1", "1,2"


def folders_of(images: Iterable[str]) -> dict[str, Folders]:
    """Return the folders of each image below the deepest folder that has all images."""
    images = list(images)
    root = os.path.commonpath([os.path.dirname(name) for name in images])
    folders = {}
    for name in images:
        folders[name] = PurePosixPath(name).relative_to(root).parts[:-1]
    return folders


def read_levels(images: Iterable[str], choice: LayoutChoice, ask: Ask) -> Levels:
    """Return what the folders say about each image.

    Args:
        images: their names.
        choice: what the user says about the levels.
        ask: makes the error for a question to the user.

    Raises:
        DataError: it is not clear which level is what.
    """
    folders = folders_of(images)
    unsorted: set[Folders] = set()
    if not choice.level:
        unsorted = _unsorted(folders)
        folders = _outside(folders, unsorted)
    at = split_level(folders, choice, ask)
    splits = splits_at(folders, at)
    if level_of(choice.split_from):  # images that are in no split are then left out
        splits = {image: split for image, split in splits.items() if split}
    kept = {image: folders[image] for image in splits}
    notes: list[str] = []
    level = choice.level
    if level:
        labels = _chosen_levels(kept, choice.levels)
        how = f"folders of level {level}"
    else:
        labels, used, notes = found_levels(kept, at, ask)
        level = ",".join(str(each + 1) for each in sorted(used))
        how = "class folders"
    if at is not None:
        how = f"split folders with {how}"
    groups = _groups(labels, kept, choice)
    if labels and groups and not choice.group_from:
        notes.append(_groups_note(labels, groups, level))
    if unsorted:
        names = listing(sorted("/".join(folder) for folder in unsorted))
        notes.append(f"no class by its name: {names}; if it is one, add --level {level}")
    placed = {}
    for image, split in splits.items():
        label = "/".join(labels.get(image, ()))
        placed[image] = Placed(split, label, groups.get(image, ""))
    return Levels(placed, notes, how, level)


def _unsorted(folders: Mapping[str, Folders]) -> set[Folders]:
    """Return the folders "unlabeled", "New folder" and the like that are beside other folders."""
    inner: dict[Folders, set[str]] = {}
    for names in folders.values():
        for depth in range(len(names)):
            inner.setdefault(names[:depth], set()).add(names[depth])
        inner.setdefault(names, set()).add("")  # an image in the folder itself
    found: set[Folders] = set()
    for above, names_in_it in inner.items():
        unsorted = {name for name in names_in_it if UNSORTED.fullmatch(name)}
        if unsorted != names_in_it and "" not in names_in_it:
            found.update((*above, name) for name in unsorted)
    return found


def _outside(folders: Mapping[str, Folders], left_out: Collection[Folders]) -> dict[str, Folders]:
    """Return the images that are in none of the folders that are left out."""
    kept = {}
    for image, names in folders.items():
        above = {names[:depth] for depth in range(1, len(names) + 1)}
        if above.isdisjoint(left_out):
            kept[image] = names
    return kept


def splits_at(folders: Mapping[str, Folders], level: int | None) -> dict[str, str]:
    """Return the split of each image by its folder of a level, counted from 0; "" for none."""
    if level is None:
        return dict.fromkeys(folders, "")
    known = _splits_of(folders, level)
    splits = {}
    for image, names in folders.items():
        splits[image] = known.get(names[level], "") if len(names) > level else ""
    return splits


def _names(folders: Mapping[str, Folders], level: int) -> list[str]:
    """Return the names of all folders of a level, sorted."""
    return sorted({names[level] for names in folders.values() if len(names) > level})


def split_level(
    folders: Mapping[str, Folders], choice: LayoutChoice, ask: Ask | None = None
) -> int | None:
    """Return the level, counted from 0, whose folders are splits; None if there is none.

    Args:
        folders: those of each image.
        choice: what the user says about the levels.
        ask: makes the error for a question to the user. If it is not given, some folders of the
            level may be no splits.

    Raises:
        DataError: folders named like splits are not all folders of their level.
    """
    if choice.split_from == NONE:
        return None
    chosen = level_of(choice.split_from)
    if chosen:
        return chosen - 1
    deepest = max((len(names) for names in folders.values()), default=0)
    for level in range(deepest):
        if level + 1 in choice.levels:
            continue
        splits = _splits_of(folders, level)
        others = _beside_splits(folders, level, splits)
        meant = set(splits.values())
        if len(meant) > 1 and (choice.level or not others or ask is None):
            return level
        one = bool(meant and others) and _has_folders(folders, level, splits)
        if ask is not None and (len(meant) > 1 or one):
            raise _mixed(others, sorted(splits), level, ask)
    return None


def _splits_of(folders: Mapping[str, Folders], level: int) -> dict[str, str]:
    """Return the folders of a level that mean a split, with the split.

    Words such as "base" and "novel" do only if there are folders in them; else they are classes.
    """
    names = _names(folders, level)
    splits = named_splits(names)
    paired = paired_splits(names)
    if paired and _has_folders(folders, level, paired):
        splits.update(paired)
    return splits


def _has_folders(folders: Mapping[str, Folders], level: int, splits: Collection[str]) -> bool:
    """Return whether a folder named like a split has folders in it."""
    deep = [names for names in folders.values() if len(names) > level + 1]
    return any(names[level] in splits for names in deep)


def _beside_splits(
    folders: Mapping[str, Folders], level: int, splits: Collection[str]
) -> Counter[str]:
    """Return folders that are no splits at the level of splits, with their number of images."""
    others: Counter[str] = Counter()
    for names in folders.values():
        if len(names) > level and names[level] not in splits:
            others["/".join(names[: level + 1])] += 1
        elif 0 < len(names) <= level:
            others["/".join(names)] += 1
    return others


def _mixed(others: Counter[str], splits: list[str], level: int, ask: Ask) -> DataError:
    return ask(
        f"the split folders {', '.join(splits)} and other folders beside them: "
        f"{listing(sorted(others))}, with {counted(others.total(), 'image')}. If they are no "
        "splits, add --split-from none; to take only the images in split folders",
        f"--split-from {level + 1}",
    )


def _chosen_levels(folders: Mapping[str, Folders], levels: tuple[int, ...]) -> dict[str, Folders]:
    """Return the folders of the levels that the user names, as far as an image has them."""
    labels = {}
    for image, names in folders.items():
        if len(names) >= min(levels):
            labels[image] = tuple(names[level - 1] for level in levels if level <= len(names))
    return labels


# --- groups


def _groups(
    labels: Mapping[str, Folders], folders: Mapping[str, Folders], choice: LayoutChoice
) -> dict[str, str]:
    """Return the group of each image: the folder that its class is in, or that the user names."""
    level = level_of(choice.group_from)
    groups = {}
    for image, label in labels.items():
        if level and len(folders[image]) >= level:
            groups[image] = folders[image][level - 1]
        elif len(label) > 1 and not choice.group_from:
            groups[image] = "/".join(label[:-1])
    return groups


def _groups_note(labels: Mapping[str, Folders], groups: Mapping[str, str], level: str) -> str:
    example = next(label for label in labels.values() if len(label) > 1)
    number = counted(len(set(groups.values())), "upper folder")
    return (
        f"classes are folders in folders ({'/'.join(example)}); {number} are their groups. "
        f"If the upper folders are the classes, add --level {level.rpartition(',')[0]}"
    )

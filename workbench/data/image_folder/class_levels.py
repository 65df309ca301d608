"""Which levels of folders name classes; nothing is guessed past evidence.

All of them do, if no two folders have folders of the same names in them. Otherwise one of two
levels is not a class: a session, a camera, a part of the set, or a way to show the same pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from workbench.data.image_folder.labels import split_in
from workbench.data.image_folder.level_names import (
    DOUBTFUL,
    are_albums,
    are_occasions,
    are_parts,
    are_renderings,
    only_hold_images,
    variants_of_one,
)
from workbench.data.image_folder.record import listing
from workbench.errors import DataError

CROSSED = 0.2  # of the folders; fewer with the same name in two others is chance

Folders = tuple[str, ...]  # the names of the folders that an image is in
Ask = Callable[[str, str], DataError]  # a message and options that answer it: an error with both
Path = dict[int, str]  # by level, counted from 0: the folders of an image that may be classes


class ClassLevels(NamedTuple):
    """The folders that name classes."""

    labels: dict[str, Folders]  # of each image; an image without such a folder has no entry
    used: set[int]  # the levels that they are in, counted from 0
    notes: list[str]  # what was ignored


def found_levels(folders: Mapping[str, Folders], split: int | None, ask: Ask) -> ClassLevels:
    """Return the folders that name each image's class.

    Args:
        folders: those of each image.
        split: the level of the splits, or None.
        ask: makes the error for a question to the user.

    Raises:
        DataError: it is not clear which level names the classes.
    """
    paths = {}
    for image, names in folders.items():
        paths[image] = {level: name for level, name in enumerate(names) if level != split}
    paths = _without_image_folders(paths, split)
    notes: list[str] = []
    used = _telling(paths, notes)
    used = _uncrossed(paths, used, notes, ask)
    used = _folded(paths, used, notes, ask)
    used = _even(paths, used, notes, ask)
    if len(used) == 1:
        found = sorted(_names(paths, min(used)))
        _check_names(found, min(used), ask)
        _check_variants(found, min(used), ask)
        if split is None:
            _check_splits(found, min(used), ask)
        doubtful = [name for name in found if DOUBTFUL.fullmatch(name)]
        if doubtful and len(doubtful) < len(found):
            notes.append(_doubtful(doubtful))
    labels = {}
    for image, path in paths.items():
        label = _label(path, used)
        if label:
            labels[image] = label
    return ClassLevels(labels, used, notes)


def _label(path: Path, used: Collection[int]) -> Folders:
    return tuple(name for level, name in path.items() if level in used)


def _labels(paths: Mapping[str, Path], used: Collection[int]) -> set[Folders]:
    """Return all labels that the levels give."""
    return {_label(path, used) for path in paths.values()} - {()}


def _names(paths: Mapping[str, Path], level: int) -> set[str]:
    """Return the names of all folders of a level."""
    return {path[level] for path in paths.values() if level in path}


# --- levels that say nothing


def _without_image_folders(paths: Mapping[str, Path], split: int | None) -> dict[str, Path]:
    """Leave out a last folder "images" that is the only one in its folder, or in a split folder."""
    children: dict[Folders, set[str]] = {}
    for path in paths.values():
        names = tuple(path.values())
        for depth, name in enumerate(names):
            children.setdefault(names[:depth], set()).add(name)
    shorter = {}
    for image, path in paths.items():
        names = tuple(path.values())
        while names and only_hold_images([names[-1]]):
            alone = len(children[names[:-1]]) == 1
            if not alone and not (len(names) == 1 and split == 0):
                break
            names = names[:-1]
        shorter[image] = dict(zip(path, names, strict=False))
    return shorter


def _telling(paths: Mapping[str, Path], notes: list[str]) -> set[int]:
    """Return the levels without those that have one folder, or only parts of the set.

    Days, patients and cameras are parts too, unless the others say nothing.
    """
    used: set[int] = set()
    for path in paths.values():
        used.update(path)
    for level in sorted(used):
        names = _names(paths, level)
        if len(used) == 1 or (len(names) > 1 and not only_hold_images(names)):
            continue
        used = used - {level}
        if len(names) > 1:
            notes.append(_put_together(sorted(names), level))
    for level in sorted(used):
        names = _names(paths, level)
        if len(used) > 1 and are_parts(names):
            used = used - {level}
            notes.append(_put_together(sorted(names), level))
    return used


# --- levels that cross


def _uncrossed(paths: Mapping[str, Path], used: set[int], notes: list[str], ask: Ask) -> set[int]:
    """Return the levels without those that only say when or how images were made, or ask."""
    crossing = _first_crossing(paths, used)
    while crossing is not None:
        last = max(used)
        for level in (last, crossing):
            found = sorted(_names(paths, level))
            if are_renderings(found):
                raise _renderings(found, ask)
        for level in (last, crossing):
            found = sorted(_names(paths, level))
            if are_occasions(found):
                notes.append(_put_together(found, level))
                used = used - {level}
                break
        else:
            raise _unclear(paths, crossing, last, ask)
        crossing = _first_crossing(paths, used)
    return used


def _put_together(names: list[str], level: int) -> str:
    return (
        f"the folders {listing(names)} of level {level + 1} are not classes: "
        "the images of each class are put together"
    )


def _first_crossing(paths: Mapping[str, Path], used: Collection[int]) -> int | None:
    for level in sorted(used):
        if _crosses(paths, used, level):
            return level
    return None


def _crosses(paths: Mapping[str, Path], used: Collection[int], level: int) -> bool:
    """Return whether different folders of this level have folders of the same names in them.

    The classes do, with "session1" in each; and "color" and "grayscale", with the classes in each.
    """
    deeper = {each for each in used if each > level}
    labels_without: dict[Folders, set[Folders]] = {}
    for path in paths.values():
        label = _label(path, used)
        without = label
        if deeper.intersection(path):
            without = _label(path, set(used) - {level})
        if label:
            labels_without.setdefault(without, set()).add(label)
    total = sum(len(labels) for labels in labels_without.values())
    shared = sum(len(labels) for labels in labels_without.values() if len(labels) > 1)
    return bool(deeper) and shared > CROSSED * total


def _unclear(paths: Mapping[str, Path], upper: int, lower: int, ask: Ask) -> DataError:
    choices = []
    for picked in ((upper,), (lower,), (upper, lower)):
        having = {name: path for name, path in paths.items() if min(picked) in path}
        levels = ",".join(str(level + 1) for level in picked)
        choices.append(f"--level {levels} ({len(_labels(having, picked)):,} classes)")
    below = listing(sorted(_names(paths, lower)), 3)
    above = listing(sorted(_names(paths, upper)), 3)
    return ask(
        f"folders of the same names ({below}) in different folders ({above}), so it is not clear "
        f"which of them are classes. Add {choices[0]}, {choices[1]} or {choices[2]}; or to take "
        "the images of one folder only",
        "--only NAME",
    )


def _renderings(found: list[str], ask: Ask) -> DataError:
    pictures = [name for name in found if only_hold_images([name])]  # "images" beside "masks"
    return ask(
        f"the folders {listing(found)}, which look like the same pictures shown in different "
        "ways, not like classes. To take the images of one of them",
        f"--only {(pictures or found)[0]}",
    )


# --- images beside folders, and one level only


def _folded(paths: Mapping[str, Path], used: set[int], notes: list[str], ask: Ask) -> set[int]:
    """Return the levels if no folder of classes has images itself; otherwise without one, or ask.

    Raises:
        DataError: it is not clear whether the folders in it are classes.
    """
    labels = _labels(paths, used)
    above = {label[:depth] for label in labels for depth in range(1, len(label))}
    both = sorted("/".join(label) for label in labels & above)
    if not both:
        return used
    last = max(used)
    found = sorted(_names(paths, last))
    if are_occasions(found):
        notes.append(_put_together(found, last))
        return used - {last}
    level = min(used) + 1
    raise ask(
        f"images beside folders of images in {listing(both)}. If the folders of level {level} "
        "are the classes, with all that is in them",
        f"--level {level}",
    )


def _even(paths: Mapping[str, Path], used: set[int], notes: list[str], ask: Ask) -> set[int]:
    """Return the levels if classes are equally deep, or most folders have folders in them, or ask.

    Raises:
        DataError: few of the folders beside classes have folders in them, such as left and right.
    """
    labels = _labels(paths, used)
    depth = max((len(label) for label in labels), default=0)
    deep = {label for label in labels if len(label) == depth}
    above = {label[:-1] for label in deep}
    others = labels - deep
    if len(others) < len(above) or not others:
        return used
    last = max(used)
    if are_occasions(sorted({label[-1] for label in deep})):
        notes.append(_put_together(sorted(_names(paths, last)), last))
        return used - {last}
    deeper = sorted("/".join(label) for label in deep)
    beside = sorted("/".join(label) for label in others)
    upper = ",".join(str(level + 1) for level in sorted(used - {last}))
    raise ask(
        f"folders of images ({listing(beside, 3)}) and, beside them, folders in folders "
        f"({listing(deeper, 3)}). If each of these is a class, add --level {upper},{last + 1} "
        f"({len(labels):,} classes); if those in one folder are one class "
        f"({len(others) + len(above):,} classes)",
        f"--level {upper}",
    )


def _check_names(names: list[str], level: int, ask: Ask) -> None:
    """Refuse class folders that are named like parts of one set of images."""
    if len(names) < 2:
        return
    if are_renderings(names):
        raise _renderings(names, ask)
    if only_hold_images(names) or are_albums(names):
        kind = "parts of one set of images"
        if are_albums(names):
            kind = "days, patients, runs or cameras, or like folders of phones"
        raise ask(
            f"no class folders: {listing(names)} are named like {kind}. Add a "
            "table, labels.csv, with the columns filename,label; or if they are the classes",
            f"--level {level + 1}",
        )


def _doubtful(names: list[str]) -> str:
    return (
        f"taken as {'a class' if len(names) == 1 else 'classes'}: {listing(names)}; what is none "
        "by its name can be moved out of the folder, and the same command given again"
    )


def _check_variants(names: list[str], level: int, ask: Ask) -> None:
    """Refuse class folders that seem to hold the same images in two ways: "owl" and "owl_aug"."""
    variants = variants_of_one(names)
    if variants:
        raise ask(
            f"class folders that may hold images made from one another: {listing(variants)}. Put "
            "all images of a class into one folder, or move those away that were made from others; "
            "or if each of them is a class",
            f"--level {level + 1}",
        )


def _check_splits(names: list[str], level: int, ask: Ask) -> None:
    """Refuse class folders that differ in a split only: "owl_train" and "owl_test"."""
    by_rest: dict[str, list[str]] = {}
    for name in names:
        split, rest = split_in(name)
        if split and rest:
            by_rest.setdefault(rest, []).append(name)
    doubled: list[str] = []
    for same in by_rest.values():
        if len(same) > 1:
            doubled += same
    if doubled:
        raise ask(
            f"class folders whose names contain splits: {listing(doubled)}. Put all images of a "
            "class into one folder; or if each of them is a class",
            f"--level {level + 1}",
        )

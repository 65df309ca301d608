"""Labels of images: the class and the split of each.

Names are compared and stored in Unicode's composed form (NFC), because systems differ in how they
write an umlaut.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from workbench.errors import DataError

# the split that people mean, by the name that they give it
SPLIT_NAMES = {
    "train": "train",
    "val": "val",
    "test": "test",
    "training": "train",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "testing": "test",
    "trn": "train",
    "tst": "test",
    "holdout": "test",
    "heldout": "test",
}

# words that are splits only beside one another, above folders of classes
PAIRED_NAMES = (
    {"base": "train", "novel": "test"},
    {"background": "train", "evaluation": "test"},
    {"seen": "train", "unseen": "test"},
)

WORDS = re.compile("[A-Za-z][a-z]+|[A-Z]+")  # "TrainImages" has two
# what is written together with the name of a split: "trainset", "metatrain"
TOGETHER = re.compile("(meta)?({})(set|data|images?|imgs?)?".format("|".join(SPLIT_NAMES)))

ImagesByClass = dict[str, list[str]]  # the images of each class: their names in the archive, sorted


class LabelledImage(NamedTuple):
    """An image whose class is known."""

    split: str  # "" if no split is given
    label: str
    image: str  # the name in the archive
    group: str = ""  # the group of its class; "" if none is given


def split_in(name: str) -> tuple[str, str]:
    """Return the split that a word of a name means, and the rest of the name.

    "seg_train" gives "train" and "seg_". The split is "" if there is none, or more than one.
    """
    found = []
    for word in WORDS.finditer(name):
        parts = TOGETHER.fullmatch(word[0].lower())
        if parts:
            found.append((word.start() + parts.start(2), parts[2]))
    if len(found) != 1:
        return "", name.lower()
    start, split = found[0]
    rest = name[:start] + name[start + len(split) :]
    return SPLIT_NAMES[split], rest.lower()


def named_splits(names: Iterable[str]) -> dict[str, str]:
    """Return the split of each name that means one: "train", or "seg_train" beside "seg_test"."""
    found = {}
    by_rest: dict[str, dict[str, str]] = {}
    for name in names:
        split, rest = split_in(name)
        if split and not rest:
            found[name] = split
        elif split:
            by_rest.setdefault(rest, {})[name] = split
    for splits in by_rest.values():
        if len(by_rest) == 1 and len(set(splits.values())) > 1:
            found.update(splits)
    return found


def paired_splits(names: Iterable[str]) -> dict[str, str]:
    """Return the split of "base" beside "novel", or "images_background" beside the other."""
    names = list(names)
    found: dict[str, str] = {}
    for pair in PAIRED_NAMES:
        by_rest: dict[str, dict[str, str]] = {}
        for name in names:
            for word, split in pair.items():
                if word in re.split("[^a-z]+", name.lower()):
                    by_rest.setdefault(name.lower().replace(word, "", 1), {})[name] = split
        for splits in by_rest.values():
            if set(splits.values()) == {"train", "test"}:
                found.update(splits)
    return found


def plain(text: str) -> str:
    """Return a name in Unicode's composed form."""
    return unicodedata.normalize("NFC", text)


def by_class(images: Iterable[LabelledImage], origin: Path) -> dict[str, ImagesByClass]:
    """Return images by split and class, the classes and the images of a class sorted.

    Raises:
        DataError: two classes have names that only differ in how Unicode codes them.
    """
    found: dict[str, ImagesByClass] = {}
    spelling: dict[tuple[str, str], str] = {}
    for split, label, image, _ in images:
        name = plain(label)
        if spelling.setdefault((split, name), label) != label:
            raise DataError(f"{origin} has two folders {name!r}, coded differently; rename one.")
        classes = found.setdefault(split, {})
        classes.setdefault(name, []).append(image)
    return {split: sorted_classes(classes) for split, classes in found.items()}


def groups_of(images: Iterable[LabelledImage], origin: Path) -> dict[str, str]:
    """Return the group of each class that has one, by the name of the class.

    Raises:
        DataError: images of one class are in two groups.
    """
    groups: dict[str, str] = {}
    for each in images:
        if not each.group:
            continue
        group = groups.setdefault(plain(each.label), each.group)
        if group != each.group:
            raise DataError(
                f"{origin} has class {each.label} in the groups {group} and {each.group}; "
                "a class has one group. For no groups, add --group-from none"
            )
    return groups


def sorted_classes(classes: ImagesByClass) -> ImagesByClass:
    """Return classes, and the images of each, in the order of their names."""
    return {label: sorted(classes[label]) for label in sorted(classes)}


def all_images(splits: Mapping[str, ImagesByClass]) -> list[str]:
    """Return the images of all splits and classes."""
    images: list[str] = []
    for classes in splits.values():
        for names in classes.values():
            images += names
    return images

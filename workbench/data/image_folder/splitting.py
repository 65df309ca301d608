"""How classes are split for training, validation and testing, and which are large enough."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

from workbench.data.dataset import SPLITS
from workbench.data.image_folder.labels import ImagesByClass

LEAST_IMAGES = 2  # per class: one to learn from, one to classify
LEAST_CLASSES = 15  # for three splits with five ways each


def without(
    splits: Mapping[str, ImagesByClass], left_out: Collection[str]
) -> dict[str, ImagesByClass]:
    """Return the images that are not left out: because they are unreadable, or copies."""
    others: dict[str, ImagesByClass] = {}
    for split, classes in splits.items():
        others[split] = {}
        for label, names in classes.items():
            others[split][label] = [name for name in names if name not in left_out]
    return others


def large_enough(
    splits: Mapping[str, ImagesByClass],
) -> tuple[dict[str, ImagesByClass], dict[str, int]]:
    """Return the classes with enough images, and the number of images of the others."""
    kept: dict[str, ImagesByClass] = {}
    small: dict[str, int] = {}
    for split, classes in splits.items():
        for label, names in classes.items():
            if len(names) < LEAST_IMAGES:
                small[label] = len(names)
            else:
                kept.setdefault(split, {})[label] = names
    return kept, small


def split_classes(splits: Mapping[str, ImagesByClass]) -> tuple[dict[str, ImagesByClass], str]:
    """Return classes by split, and say in words how they were split.

    Splits that are given are kept. Otherwise the classes are sorted by the SHA-256 of their names:
    a fifth of them, but at least five, are for testing, as many for validation, the others for
    training. With fewer than 15 classes, all are for testing.

    Args:
        splits: classes by split, or under "" if no split is given.
    """
    if "" not in splits:
        given = {split: splits[split] for split in SPLITS if split in splits}
        return given, f"as given: {_numbers(given)} classes"
    classes = splits[""]
    if len(classes) < LEAST_CLASSES:
        how = (
            f"fewer than {LEAST_CLASSES} classes, so all are test classes, "
            "for methods that were trained on other data"
        )
        return {"test": classes}, how
    parts = _split_by_name(list(classes))
    made: dict[str, ImagesByClass] = {}
    for split, labels in parts.items():
        made[split] = {label: classes[label] for label in sorted(labels)}
    return made, f"by the SHA-256 of the class names: {_numbers(made)} classes"


def _split_by_name(labels: list[str]) -> dict[str, list[str]]:
    order = sorted(labels, key=lambda label: hashlib.sha256(label.encode()).hexdigest())
    fifth = max(5, round(len(order) / 5))
    train = len(order) - 2 * fifth
    return {
        "train": order[:train],
        "val": order[train : train + fifth],
        "test": order[train + fifth :],
    }


def _numbers(splits: Mapping[str, ImagesByClass]) -> str:
    """Return the numbers of classes in words: "24 train, 8 val, 8 test"."""
    return ", ".join(f"{len(classes)} {split}" for split, classes in splits.items())

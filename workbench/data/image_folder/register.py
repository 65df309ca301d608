"""Register a folder or an archive of images: find its classes, split them, and store a record."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from workbench.data.dataset import SPLITS, chosen_options
from workbench.data.files.archive import Archive
from workbench.data.files.decode import decode
from workbench.data.image_folder.dataset import ImageFolder, content_of
from workbench.data.image_folder.labels import ImagesByClass, all_images
from workbench.data.image_folder.layout import find_layout
from workbench.data.image_folder.record import FolderRecord, counted, listing, write_record
from workbench.errors import DataError, UsageError
from workbench.plugin.options import convert_options, options_of, parse_spec
from workbench.plugin.registry import registry
from workbench.progress import Progress, Report

LEAST_IMAGES = 2  # per class: one to learn from, one to classify
LEAST_CLASSES = 15  # for three splits with five ways each
NAME = re.compile(r"[A-Za-z0-9_-]+")
BATCH = 64  # images read at a time


def check_name(name: str) -> None:
    """Check that a user may give a data set this name.

    Raises:
        UsageError: it is the name of a plugin's data set, or contains other characters than
            letters, digits, - and _.
    """
    for registration in registry().entries("datasets").values():
        if registration.name == name:
            raise UsageError(
                f"{name!r} is a data set of {registration.distribution}; choose another name."
            )
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a data set's name; use letters, digits, - and _.")


def add_folder(
    text: str, source: str | os.PathLike[str], *, report: Report | None = None
) -> FolderRecord:
    """Register a folder or an archive of images as a data set, and return its record.

    Every image is decoded once to find unreadable ones. Nothing is copied, and nothing is prepared.

    Args:
        text: the spec of the data set: its new name, and options.
        source: the folder or archive.
        report: shows progress, in images.

    Raises:
        UsageError: the name or an option is invalid, or there is no such folder.
        DataError: the classes are ambiguous, or no class has enough images.
    """
    spec = parse_spec(text)
    check_name(spec.name)
    options = convert_options(spec.name, spec.options, options_of(ImageFolder))
    origin = Path(source).expanduser().resolve()
    if not origin.exists():
        raise UsageError(
            f"{source} does not exist. --from takes a folder or an archive of your own images."
        )
    record = _inspect(spec.name, origin, _with_defaults(options), report)
    write_record(record)
    return record


def _with_defaults(options: Mapping[str, Any]) -> dict[str, Any]:
    unused = FolderRecord(
        name="",
        origin="",
        how="",
        content={},
        split="",
        options={},
        images={},
        unreadable={},
        notes=[],
    )
    return chosen_options(ImageFolder(unused, **options))


def _inspect(
    name: str, origin: Path, options: dict[str, Any], report: Report | None
) -> FolderRecord:
    """Look at every image, and decide on classes and splits."""
    with Archive(origin) as archive:
        layout = find_layout(archive)
        images = all_images(layout.splits)
        unreadable = _unreadable(archive, images, options["size"], name, report)
        readable = _without(layout.splits, unreadable)
        kept, small = _large_enough(readable)
        splits, how = split_classes(kept)
        content = {split: content_of(archive, classes) for split, classes in splits.items()}
    notes = [*layout.notes]
    if small:
        notes.append(_small_classes(small))
    if not splits:
        raise DataError(
            f"{origin} has no class with at least {LEAST_IMAGES} images; {'; '.join(notes)}."
        )
    return FolderRecord(
        name=name,
        origin=str(origin),
        how=layout.how,
        content=content,
        split=how,
        options=options,
        images={split: _sizes(classes) for split, classes in splits.items()},
        unreadable=unreadable,
        notes=notes,
    )


def _unreadable(
    archive: Archive, images: list[str], size: int, name: str, report: Report | None
) -> dict[str, str]:
    """Decode all images in parallel; return those that cannot be decoded, with the reason."""

    def fault(image: str, data: bytes) -> str:
        try:
            decode(data, size=size, name=image)
        except DataError as error:
            return str(error)
        return ""

    found = {}
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            contents = [archive.read(image) for image in batch]
            for image, reason in zip(batch, pool.map(fault, batch, contents), strict=True):
                if reason:
                    found[image] = reason
            if report is not None:
                done = start + len(batch)
                report(Progress(f"checking {name}", done, len(images), "images"))
    return dict(sorted(found.items()))


def _without(
    splits: Mapping[str, ImagesByClass], unreadable: Mapping[str, str]
) -> dict[str, ImagesByClass]:
    readable: dict[str, ImagesByClass] = {}
    for split, classes in splits.items():
        readable[split] = {}
        for label, names in classes.items():
            readable[split][label] = [name for name in names if name not in unreadable]
    return readable


def _large_enough(
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


def _small_classes(small: Mapping[str, int]) -> str:
    number = counted(len(small), "class", "classes")
    names = [f"{label} ({count})" for label, count in small.items()]
    return f"{number} with fewer than {LEAST_IMAGES} images left out: {listing(names, 20)}"


# --- splits


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


def _sizes(classes: ImagesByClass) -> dict[str, int]:
    return {label: len(names) for label, names in classes.items()}

"""Making a folder or an archive of images a data set: looked through, split, and recorded under a name."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

from workbench.data.cache import disk_errors
from workbench.data.dataset import SPLITS, chosen_options
from workbench.data.files.archive import Archive
from workbench.data.files.decode import decode
from workbench.data.image_folder.dataset import ImageFolder, content_of
from workbench.data.image_folder.layout import ImagesByClass, find_layout, listing
from workbench.data.image_folder.record import FolderRecord, counted, record_path
from workbench.errors import DataError, UsageError
from workbench.plugin.options import convert_options, options_of, parse_spec
from workbench.plugin.registry import registry

LEAST_IMAGES = 2  # of a class: one to learn from, one to be asked about
LEAST_CLASSES = 15  # to be split: five ways in each of three parts
NAME = re.compile(r"[A-Za-z0-9_-]+")
BATCH = 64  # images read at a time

Progress = Callable[[str, int], None]  # what is being done, how much of it is done


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a user's folder. Raises `UsageError`."""
    if any(name == entry.name for entry in registry().entries("datasets").values()):
        raise UsageError(
            f"{name!r} is a data set of {registry().find('datasets', name).distribution}; choose another."
        )
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a data set's name; use letters, digits, - and _.")


def add_folder(
    text: str, source: str | os.PathLike[str], *, progress: Progress | None = None
) -> FolderRecord:
    """Make a folder or an archive of images a data set by the name in the spec `text`, and return its record.

    Every image is decoded once to find those that cannot be. Nothing is copied; `open_folder` prepares.

    Raises:
        UsageError: a name that a plugin has or that is none, an option that is none, or no such folder.
        DataError: it cannot be told what is of which class, or too little is left.
    """
    spec = parse_spec(text)
    check_name(spec.name)
    options = convert_options(spec.name, spec.options, options_of(ImageFolder))
    origin = Path(source).expanduser().resolve()
    if not origin.exists():
        raise UsageError(
            f"{source} does not exist; --from takes a folder or an archive of your own images."
        )
    blank = FolderRecord(spec.name, str(origin), "", {}, "", {}, {}, {}, [])
    options = chosen_options(ImageFolder(blank, **options))  # the defaults too
    record = replace(_look(spec.name, origin, options["size"], progress), options=options)
    from filelock import FileLock

    with disk_errors(record_path(spec.name).parent):
        record_path(spec.name).parent.mkdir(parents=True, exist_ok=True)
        with FileLock(record_path(spec.name).parent / f".{spec.name}.lock"):
            _write(record)
    return record


def _look(name: str, origin: Path, size: int, progress: Progress | None) -> FolderRecord:
    """Look at every image and decide on classes and splits."""
    with Archive(origin) as archive:
        layout = find_layout(archive)
        images = [
            image
            for classes in layout.splits.values()
            for names in classes.values()
            for image in names
        ]
        unreadable = dict(
            _unreadable(
                archive, images, size, lambda n: progress and progress(f"looking at {name}", n)
            )
        )
        kept, small = _large_enough(layout.splits, unreadable)
        splits, how = split_classes(kept)
        content = {split: content_of(archive, classes) for split, classes in splits.items()}
    notes = [*layout.notes]
    if small:
        few = [f"{label} ({count})" for label, count in small.items()]
        left = f"{counted(len(few), 'class', 'classes')} with fewer than {LEAST_IMAGES} images left out"
        notes.append(f"{left}: {listing(few, 20)}")
    if not splits:
        raise DataError(
            f"{origin} holds no class with {LEAST_IMAGES} images or more; {'; '.join(notes)}."
        )
    counts = {
        split: {label: len(names) for label, names in classes.items()}
        for split, classes in splits.items()
    }
    return FolderRecord(
        name,
        str(origin),
        layout.how,
        content,
        how,
        {},
        counts,
        dict(sorted(unreadable.items())),
        notes,
    )


def _unreadable(
    archive: Archive, images: list[str], size: int, progress: Callable[[int], object]
) -> Iterator[tuple[str, str]]:
    """Decode all images, in parallel, and yield those that cannot be, with the reason."""

    def fault(image: str, data: bytes) -> str:
        try:
            decode(data, size=size, name=image)
        except DataError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            faults = pool.map(fault, batch, [archive.read(image) for image in batch])
            yield from ((image, why) for image, why in zip(batch, faults, strict=True) if why)
            progress(min(start + BATCH, len(images)))


def _large_enough(
    splits: Mapping[str, ImagesByClass], unreadable: Mapping[str, str]
) -> tuple[dict[str, ImagesByClass], dict[str, int]]:
    """The classes with images enough, and how many images those have that have not."""
    kept: dict[str, ImagesByClass] = {}
    small = {}
    for split, classes in splits.items():
        for label, names in classes.items():
            if len(left := [name for name in names if name not in unreadable]) < LEAST_IMAGES:
                small[label] = len(left)
            else:
                kept.setdefault(split, {})[label] = left
    return kept, small


def split_classes(splits: Mapping[str, ImagesByClass]) -> tuple[dict[str, ImagesByClass], str]:
    """Split classes that are not: return them by split, and how that was done.

    Classes are put in the order of the SHA-256 of their names: a fifth, but at least five, for test, as
    many for validation, the rest for training; all for test where there are fewer than 15.
    """
    if "" not in splits:
        return {
            split: splits[split] for split in SPLITS if split in splits
        }, f"as given: {_sizes(splits)} classes"
    classes = splits[""]
    if len(classes) < LEAST_CLASSES:
        every = f"fewer than {LEAST_CLASSES} classes, so all are test classes, to judge what was trained on other data"
        return {"test": classes}, every
    order = sorted(classes, key=lambda label: hashlib.sha256(label.encode()).hexdigest())
    fifth = max(5, round(len(order) / 5))
    parts = {
        "train": order[: -2 * fifth],
        "val": order[-2 * fifth : -fifth],
        "test": order[-fifth:],
    }
    made = {
        split: {label: classes[label] for label in sorted(labels)}
        for split, labels in parts.items()
    }
    return made, f"by the SHA-256 of the classes' names: {_sizes(made)} classes"


def _sizes(splits: Mapping[str, ImagesByClass]) -> str:
    return ", ".join(f"{len(splits[split])} {split}" for split in SPLITS if split in splits)


def _write(record: FolderRecord) -> None:
    import tomli_w

    path = record_path(record.name)
    part = path.with_name(f".{path.name}.part")
    part.write_text(tomli_w.dumps(asdict(record)), encoding="utf-8")
    os.replace(part, path)

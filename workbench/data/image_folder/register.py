"""Register a folder or an archive of images: find its classes, split them, and store a record."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from workbench.data.dataset import chosen_options
from workbench.data.files.archive import Archive
from workbench.data.files.decode import Levels, examine
from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.copies import Copies, Seen, find_copies, notes_on_copies
from workbench.data.image_folder.dataset import ImageFolder, command_of, content_of, spec_of
from workbench.data.image_folder.labels import ImagesByClass, all_images
from workbench.data.image_folder.layout import find_layout
from workbench.data.image_folder.origin_state import state_of
from workbench.data.image_folder.record import (
    FolderRecord,
    by_reason,
    counted,
    listing,
    write_record,
)
from workbench.data.image_folder.splitting import (
    LEAST_IMAGES,
    large_enough,
    split_classes,
    without,
)
from workbench.errors import DataError, UsageError
from workbench.plugin.options import convert_options, options_of, parse_spec
from workbench.plugin.registry import registry
from workbench.progress import Progress, Report

NAME = re.compile(r"[A-Za-z0-9_-]+")
BATCH = 64  # images read at a time
POINTERS = {  # files that stand for others, by how they begin
    b"version https://git-lfs.github.com/": (
        "is a pointer of Git LFS to an image that was not fetched; run: git lfs pull"
    ),
    b"/annex/objects/": "is a pointer of git-annex to an image that was not fetched",
}


class _Job(NamedTuple):
    """What is registered."""

    name: str
    origin: Path
    options: dict[str, Any]
    choice: LayoutChoice
    report: Report | None

    @property
    def command(self) -> str:
        return self.command_with()

    @property
    def drops_copies(self) -> bool:
        return bool(self.options["copies"] == "drop")

    def command_with(self, **options: Any) -> str:
        """Return the command that registers the same with other options."""
        spec = spec_of(self.name, {**self.options, **options})
        return command_of(spec, str(self.origin), self.choice)


class _Examined(NamedTuple):
    """What decoding all images has shown."""

    seen: dict[str, Seen]
    levels: list[int]  # the least and the greatest value of images with 16 bits
    unreadable: dict[str, str]  # the reason, by image
    several: list[str]  # the files with several pictures


def check_name(name: str) -> None:
    """Check that a user may give a data set this name.

    Raises:
        UsageError: a plugin gave it to a data set, a method or a backbone, which commands would
            take for each other; or it contains other characters than letters, digits, - and _.
    """
    for kind, what in (
        ("datasets", "data set"),
        ("algorithms", "method"),
        ("backbones", "backbone"),
    ):
        for registration in registry().entries(kind).values():
            if registration.name == name:
                raise UsageError(
                    f"{name!r} is a {what} of {registration.distribution}; choose another name."
                )
    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be a data set's name; use letters, digits, - and _.")


def add_folder(
    text: str,
    source: str | os.PathLike[str],
    choice: LayoutChoice | None = None,
    *,
    report: Report | None = None,
) -> FolderRecord:
    """Register a folder or an archive of images as a data set, and return its record.

    Every image is decoded once to find unreadable ones. Nothing is copied, and nothing is prepared.

    Args:
        text: the spec of the data set: its new name, and options.
        source: the folder or archive.
        choice: what the user says about its layout.
        report: shows progress, in images.

    Raises:
        UsageError: the name, an option or the choice is invalid, or there is no such folder.
        DataError: the classes are ambiguous, or no class has enough images.
    """
    choice = choice or LayoutChoice()
    choice.check()
    spec = parse_spec(text)
    check_name(spec.name)
    options = convert_options(spec.name, spec.options, options_of(ImageFolder))
    origin = _origin(text, os.fspath(source))
    job = _Job(spec.name, origin, _with_defaults(options), choice, report)
    record = _inspect(job)
    write_record(record)
    return record


def _origin(spec: str, source: str) -> Path:
    """Return the path of a folder or archive that exists."""
    if "://" in source:
        raise UsageError(
            f"{source} is an address. --from takes a folder or an archive of your own images: "
            f"download it first, then run: mlw download {shlex.quote(spec)} --from FILE"
        )
    origin = Path(source).expanduser().resolve()
    if not origin.exists():
        raise UsageError(
            f"{source} does not exist. --from takes a folder or an archive of your own images."
        )
    return origin


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


def _inspect(job: _Job) -> FolderRecord:
    """Look at every image, and decide on classes and splits."""
    state = state_of(job.origin)
    with Archive(job.origin) as archive:
        layout = find_layout(archive, job.choice, job.command)
        found = _examine(archive, all_images(layout.splits), job)
        readable = without(layout.splits, found.unreadable)
        copies = find_copies(readable, found.seen)
        dropped = copies.of if job.drops_copies else {}
        kept, small = large_enough(without(readable, dropped))
        splits, how = split_classes(kept)
        content = {split: content_of(archive, classes) for split, classes in splits.items()}
    notes = [*layout.notes, *_notes_on_copies(copies, job)]
    if found.several:
        notes.append(_several(found.several))
    if small:
        notes.append(_small_classes(small))
    if not splits:
        reasons = [*by_reason(found.unreadable), *notes]
        raise DataError(
            f"{job.origin} has no class with at least {LEAST_IMAGES} images; {'; '.join(reasons)}."
        )
    return FolderRecord(
        name=job.name,
        origin=str(job.origin),
        how=layout.how,
        content=content,
        split=how,
        options=job.options,
        images={split: _sizes(classes) for split, classes in splits.items()},
        unreadable=found.unreadable,
        notes=notes,
        choice=job.choice._asdict(),
        groups=layout.groups,
        state=state,
        copies=dropped,
        levels=found.levels,
    )


def _examine(archive: Archive, images: list[str], job: _Job) -> _Examined:
    """Decode all images in parallel."""
    every = _Examined({}, [], {}, [])
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            contents = [archive.read(image) for image in batch]
            looks = pool.map(lambda data: _look(data, job.options["size"]), contents)
            for image, look in zip(batch, looks, strict=True):
                if look.fault:
                    every.unreadable[image] = look.fault
                    continue
                every.seen[image] = look.seen
                if look.several:
                    every.several.append(image)
                if look.levels:
                    every.levels[:] = _joined(every.levels, look.levels)
            if job.report is not None:
                done = start + len(batch)
                job.report(Progress(f"checking {job.name}", done, len(images), "images"))
    return every._replace(unreadable=dict(sorted(every.unreadable.items())))


class _Look(NamedTuple):
    """What one image file is: a fault, or an image."""

    fault: str
    seen: Seen = Seen(b"", b"", b"")
    levels: Levels | None = None
    several: bool = False


def _look(data: bytes, size: int) -> _Look:
    for start, reason in POINTERS.items():
        if data.startswith(start):
            return _Look(reason)
    try:
        found = examine(data, size=size, name="")
    except DataError as error:
        return _Look(str(error).strip())
    seen = Seen(hashlib.sha256(data).digest(), found.pixels, found.thumbnail)
    return _Look("", seen, found.levels, found.several)


def _joined(levels: list[int], others: Levels) -> list[int]:
    """Return the least and the greatest of all values."""
    values = [*levels, *others]
    return [min(values), max(values)]


def _notes_on_copies(copies: Copies, job: _Job) -> list[str]:
    other = "keep" if job.drops_copies else "drop"
    command = job.command_with(copies=other)
    return notes_on_copies(copies, dropped=job.drops_copies, command=command)


def _several(images: list[str]) -> str:
    files = "1 file has" if len(images) == 1 else f"{len(images):,} files have"
    return (
        f"{files} several pictures, frames or pages ({listing(images, 3)}): only the first of "
        "each is used; to use the others, save each as a file"
    )


def _small_classes(small: Mapping[str, int]) -> str:
    number = counted(len(small), "class", "classes")
    names = [f"{label} ({count})" for label, count in small.items()]
    return f"{number} with fewer than {LEAST_IMAGES} images left out: {listing(names, 20)}"


def _sizes(classes: ImagesByClass) -> dict[str, int]:
    return {label: len(names) for label, names in classes.items()}

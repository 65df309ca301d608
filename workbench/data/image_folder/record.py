"""What is stored about a user's own images, in `<cache>/folders/NAME.toml`.

This module does not import what reads images, so that names can be listed quickly.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench.data.cache import cache_folder, disk_errors
from workbench.errors import DataError
from workbench.locks import locked
from workbench.storage import write_toml

REASONS = 5  # that are told why files are unreadable


@dataclass(frozen=True)
class FolderRecord:
    """A user's folder or archive of images. `str()` gives a report for the user.

    Attributes:
        name: what the user calls it.
        origin: the path of the folder or archive.
        how: how its classes were found: "class folders".
        content: the SHA-256 of the images of each split.
        split: how the classes were split, in words.
        options: the options with which it was registered.
        images: the number of images of each class, by split.
        unreadable: the files that cannot be decoded, with the reason.
        notes: what was ignored or changed, in words.
        choice: what the user said about the layout, by the fields of `LayoutChoice`.
        groups: the group of each class that has one.
        state: the names, sizes and times of the originals, as `state_of` returns them.
        copies: the images that are left out because they repeat another, and which.
        levels: the least and the greatest value of all images with 16 bits; empty if none has.
    """

    name: str
    origin: str
    how: str
    content: dict[str, str]
    split: str
    options: dict[str, Any]
    images: dict[str, dict[str, int]]
    unreadable: dict[str, str]
    notes: list[str]
    choice: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    state: str = ""
    copies: dict[str, str] = field(default_factory=dict)
    levels: list[int] = field(default_factory=list)

    @property
    def classes(self) -> int:
        """The number of classes in all splits."""
        return sum(len(classes) for classes in self.images.values())

    @property
    def count(self) -> int:
        """The number of images in all splits."""
        return sum(sum(classes.values()) for classes in self.images.values())

    @property
    def checksums(self) -> dict[str, str]:
        """The checksums of all that prepared images depend on: splits, groups, and levels."""
        checksums = dict(self.content)
        if self.groups:
            groups = json.dumps(self.groups, sort_keys=True)
            checksums["groups"] = hashlib.sha256(groups.encode()).hexdigest()
        if self.levels:
            checksums["levels"] = str(self.levels)
        return checksums

    def __str__(self) -> str:
        size = f"{counted(self.classes, 'class', 'classes')}, {counted(self.count, 'image')}"
        lines = [
            f"{self.name}: {size} from {self.origin} ({self.how})",
            f"split: {self.split}",
            *self.notes,
        ]
        if self.levels:
            least, greatest = self.levels
            lines.append(f"values of 16 bits: {least:,} becomes black and {greatest:,} white")
        if self.groups:
            groups = sorted(set(self.groups.values()))
            lines.append(f"{counted(len(groups), 'group')} of classes: {listing(groups)}")
        if self.unreadable:
            lines.append(f"{counted(len(self.unreadable), 'unreadable file')} skipped:")
            lines += [f"  {text}" for text in by_reason(self.unreadable)]
        return "\n".join(lines)


def folder_names() -> tuple[str, ...]:
    """Return the names of the user's own data sets, sorted."""
    return tuple(sorted(path.stem for path in _folders().glob("*.toml")))


def read_record(name: str) -> FolderRecord:
    """Return the record of a user's own data set.

    Raises:
        DataError: it cannot be read; the message says which command to run.
    """
    path = record_path(name)
    try:
        return FolderRecord(**tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read: {error}; run: mlw download {name} --from FOLDER"
        ) from error


def write_record(record: FolderRecord) -> None:
    """Store a record, and replace an earlier one of the same name.

    Raises:
        DataError: the disk is full or not writable.
    """
    path = record_path(record.name)
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent / f".{record.name}.lock"):
            write_toml(path, asdict(record))


def record_path(name: str) -> Path:
    """Return the path of a record."""
    return _folders() / f"{name}.toml"


def _folders() -> Path:
    return cache_folder() / "folders"


def by_reason(unreadable: Mapping[str, str]) -> list[str]:
    """Return in words which files are unreadable and why, those with one reason together."""
    names: dict[str, list[str]] = {}
    for name, reason in unreadable.items():
        names.setdefault(reason, []).append(name)
    reasons = sorted(names, key=lambda reason: -len(names[reason]))
    texts = []
    for reason in reasons[:REASONS]:
        files = names[reason]
        text = f"{files[0]} {reason.rstrip('.')}"
        if len(files) > 1:
            text = f"{len(files):,} files: each {reason.rstrip('.')} ({listing(files, 3)})"
        texts.append(text)
    if len(reasons) > REASONS:
        rest = sum(len(names[reason]) for reason in reasons[REASONS:])
        texts.append(f"{counted(rest, 'file')} for other reasons")
    return texts


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number of things in words: "1 image", "2,000 images"."""
    if number == 1:
        return f"1 {one}"
    return f"{number:,} {many or one + 's'}"


def listing(names: Sequence[str], most: int = 5) -> str:
    """Return the first few names, and how many more there are."""
    text = ", ".join(names[:most])
    if len(names) > most:
        text += f" and {len(names) - most:,} more"
    return text

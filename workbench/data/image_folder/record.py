"""What is stored about a user's own images, in `<cache>/folders/NAME.toml`.

This module does not import what reads images, so that names can be listed quickly.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.data.cache import cache_folder, disk_errors
from workbench.errors import DataError
from workbench.storage import write_toml


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

    @property
    def classes(self) -> int:
        """The number of classes in all splits."""
        return sum(len(classes) for classes in self.images.values())

    @property
    def count(self) -> int:
        """The number of images in all splits."""
        return sum(sum(classes.values()) for classes in self.images.values())

    def __str__(self) -> str:
        size = f"{counted(self.classes, 'class', 'classes')}, {counted(self.count, 'image')}"
        lines = [
            f"{self.name}: {size} from {self.origin} ({self.how})",
            f"split: {self.split}",
            *self.notes,
        ]
        if self.unreadable:
            lines.append(f"{counted(len(self.unreadable), 'unreadable file')} skipped:")
            lines += [f"  {reason}" for reason in self.unreadable.values()]
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
    from filelock import FileLock

    path = record_path(record.name)
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / f".{record.name}.lock"):
            write_toml(path, asdict(record))


def record_path(name: str) -> Path:
    """Return the path of a record."""
    return _folders() / f"{name}.toml"


def _folders() -> Path:
    return cache_folder() / "folders"


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

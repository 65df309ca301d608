"""What is kept of a user's own images, to be read without what reads images: `<cache>/folders/NAME.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.data.cache import cache_folder
from workbench.errors import DataError


@dataclass(frozen=True)
class FolderRecord:
    """What is known of a user's folder; `str()` of it is what a user wants to read."""

    name: str
    origin: str
    how: str  # it was read: "class folders"
    content: dict[str, str]  # SHA-256 of the images of each split, by name
    split: str  # how it was split, a sentence's end
    options: dict[str, Any]  # with which it was prepared first
    images: dict[str, dict[str, int]]  # by split and class
    unreadable: dict[str, str]  # files, and why
    notes: list[str]

    @property
    def classes(self) -> int:
        """In all splits."""
        return sum(map(len, self.images.values()))

    @property
    def count(self) -> int:
        """Images in all splits."""
        return sum(sum(classes.values()) for classes in self.images.values())

    def __str__(self) -> str:
        size = f"{counted(self.classes, 'class', 'classes')}, {counted(self.count, 'image')}"
        lines = [
            f"{self.name}: {size} from {self.origin} ({self.how})",
            f"split: {self.split}",
            *self.notes,
        ]
        if self.unreadable:
            lines.append(f"{counted(len(self.unreadable), 'file')} skipped that cannot be read:")
            lines += [f"  {why}" for why in self.unreadable.values()]
        return "\n".join(lines)


def folder_names() -> tuple[str, ...]:
    """Return the names of the user's folders, sorted."""
    return tuple(sorted(path.stem for path in _folders().glob("*.toml")))


def read_record(name: str) -> FolderRecord:
    """Read what is known of a user's folder. Raises `DataError` if it cannot be read."""
    path = record_path(name)
    try:
        return FolderRecord(**tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read: {error}; type: mlw download {name} --from FOLDER"
        ) from error


def record_path(name: str) -> Path:
    """Return where the record of a user's folder is."""
    return _folders() / f"{name}.toml"


def _folders() -> Path:
    return cache_folder() / "folders"


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things: "1 image", "2,000 images"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"

"""A user's own images as a data set, named by `mlw download NAME --from FOLDER`.

The originals stay where they are. Prepared images keep working when the originals are gone, but not
when these have changed: results would silently be those of other images than the folder has.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from workbench.data.dataset import Dataset, Groups, ImageClass, chosen_options
from workbench.data.files.archive import Archive
from workbench.data.files.decode import EVERY_LEVEL
from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.labels import ImagesByClass, plain
from workbench.data.image_folder.layout import find_layout
from workbench.data.image_folder.origin_state import state_of
from workbench.data.image_folder.record import FolderRecord, write_record
from workbench.data.image_folder.splitting import (
    large_enough,
    split_classes,
    without,
)
from workbench.errors import DataError
from workbench.plugin.options import AtLeast, canonical_spec, options_of


class ImageFolder(Dataset):
    """A user's own images, in a folder or an archive."""

    # all that decides which images belong to which class
    sources = (
        "choice.py",
        "class_levels.py",
        "copies.py",
        "deciding.py",
        "folder_levels.py",
        "image_lookup.py",
        "image_table.py",
        "joined_lists.py",
        "label_columns.py",
        "label_table.py",
        "labels.py",
        "layout.py",
        "level_names.py",
        "splitting.py",
        "table_file.py",
        "view.py",
    )

    def __init__(
        self,
        record: FolderRecord,
        *,
        size: Annotated[int, "pixels per side", AtLeast(1)] = 84,
        channels: Annotated[Literal[1, 3], "1: grey, 3: colour"] = 3,
        copies: Annotated[Literal["drop", "keep"], "images that repeat another"] = "drop",
    ):
        self.record = record
        self.size = size
        self.channels = channels
        self.copies = copies

    def classes(
        self,
        split: str,
        files: Mapping[str, Path],  # noqa: ARG002 - the originals are not in the cache
    ) -> Iterator[ImageClass]:
        """Yield the classes of a split by name.

        Raises:
            DataError: the originals are gone, or have changed since they were registered; or they
                were registered with another choice about copies.
        """
        if split not in self.record.images:
            return
        self._require_same_copies()
        levels = EVERY_LEVEL
        if self.record.levels:
            levels = (self.record.levels[0], self.record.levels[1])
        with self._originals() as archive:
            for label, names in self._unchanged(archive)[split].items():
                images = archive.stack(names, size=self.size, channels=self.channels, levels=levels)
                yield ImageClass(label, images)

    def groups(self, split: str) -> Groups | None:
        """Return the groups of classes that the folders or a column give."""
        members: dict[str, list[str]] = {}
        for label in self.record.images.get(split, {}):
            if label in self.record.groups:
                members.setdefault(self.record.groups[label], []).append(label)
        if all(len(labels) < 2 for labels in members.values()):
            return None
        return Groups(tuple(tuple(labels) for labels in members.values()), whole=False)

    def check(self) -> None:
        """Compare all originals with their record.

        Raises:
            DataError: they are gone or have changed.
        """
        with self._originals() as archive:
            self._unchanged(archive)

    def require_unchanged(self) -> None:
        """Compare names, sizes and times of the originals with their record, if they are there.

        If these differ, the contents are compared. If the contents are the same, the record gets
        the new times.

        Raises:
            DataError: the originals have changed.
        """
        origin = Path(self.record.origin)
        if not origin.exists():
            return
        state = state_of(origin)
        if state and state != self.record.state:
            self.check()
            with suppress(DataError):  # the cache may be on a disk that cannot be written
                write_record(replace(self.record, state=state))

    def _require_same_copies(self) -> None:
        registered = self.record.options.get("copies", self.copies)
        if registered == self.copies:
            return
        options = chosen_options(self)
        command = command_of(spec_of(self.record.name, options), self.record.origin, self._choice)
        use_as = spec_of(self.record.name, {**options, "copies": registered})
        raise DataError(
            f"{self.record.name} was registered with copies={registered}: use it as {use_as}, or "
            f"run: {command}"
        )

    def _originals(self) -> Archive:
        origin = Path(self.record.origin)
        if not origin.exists():
            raise DataError(f"{origin} is gone; {self._hint('FOLDER')}")
        return Archive(origin)

    def _unchanged(self, archive: Archive) -> dict[str, ImagesByClass]:
        """Return the images by split and class, after comparing them with their record."""
        layout = find_layout(archive, self._choice, self.command(self.record.origin))
        readable = without(layout.splits, {*self.record.unreadable, *self.record.copies})
        kept, _ = large_enough(readable)
        splits, _ = split_classes(kept)
        same = splits.keys() == self.record.content.keys() and layout.groups == self.record.groups
        for split, classes in splits.items():
            same = same and content_of(archive, classes) == self.record.content[split]
        if not same:
            raise DataError(
                f"{self.record.origin} has changed since it was registered; "
                f"{self._hint(self.record.origin)}"
            )
        return splits

    @property
    def _choice(self) -> LayoutChoice:
        return LayoutChoice(**self.record.choice)

    def command(self, origin: str) -> str:
        """Return the command that registers these images again, as the user registered them."""
        spec = spec_of(self.record.name, self.record.options)
        return command_of(spec, origin, self._choice)

    def _hint(self, origin: str) -> str:
        """Say which command to run, and with which options the data set is still usable."""
        hint = f"run: {self.command(origin)}"
        options = self.record.options
        if options != chosen_options(self):
            hint += f" (or use it as {spec_of(self.record.name, options)})"
        return hint


def spec_of(name: str, options: Mapping[str, Any]) -> str:
    """Return the spec of a user's own data set, without options at their defaults."""
    return canonical_spec(name, options, options_of(ImageFolder))


def command_of(spec: str, origin: str, choice: LayoutChoice) -> str:
    """Return the command that registers a user's own images."""
    return " ".join(["mlw download", spec, "--from", shlex.quote(origin), *choice.flags])


def content_of(archive: Archive, classes: ImagesByClass) -> str:
    """Return the SHA-256 of class names, image names and images, independent of where they are."""
    digest = hashlib.sha256()
    for label, names in classes.items():
        for name in names:
            image = hashlib.sha256(archive.read(name)).hexdigest()
            digest.update(f"{label}\0{plain(name)}\0{image}\n".encode())
    return digest.hexdigest()

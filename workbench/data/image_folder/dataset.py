"""A user's own images as a data set, named by `mlw download NAME --from FOLDER`.

The originals stay where they are. Prepared images keep working when the originals are gone.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from workbench.data.dataset import Dataset, ImageClass, chosen_options
from workbench.data.files.archive import Archive
from workbench.data.image_folder.labels import ImagesByClass, plain
from workbench.data.image_folder.layout import find_layout
from workbench.data.image_folder.record import FolderRecord
from workbench.errors import DataError
from workbench.plugin.options import AtLeast, options_text


class ImageFolder(Dataset):
    """A user's own images, in a folder or an archive."""

    sources = ("labels.py", "label_table.py", "layout.py")

    def __init__(
        self,
        record: FolderRecord,
        *,
        size: Annotated[int, "pixels per side", AtLeast(1)] = 84,
        channels: Annotated[Literal[1, 3], "1: grey, 3: colour"] = 3,
    ):
        self.record = record
        self.size = size
        self.channels = channels

    def classes(
        self,
        split: str,
        files: Mapping[str, Path],  # noqa: ARG002 - the originals are not in the cache
    ) -> Iterator[ImageClass]:
        """Yield the classes of a split by name.

        Raises:
            DataError: the originals are gone, or have changed since they were registered.
        """
        if split not in self.record.images:
            return
        with self._originals() as archive:
            for label, names in self._unchanged(archive, split).items():
                images = archive.stack(names, size=self.size, channels=self.channels)
                yield ImageClass(label, images)

    def check(self) -> None:
        """Compare all originals with their record.

        Raises:
            DataError: they are gone or have changed.
        """
        with self._originals() as archive:
            for split in self.record.images:
                self._unchanged(archive, split)

    def _originals(self) -> Archive:
        origin = Path(self.record.origin)
        if not origin.exists():
            raise DataError(f"{origin} is gone; {self._hint('FOLDER')}")
        return Archive(origin)

    def _unchanged(self, archive: Archive, split: str) -> ImagesByClass:
        """Return the images of a split by class, after comparing them with their record."""
        every: ImagesByClass = {}
        for classes in find_layout(archive).splits.values():
            every |= classes
        found: ImagesByClass = {}
        for label in self.record.images[split]:
            names = every.get(label, [])
            found[label] = [name for name in names if name not in self.record.unreadable]
        if content_of(archive, found) != self.record.content[split]:
            raise DataError(
                f"{self.record.origin} has changed since it was registered; "
                f"{self._hint(self.record.origin)}"
            )
        return found

    def _hint(self, origin: str) -> str:
        """Say which command to run, and with which options the data set is still usable."""
        name = self.record.name
        options = self.record.options
        hint = f"run: mlw download {name} --from {shlex.quote(origin)}"
        if options != chosen_options(self):
            hint += f" (or use it as {name}:{options_text(options)})"
        return hint


def content_of(archive: Archive, classes: ImagesByClass) -> str:
    """Return the SHA-256 of class names, image names and images, independent of where they are."""
    digest = hashlib.sha256()
    for label, names in classes.items():
        for name in names:
            image = hashlib.sha256(archive.read(name)).hexdigest()
            digest.update(f"{label}\0{plain(name)}\0{image}\n".encode())
    return digest.hexdigest()

"""A user's own images as a data set: a folder or an archive that was given a name by `mlw download NAME --from`.

`<cache>/folders/NAME.toml` says where the images are, how they were split and what was skipped. The
originals stay where they are; what is prepared from them goes on working when they are gone.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from workbench.data.dataset import Dataset, ImageClass, chosen_options
from workbench.data.files.archive import Archive
from workbench.data.image_folder.layout import ImagesByClass, find_layout, plain
from workbench.data.image_folder.record import FolderRecord
from workbench.data.prepared import prepare
from workbench.data.tables import Table
from workbench.errors import DataError, UsageError
from workbench.plugin.options import option_text
from workbench.progress import Report


class ImageFolder(Dataset):
    """A user's own images, in a folder or an archive."""

    sources = ("layout.py",)

    def __init__(
        self,
        record: FolderRecord,
        *,
        size: Annotated[int, "pixels a side"] = 84,
        channels: Annotated[Literal[1, 3], "1: grey, 3: colour"] = 3,
    ):
        if size < 1:
            raise UsageError(
                f"{record.name}:size={size} cannot be; size is the pixels a side, at least 1"
            )
        self.record = record
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:  # noqa: ARG002
        """Yield the classes of a split by name; the originals must be what they were."""
        if split not in self.record.images:
            return
        with self._originals() as archive:
            for label, names in self._unchanged(archive, split).items():
                yield ImageClass(
                    label, archive.stack(names, size=self.size, channels=self.channels)
                )

    def check(self) -> None:
        """Compare all originals with what they were. Raises `DataError` if they are gone or changed."""
        with self._originals() as archive:
            for split in self.record.images:
                self._unchanged(archive, split)

    def _originals(self) -> Archive:
        origin = Path(self.record.origin)
        if not origin.exists():
            raise DataError(f"{origin} is gone; {self._hint('FOLDER')}")
        return Archive(origin)

    def _unchanged(self, archive: Archive, split: str) -> ImagesByClass:
        """The images of a split by class, compared with what they were."""
        together: ImagesByClass = {}
        for classes in find_layout(archive).splits.values():
            together |= classes
        skipped = self.record.unreadable
        wanted = self.record.images[split]
        found = {
            label: [name for name in together.get(label, []) if name not in skipped]
            for label in wanted
        }
        if content_of(archive, found) != self.record.content[split]:
            raise DataError(
                f"{self.record.origin} is no longer as it was; {self._hint(self.record.origin)}"
            )
        return found

    def _hint(self, origin: str) -> str:
        """What to type instead."""
        name, options = self.record.name, self.record.options
        text = ",".join(f"{key}={option_text(value)}" for key, value in options.items())
        again = f"type: mlw download {name} --from {shlex.quote(origin)}"
        return f"{again} (or use it as {name}:{text})" if options != chosen_options(self) else again


def open_folder(dataset: ImageFolder, *, report: Report | None = None) -> dict[str, Table]:
    """Return the splits of a user's folder as tables, prepared on first use."""
    return prepare(
        dataset.record.name, dataset, {}, dict(dataset.record.content), report=report
    )


def content_of(archive: Archive, classes: ImagesByClass) -> str:
    """The SHA-256 of classes, names and images, wherever they lie."""
    digest = hashlib.sha256()
    for label, names in classes.items():
        for name in names:
            image = hashlib.sha256(archive.read(name)).hexdigest()
            digest.update(f"{label}\0{plain(name)}\0{image}\n".encode())
    return digest.hexdigest()


# --- finding a data set, a plugin's or a user's

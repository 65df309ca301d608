"""Open a data set: its images by split, prepared on first use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from workbench.data.catalog import ChosenDataset, find_dataset
from workbench.data.dataset import Dataset
from workbench.data.download.manifest import entry_of, overlaps_of
from workbench.data.download.provenance import downloaded, part_of, unpublished
from workbench.data.files.file_state import FileState
from workbench.data.given import GivenImages
from workbench.data.image_folder.dataset import ImageFolder
from workbench.data.prepared import prepare, tables_before
from workbench.data.tables import Note, Table, is_intact
from workbench.errors import DataError, WorkbenchError
from workbench.progress import Report

_intact: set[FileState] = set()  # the files that this process has compared with their checksums


@dataclass(frozen=True, eq=False)  # equal only to itself: it holds large arrays
class OpenDataset:
    """A data set with its options chosen, its images ready to be read."""

    label: str  # its spec, without options at their defaults: "omniglot:split=lake"
    name: str
    tables: Mapping[str, Table]  # by split
    # "4,000 of 27,000 images", or "content checked by count, not by checksum", where its files are
    # not those that are published
    part: str = ""
    overlaps: Mapping[str, bool] = field(default_factory=dict)  # with data of pre-trained weights
    label_of_whole: str = ""  # the spec with which all its classes are training classes
    source: str = ""  # what its files are: a manifest entry, or the path of a folder; "" for none

    @property
    def fingerprint(self) -> str:
        """A checksum of the content of all splits."""
        return next(iter(self.tables.values())).fingerprint

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        _, channels, height, width = next(iter(self.tables.values())).images.shape
        return channels, height, width

    @property
    def notes(self) -> tuple[Note, ...]:
        """What to know of its images: copies, little contrast."""
        return next(iter(self.tables.values())).notes

    def table(self, split: str) -> Table:
        """Return the images of a split, after they were compared with their checksums once.

        Raises:
            DataError: there is no such split, or its images are damaged.
        """
        if split in self.tables:
            self._require_intact(split)
            return self.tables[split]
        splits = ", ".join(self.tables)
        raise DataError(
            f"{self.label} has no {split} classes; its splits: {splits}{self._hint(split)}"
        )

    def _require_intact(self, split: str) -> None:
        table = self.tables[split]
        state = _state_of(table)
        if not table.checksums or state in _intact:
            return
        if not is_intact(table):
            raise DataError(
                f"The prepared {split} images of {self.label} are damaged: they differ from their "
                f"checksums. To prepare them again, run: mlw download {self.label}"
            )
        if state is not None:
            _intact.add(state)

    def _hint(self, split: str) -> str:
        """What else to run when a split is missing."""
        if split == "train" and self.label_of_whole:
            return f"; to train on all its classes: {self.label_of_whole}"
        if split == "test" and list(self.tables) == ["train"]:
            return "; all its classes are training classes, so test on another data set"
        return ""


def open_dataset(text: str, *, report: Report | None = None, check: bool = False) -> OpenDataset:
    """Open the data set that a spec names, and prepare it if that has not been done.

    Args:
        text: the spec.
        report: shows progress.
        check: compare all images that were prepared earlier with their checksums, and prepare
            damaged ones again.

    Raises:
        UsageError: an unknown name or option.
        DataError: it is not downloaded, or damaged; the message says what to run.
    """
    return open_chosen(find_dataset(text), report, check=check)


def open_datasets(texts: Iterable[str], report: Report | None = None) -> list[OpenDataset]:
    """Open several data sets, each once. Two specs of one data set give the same object."""
    by_label: dict[str, OpenDataset] = {}
    opened = []
    for text in texts:
        chosen = find_dataset(text)
        if chosen.label not in by_label:
            by_label[chosen.label] = open_chosen(chosen, report)
        opened.append(by_label[chosen.label])
    return opened


def tell_grave_notes(datasets: Iterable[OpenDataset], note: Callable[[str], None]) -> None:
    """Tell what makes numbers on data sets doubtful: many copies, images that are all alike."""
    for dataset in datasets:
        for text, grave in dataset.notes:
            if grave:
                note(f"{dataset.label}: {text}")


def open_chosen(
    chosen: ChosenDataset, report: Report | None = None, *, check: bool = False
) -> OpenDataset:
    """Open a data set whose options are chosen.

    A folder of the user's own that has changed is refused: numbers on the images prepared earlier
    would look like numbers on those that are there now. Raises `DataError` as `open_dataset` does.
    """
    origin = _origin_of(chosen.name, chosen.dataset)
    tables = prepare(
        chosen.name, chosen.dataset, origin.files, origin.checksums, report=report, check=check
    )
    return OpenDataset(
        label=chosen.label,
        name=chosen.name,
        tables=tables,
        part=origin.part,
        overlaps=origin.overlaps,
        label_of_whole=chosen.label_of_whole,
        source=origin.source,
    )


def prepared_earlier(chosen: ChosenDataset) -> bool:
    """Return whether a data set needs no preparation. Raises `DataError` as `open_dataset` does."""
    return _tables_before(chosen, _origin_of(chosen.name, chosen.dataset)) is not None


def fingerprint_today(text: str) -> str:
    """Return the fingerprint of the images that a spec names now; "" if nothing cheap tells it.

    No image is read: what was prepared earlier knows its fingerprint.
    """
    try:
        chosen = find_dataset(text)
        if isinstance(chosen.dataset, ImageFolder):
            origin = _origin_of_folder(chosen.dataset)  # the files themselves are not looked at
        else:
            origin = _origin_of(chosen.name, chosen.dataset)
        tables = _tables_before(chosen, origin)
    except WorkbenchError:  # it is not downloaded, or its plugin is gone
        return ""
    if not tables:
        return ""
    return OpenDataset(chosen.label, chosen.name, tables).fingerprint


def _tables_before(chosen: ChosenDataset, origin: _Origin) -> dict[str, Table] | None:
    """Return what was prepared earlier, by split; None if nothing was."""
    return tables_before(chosen.name, chosen.dataset, origin.files, origin.checksums)


def _state_of(table: Table) -> FileState | None:
    """Return the state of the file that the images are mapped from; None if it is gone."""
    images = table.images
    if isinstance(images, np.memmap) and images.filename is not None:
        with suppress(OSError):
            return FileState.of(Path(images.filename).stat())
    return None


class _Origin(NamedTuple):
    """What the images of a data set are read from."""

    files: Mapping[str, Path]  # by the name that the manifest gives them
    checksums: Mapping[str, str]
    part: str
    overlaps: Mapping[str, bool]
    source: str


def _origin_of(name: str, dataset: Dataset) -> _Origin:
    if isinstance(dataset, ImageFolder):
        dataset.require_unchanged()
        return _origin_of_folder(dataset)
    if isinstance(dataset, GivenImages):
        return _Origin({}, {"images": dataset.given.content}, "", {}, "")
    if not dataset.manifest:
        return _Origin({}, {}, "", {}, "")
    entry = entry_of(dataset)
    paths = {}
    checksums = {}
    files = downloaded(entry, name)
    for file in files:
        paths[file.path.name] = file.path
        checksums[file.path.name] = file.sha256
    published = [file for file in entry.files if file.name in paths]
    part = part_of(files, published) or unpublished(files)
    return _Origin(paths, checksums, part, overlaps_of(entry), entry.name)


def _origin_of_folder(folder: ImageFolder) -> _Origin:
    return _Origin({}, folder.record.checksums, "", {}, folder.record.origin)

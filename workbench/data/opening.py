"""Open a data set: its images by split, prepared on first use."""

from __future__ import annotations

from collections.abc import Callable

from workbench.data.dataset import Dataset
from workbench.data.download.manifest import entry_of
from workbench.data.download.provenance import (
    downloaded,
    part_of,
)
from workbench.data.image_folder.dataset import ImageFolder, open_folder
from workbench.data.prepared import Table, prepare


def open_dataset(
    name: str, dataset: Dataset, *, progress: Callable[[str, int], None] | None = None
) -> dict[str, Table]:
    """Return the splits of a data set as memory-mapped tables, prepared on first use.

    `name` is what the user calls it: it goes into the prepared folder's name and into messages. A split
    without classes is absent. Raises `DataError` when the files are not downloaded or damaged.
    """
    if isinstance(dataset, ImageFolder):
        return open_folder(dataset, progress=progress)
    if not dataset.manifest:
        return prepare(name, dataset, {}, {}, progress=progress)
    files = downloaded(entry_of(dataset), name)
    paths = {file.path.name: file.path for file in files}
    return prepare(
        name, dataset, paths, {file.path.name: file.sha256 for file in files}, progress=progress
    )


def part_here(dataset: Dataset) -> str:
    """Say what part of a downloaded data set is here, "4,000 of 27,000 images"; nothing if all of it is."""
    if isinstance(dataset, ImageFolder) or not dataset.manifest:
        return ""
    entry = entry_of(dataset)
    files = downloaded(entry)
    names = {file.path.name for file in files}
    return part_of(files, [file for file in entry.files if file.name in names])

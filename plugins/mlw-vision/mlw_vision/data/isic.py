"""ISIC 2018, task 3: 7 kinds of skin lesions, 10,015 photographs.

Codella et al.: Skin Lesion Analysis Toward Melanoma Detection 2018, 2019, arXiv 1902.03368;
Tschandl, Rosendahl, Kittler: The HAM10000 Dataset, Scientific Data 5, 2018.
https://challenge.isic-archive.com

A test set of the cross-domain benchmark of Guo et al., ECCV 2020, arXiv 1912.07200: all classes
belong to the test split, unless `split=train`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from mlw_vision.data.reading import (
    Channels,
    Size,
    Whole,
    by_file,
    csv_rows,
    member,
    read_classes,
    wrong_file,
)
from workbench import Dataset, ImageClass
from workbench.data import Archive
from workbench.errors import DataError

LABELS = "ISIC2018_Task3_Training_GroundTruth.csv"


class Isic(Dataset):
    """7 kinds of lesions (MEL, NV, ...), all to test on, or all to train on (`split=train`)."""

    manifest = "isic"
    sources = ("reading.py",)

    def __init__(self, *, split: Whole = "test", size: Size = 84, channels: Channels = 3):
        self.split = split
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes in the order of the table of labels if this is their split."""
        if split != self.split:
            return
        with ExitStack() as stack:  # images and labels are in two archives or in one
            archives = [stack.enter_context(Archive(path)) for path in files.values()]
            labels = _archive_of_labels(archives)
            if labels is None:
                raise DataError(f"{' and '.join(files)} hold no {LABELS}.")
            photographs = max(archives, key=lambda archive: len(tuple(archive.images())))
            members_of = _members_by_kind(labels, by_file(photographs.names))
            yield from read_classes(photographs, members_of, self.size, self.channels)


def _archive_of_labels(archives: list[Archive]) -> Archive | None:
    for archive in archives:
        if LABELS in by_file(archive.names):
            return archive
    return None


def _members_by_kind(labels: Archive, photographs: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the members of each kind.

    A row of the table names an image and holds a 1 in the column of its kind.
    """
    name = member(labels, LABELS)
    place = f"{name} in {labels.path}"
    rows = csv_rows(labels.read(name), place, "isic", ("image",))
    if not rows:
        raise wrong_file(place, "it names no image", "isic")
    kinds = list(rows[0])[1:]
    members_of: dict[str, list[str]] = {kind: [] for kind in kinds}
    for row in rows:
        file = f"{row['image']}.jpg"
        if file not in photographs:
            continue
        for kind in kinds:
            if _number(row[kind], place) == 1.0:
                members_of[kind].append(photographs[file])
                break
    return members_of


def _number(cell: str | None, place: str) -> float:
    try:
        return float(cell or "")
    except ValueError as error:
        raise wrong_file(place, f"it has {cell!r} where it should have a number", "isic") from error

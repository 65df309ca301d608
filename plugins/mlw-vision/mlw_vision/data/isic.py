"""ISIC 2018, task 3: 7 kinds of lesions of the skin, 10,015 photographs.

Codella et al.: Skin Lesion Analysis Toward Melanoma Detection 2018, 2019, arXiv 1902.03368; Tschandl,
Rosendahl, Kittler: The HAM10000 Dataset, Scientific Data 5, 2018. https://challenge.isic-archive.com

A target of the cross-domain benchmark of Guo et al., ECCV 2020, arXiv 1912.07200: all classes are for test,
unless one asks to train on them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from mlw_vision.data.reading import Size, Whole, by_file, member, stacked
from workbench import Dataset, ImageClass
from workbench.data import Archive
from workbench.errors import DataError

LABELS = "ISIC2018_Task3_Training_GroundTruth.csv"


class Isic(Dataset):
    """7 kinds of lesions by their short names (MEL, NV, ...), all for test or, if asked, to train on."""

    manifest = "isic"
    sources = ("reading.py",)

    def __init__(self, *, split: Whole = "test", size: Size = 84):
        self.split = split
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes in the order of the table of labels, for the one split."""
        if split != self.split:
            return
        with ExitStack() as stack:  # the images and their labels, in two archives or in one
            archives = [stack.enter_context(Archive(path)) for path in files.values()]
            labels = next(
                (archive for archive in archives if LABELS in by_file(archive.names)), None
            )
            if labels is None:
                raise DataError(f"{' and '.join(files)} hold no {LABELS}.")
            photographs = max(archives, key=lambda archive: sum(1 for _ in archive.images()))
            yield from stacked(photographs, _kinds(labels, by_file(photographs.names)), self.size)


def _kinds(archive: Archive, photographs: Mapping[str, str]) -> dict[str, list[str]]:
    """Members by kind: a row of the table names an image and holds a 1 in the column of its kind."""
    rows = csv.DictReader(io.StringIO(archive.read(member(archive, LABELS)).decode("utf-8-sig")))
    kinds: dict[str, list[str]] = {kind: [] for kind in (rows.fieldnames or ())[1:]}
    for row in rows:
        if name := photographs.get(f"{row['image']}.jpg"):
            kinds[next(kind for kind in kinds if float(row[kind]) == 1.0)].append(name)
    return kinds

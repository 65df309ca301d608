"""ChestX: X-rays of chests, 7 findings, from the 112,120 images of ChestX-ray8.

Wang, Peng, Lu, Lu, Bagheri, Summers: ChestX-ray8, CVPR 2017, arXiv 1705.02315.
https://nihcc.app.box.com/v/ChestXray-NIHCC

A test set of the cross-domain benchmark of Guo et al., ECCV 2020, arXiv 1912.07200: all classes
belong to the test split, unless `split=train`. As in the benchmark, only images with a single
finding are used, and only these seven findings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlw_vision.data.reading import Channels, Size, Whole, by_file, csv_rows, file_of
from workbench import Dataset, ImageClass
from workbench.data import Archive

LABELS = "Data_Entry_2017.csv"
FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumothorax",
)


class ChestX(Dataset):
    """7 findings, all to test on, or all to train on (`split=train`)."""

    manifest = "chestx"
    sources = ("reading.py",)

    def __init__(self, *, split: Whole = "test", size: Size = 84, channels: Channels = 3):
        self.split = split
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the findings by name if this is their split.

        The archives are opened one after another, each once. In the end all chosen images are in
        memory, half a gigabyte at 84 pixels.
        """
        if split != self.split:
            return
        names_of = _names_by_finding(file_of(files, LABELS))
        parts: dict[str, list[NDArray[np.uint8]]] = defaultdict(list)
        for file, path in files.items():
            if file == LABELS:
                continue
            with Archive(path) as archive:
                members = by_file(tuple(archive.images()))
                for finding, names in names_of.items():
                    chosen = [members[name] for name in names if name in members]
                    if chosen:
                        parts[finding].append(
                            archive.stack(chosen, size=self.size, channels=self.channels)
                        )
        for finding in FINDINGS:
            if finding in parts:
                yield ImageClass(finding, np.concatenate(parts.pop(finding)))


def _names_by_finding(path: Path) -> dict[str, list[str]]:
    """Return the file names of the images that have one finding and no other."""
    rows = csv_rows(path.read_bytes(), str(path), "chestx", ("Image Index", "Finding Labels"))
    names_of: dict[str, list[str]] = {finding: [] for finding in FINDINGS}
    for row in rows:
        finding = row["Finding Labels"]  # several findings are written "Mass|Nodule"
        if finding in names_of:
            names_of[finding].append(row["Image Index"])
    return names_of

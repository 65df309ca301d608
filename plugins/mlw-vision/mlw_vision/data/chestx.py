"""ChestX: X-rays of chests, 7 findings, of the 112,120 images of ChestX-ray8.

Wang, Peng, Lu, Lu, Bagheri, Summers: ChestX-ray8, CVPR 2017, arXiv 1705.02315.
https://nihcc.app.box.com/v/ChestXray-NIHCC

A target of the cross-domain benchmark of Guo et al., ECCV 2020, arXiv 1912.07200: all classes are for test,
unless one asks to train on them.
As there, only images with a single finding are taken, and of the findings these seven.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlw_vision.data.reading import Size, Whole, by_file, file_of
from workbench import Dataset, ImageClass
from workbench.data import Archive
from workbench.errors import DataError

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
    """7 findings, all for test or, if asked, to train on."""

    manifest = "chestx"
    sources = ("reading.py",)

    def __init__(self, *, split: Whole = "test", size: Size = 84):
        self.split = split
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the findings by name, for the one split.

        The archives are opened one after another, each once: all chosen images are in memory at last,
        half a gigabyte at 84 pixels.
        """
        if split != self.split:
            return
        findings = _findings(file_of(files, LABELS))
        parts: dict[str, list[NDArray[np.uint8]]] = defaultdict(list)
        for path in (path for name, path in files.items() if name != LABELS):
            with Archive(path) as archive:
                images = by_file(tuple(archive.images()))
                for finding, names in findings.items():
                    if here := [images[name] for name in names if name in images]:
                        parts[finding].append(archive.stack(here, size=self.size, channels=3))
        for finding in FINDINGS:
            if finding in parts:
                yield ImageClass(finding, np.concatenate(parts.pop(finding)))


def _findings(path: Path) -> dict[str, list[str]]:
    """File names of the images that have one finding and no other."""
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
    if not {"Image Index", "Finding Labels"} <= set(rows.fieldnames or ()):
        raise DataError(f"{path} has no columns Image Index and Finding Labels.")
    found: dict[str, list[str]] = {finding: [] for finding in FINDINGS}
    for row in rows:
        if row["Finding Labels"] in found:  # several are written "Mass|Nodule"
            found[row["Finding Labels"]].append(row["Image Index"])
    return found

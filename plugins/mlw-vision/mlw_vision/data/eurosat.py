"""EuroSAT: 10 kinds of land use seen by the satellite Sentinel-2, 27,000 images of 64 x 64 pixels.

Helber, Bischke, Dengel, Borth: EuroSAT, IEEE JSTARS 12(7), 2019, arXiv 1709.00029.
https://github.com/phelber/EuroSAT

A test set of the cross-domain benchmark of Guo et al., ECCV 2020, arXiv 1912.07200: all classes
belong to the test split, unless `split=train`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlw_vision.data.reading import Channels, Size, Whole, by_folder, read_classes
from workbench import Dataset, ImageClass
from workbench.data import Archive


class EuroSat(Dataset):
    """10 kinds of land use, all to test on, or all to train on (`split=train`)."""

    manifest = "eurosat"
    sources = ("reading.py",)

    def __init__(self, *, split: Whole = "test", size: Size = 84, channels: Channels = 3):
        self.split = split
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes by name if this is their split."""
        if split != self.split:
            return
        with Archive(next(iter(files.values()))) as archive:
            folders = by_folder(tuple(archive.images()))
            yield from read_classes(archive, folders, self.size, self.channels)

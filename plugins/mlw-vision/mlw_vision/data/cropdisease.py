"""CropDisease: leaves of crops, healthy or diseased, 38 classes of PlantVillage.

Mohanty, Hughes, Salathé: Using Deep Learning for Image-Based Plant Disease Detection, Frontiers in
Plant Science 7, 2016.

A test set of the cross-domain benchmark of Guo et al., ECCV 2020, arXiv 1912.07200: all classes
belong to the test split, unless `split=train`. The benchmark uses the folder dataset/train of a
copy on Kaggle. The archive at Mendeley holds the same photographs, additional ones, and one class
without leaves, which is left out. Name the copy beside a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlw_vision.data.reading import Channels, Size, Whole, by_folder, read_classes
from workbench import Dataset, ImageClass
from workbench.data import Archive

NO_LEAF = "Background_without_leaves"


class CropDisease(Dataset):
    """38 pairs of a crop and a disease, all to test on, or all to train on (`split=train`)."""

    manifest = "cropdisease"
    sources = ("reading.py",)

    def __init__(self, *, split: Whole = "test", size: Size = 84, channels: Channels = 3):
        self.split = split
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes by the names of their folders if this is their split."""
        if split != self.split:
            return
        with Archive(next(iter(files.values()))) as archive:
            images = tuple(archive.images())
            kaggle_training = [name for name in images if "/dataset/train/" in f"/{name}"]
            folders = by_folder(kaggle_training or images)
            folders.pop(NO_LEAF, None)
            yield from read_classes(archive, folders, self.size, self.channels)

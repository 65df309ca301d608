"""Traffic signs: the German Traffic Sign Recognition Benchmark, 43 signs, 39,209 images.

Houben, Stallkamp, Salmen, Schlipsing, Igel: Detection of Traffic Signs in Real-World Images: The
German Traffic Sign Detection Benchmark, IJCNN 2013. https://benchmark.ini.rub.de/

The whole training images are used, as in Meta-Dataset. Up to 30 of them come from one video of one
sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlw_vision.data.reading import (
    Channels,
    Size,
    Whole,
    by_folder,
    file_of,
    read_classes,
    split_lists,
)
from workbench import Dataset, ImageClass
from workbench.data import Archive


class TrafficSign(Dataset):
    """43 signs, all to test on, as in Meta-Dataset, or all to train on (`split=train`).

    A "/" in the name of a sign is written "-".
    """

    manifest = "traffic_sign"
    sources = ("reading.py", "../splits/traffic_sign.toml")

    def __init__(self, *, split: Whole = "test", size: Size = 84, channels: Channels = 3):
        self.split = split
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the signs by the number in their names if this is their split."""
        if split != self.split:
            return
        with Archive(file_of(files, "GTSRB_Final_Training_Images.zip")) as archive:
            folders = by_folder(archive.names, (".ppm",))
            wanted = {}
            for sign in split_lists("traffic_sign")["test"]:  # "00.Speed limit (20km/h)"
                folder = f"{int(sign.partition('.')[0]):05d}"
                wanted[sign.replace("/", "-")] = folders.get(folder, [])
            yield from read_classes(archive, wanted, self.size, self.channels)

"""Traffic signs: the German Traffic Sign Recognition Benchmark, 43 signs, 39,209 images.

Houben, Stallkamp, Salmen, Schlipsing, Igel: Detection of Traffic Signs in Real-World Images: The German
Traffic Sign Detection Benchmark, IJCNN 2013. https://benchmark.ini.rub.de/

The training images, whole, as in Meta-Dataset. Up to 30 of them follow each other in one film of one sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlw_vision.data.reading import Size, Whole, by_folder, file_of, split_lists, stacked
from workbench import Dataset, ImageClass
from workbench.data import Archive


class TrafficSign(Dataset):
    """43 signs, all for test, as in Meta-Dataset, or, if asked, to train on; a "/" in a name is written "-"."""

    manifest = "traffic_sign"
    sources = ("reading.py", "../splits/traffic_sign.toml")

    def __init__(self, *, split: Whole = "test", size: Size = 84):
        self.split = split
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the signs by the number in their names, for the one split."""
        if split != self.split:
            return
        signs = split_lists("traffic_sign")["test"]
        with Archive(file_of(files, "GTSRB_Final_Training_Images.zip")) as archive:
            folders = by_folder(archive.names, (".ppm",))
            wanted = {
                sign.replace("/", "-"): folders.get(f"{int(sign.partition('.')[0]):05d}", [])
                for sign in signs
            }
            yield from stacked(archive, wanted, self.size)

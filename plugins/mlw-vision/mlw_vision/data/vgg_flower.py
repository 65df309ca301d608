"""VGG Flower: 102 kinds of flowers, 8,189 photographs.

Nilsback, Zisserman: Automated Flower Classification over a Large Number of Classes, ICVGIP 2008.
https://www.robots.ox.ac.uk/~vgg/data/flowers/102/
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlw_vision.data.reading import Channels, Size, by_file, file_of, read_classes, split_lists
from workbench import Dataset, ImageClass
from workbench.data import Archive
from workbench.errors import DataError


class VggFlower(Dataset):
    """71 kinds to train on, 15 to validate, 16 to test, as in Meta-Dataset."""

    manifest = "vgg_flower"
    sources = ("reading.py", "../splits/vgg_flower.toml")

    def __init__(self, *, size: Size = 84, channels: Channels = 3):
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's kinds by the label in their names."""
        labels = _labels(file_of(files, "imagelabels.mat"))
        with Archive(file_of(files, "102flowers.tgz")) as archive:
            photographs = by_file(archive.names)
            members: dict[int, list[str]] = defaultdict(list)
            for number, label in enumerate(labels, 1):
                file = f"image_{number:05d}.jpg"
                if file in photographs:
                    members[label].append(photographs[file])
            wanted = {}
            for name in split_lists("vgg_flower")[split]:  # "001.pink primrose"
                wanted[name] = members[int(name.partition(".")[0])]
            yield from read_classes(archive, wanted, self.size, self.channels)


def _labels(path: Path) -> list[int]:
    """Return the labels of the photographs in order, from 1 to 102."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        labels: list[int] = loadmat(io.BytesIO(path.read_bytes()))["labels"].ravel().tolist()
    except (MatReadError, ValueError, KeyError, IndexError, TypeError, OSError) as error:
        raise DataError(f"{path} is not the published table of labels: {error}.") from error
    return labels

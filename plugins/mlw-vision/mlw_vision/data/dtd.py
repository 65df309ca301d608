"""DTD: 47 textures described in words (braided, dotted, ...), 120 images each.

Cimpoi, Maji, Kokkinos, Mohamed, Vedaldi: Describing Textures in the Wild, CVPR 2014.
https://www.robots.ox.ac.uk/~vgg/data/dtd/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mlw_vision.data.reading import Channels, Size, by_folder, file_of, read_classes, split_lists
from workbench import Dataset, ImageClass
from workbench.data import Archive


class Dtd(Dataset):
    """33 textures to train on, 7 to validate, 7 to test, as in Meta-Dataset."""

    manifest = "dtd"
    sources = ("reading.py", "../splits/dtd.toml")

    def __init__(self, *, size: Size = 84, channels: Channels = 3):
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's textures, sorted."""
        textures = split_lists("dtd")[split]
        with Archive(file_of(files, "dtd-r1.0.1.tar.gz")) as archive:
            folders = by_folder(tuple(archive.images()))
            wanted = {name: folders.get(name, []) for name in textures}
            yield from read_classes(archive, wanted, self.size, self.channels)

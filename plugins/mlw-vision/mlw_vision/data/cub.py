"""CUB-200-2011: 200 species of birds, 11,788 photographs.

Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 Dataset, CNS-TR-2011-001,
2011. https://www.vision.caltech.edu/datasets/cub_200_2011

Images are whole photographs resized to squares, not the bounding boxes. Classes are named like
their folders. ImageNet contains birds too: a backbone that was trained on ImageNet has seen some of
these species.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from mlw_vision.data.reading import Channels, Size, by_folder, file_of, read_classes, split_lists
from workbench import Dataset, ImageClass
from workbench.data import Archive


class Cub(Dataset):
    """200 species: 100 to train on, 50 to validate, 50 to test; or as in Meta-Dataset.

    The 100/50/50 split is that of "A Closer Look at Few-shot Classification".
    """

    manifest = "cub"
    sources = ("reading.py", "../splits/cub.toml")

    def __init__(
        self,
        *,
        split: Annotated[
            Literal["closerlook", "metadataset"],
            "closerlook: 100/50/50 classes by number; metadataset: 140/30/30",
        ] = "closerlook",
        size: Size = 84,
        channels: Channels = 3,
    ):
        self.split = split
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's species by the number in their names."""
        species = split_lists("cub")[self.split][split]
        with Archive(file_of(files, "CUB_200_2011.tgz")) as archive:
            folders = by_folder(tuple(archive.images()))
            wanted = {name: folders.get(name, []) for name in species}
            yield from read_classes(archive, wanted, self.size, self.channels)


class CuBirds(Cub):
    """CUB under the name that it has in Meta-Dataset, split 140/30/30 as there."""

    def __init__(self, *, size: Size = 84, channels: Channels = 3):
        super().__init__(split="metadataset", size=size, channels=channels)

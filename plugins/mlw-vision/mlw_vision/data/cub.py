"""CUB-200-2011: 200 species of birds, 11,788 photographs.

Wah, Branson, Welinder, Perona, Belongie: The Caltech-UCSD Birds-200-2011 Dataset, CNS-TR-2011-001, 2011.
https://www.vision.caltech.edu/datasets/cub_200_2011

Whole photographs made square, not the bounding boxes. Classes are named like their folders. ImageNet holds
birds too: a backbone that saw ImageNet has seen some of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from mlw_vision.data.reading import Size, by_folder, file_of, split_lists, stacked
from workbench import Dataset, ImageClass
from workbench.data import Archive


class Cub(Dataset):
    """200 species, split 100/50/50 as in "A Closer Look at Few-shot Classification", or as in Meta-Dataset."""

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
    ):
        self.split = split
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's species by the number in their names."""
        with Archive(file_of(files, "CUB_200_2011.tgz")) as archive:
            folders = by_folder(tuple(archive.images()))
            wanted = {name: folders.get(name, []) for name in split_lists("cub")[self.split][split]}
            yield from stacked(archive, wanted, self.size)


class CuBirds(Cub):
    """CUB under the name that it has in Meta-Dataset, split 140/30/30 as there."""

    def __init__(self, *, size: Size = 84):
        super().__init__(split="metadataset", size=size)

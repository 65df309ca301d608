"""miniImageNet: 100 classes of ImageNet, 600 images of 84 x 84 pixels each.

Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra: Matching Networks for One Shot Learning,
NeurIPS 2016, arXiv 1606.04080. The usual split is from Ravi, Larochelle: Optimization as a Model
for Few-Shot Learning, ICLR 2017.

Copies differ in how they were resized and compressed, and numbers measured on them differ by
percentage points: name the copy beside a number. Two layouts can be read. One is three pickles, in
an archive or as separate files, with `image_data` (n, 84, 84, 3) and `class_dict`, or with `data`
and `labels`. The other is a folder of images with three tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from mlw_vision.data.pickled import PickledTable
from mlw_vision.data.reading import (
    Channels,
    Size,
    csv_rows,
    member,
    read_classes,
    resize,
    split_lists,
)
from workbench import Dataset, ImageClass
from workbench.data import Archive

# The words for each part in the names of published files.
PARTS = {"train": ("train",), "val": ("validation", "val"), "test": ("test",)}


class MiniImageNet(Dataset):
    """64 classes to train on, 16 to validate, 20 to test; or all 100 to train on.

    All 100 are for cross-domain benchmarks, which test on other data sets.
    """

    manifest = "miniimagenet"
    sources = ("reading.py", "pickled.py", "../splits/miniimagenet.toml")

    def __init__(
        self,
        *,
        split: Annotated[
            Literal["ravi", "all"],
            "ravi: 64/16/20 classes; all: 100/0/0, the training set of cross-domain benchmarks",
        ] = "ravi",
        size: Size = 84,
        channels: Channels = 3,
    ):
        self.split = split
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's classes by ImageNet number, sorted within each published part."""
        if self.split == "ravi":
            yield from _part(split, files, self.size, self.channels)
        elif split == "train":
            for part in PARTS:
                yield from _part(part, files, self.size, self.channels)


def _part(part: str, files: Mapping[str, Path], size: int, channels: int) -> Iterator[ImageClass]:
    """Yield the classes of a published part, in whichever layout it is."""
    pickles = [f"mini-imagenet-cache-{word}.pkl" for word in PARTS[part]]
    for name in pickles:
        if name in files:
            with files[name].open("rb") as stream:
                table = PickledTable(stream, str(files[name]), "miniimagenet")
            yield from _from_pickle(table, part, size, channels)
            return
    with Archive(next(iter(files.values()))) as archive:
        for name in archive.names:
            if name.rpartition("/")[2] in pickles:
                with archive.open(name) as stream:
                    place = f"{name} in {archive.path}"
                    table = PickledTable(stream, place, "miniimagenet")
                yield from _from_pickle(table, part, size, channels)
                return
        yield from read_classes(archive, _from_table(archive, part), size, channels)


def _from_pickle(table: PickledTable, part: str, size: int, channels: int) -> Iterator[ImageClass]:
    """Yield the classes of one published pickle, sorted."""
    keys = table.keys
    if "image_data" in keys and "class_dict" in keys:
        images = table.bytes_of_images("image_data", (None, None, 3))
        rows = table.rows_by_class("class_dict", len(images))
    elif "data" in keys and "labels" in keys:
        images = table.bytes_of_images("data", (None, None, 3))
        rows = _rows_by_class(table, part, len(images))
    else:
        table.refuse(f"it holds {keys}, neither image_data and class_dict nor data and labels")
    for name in sorted(rows):
        yield ImageClass(name, resize(images[rows[name]], size, channels))


def _rows_by_class(table: PickledTable, part: str, count: int) -> dict[str, NDArray[np.int64]]:
    """Return the rows of each class. Labels count from 0 in each part, or on from part to part."""
    labels = table.labels("labels", count)
    names = split_lists("miniimagenet")[part]
    found = np.unique(labels)
    if len(found) != len(names):
        table.refuse(f"labels are of {len(found)} classes, not of {len(names)}")
    rows = {}
    for name, label in zip(names, found, strict=True):
        rows[name] = np.flatnonzero(labels == label)
    return rows


def _from_table(archive: Archive, part: str) -> dict[str, list[str]]:
    """Return the members of each class according to `train.csv`, `val.csv` or `test.csv`."""
    table = member(archive, f"{part}.csv")
    folder = table.removesuffix(f"{part}.csv") + "images/"
    available = set(archive.names)
    wanted: dict[str, list[str]] = defaultdict(list)
    place = f"{table} in {archive.path}"
    rows = csv_rows(archive.read(table), place, "miniimagenet", ("filename", "label"))
    for row in rows:
        name = folder + row["filename"]
        if name in available:
            wanted[row["label"]].append(name)
    return dict(sorted(wanted.items()))

"""miniImageNet: 100 classes of ImageNet, 600 images of 84 x 84 pixels each.

Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra: Matching Networks for One Shot Learning, NeurIPS 2016,
arXiv 1606.04080; the split that everybody uses is of Ravi, Larochelle: Optimization as a Model for Few-Shot
Learning, ICLR 2017.

Copies differ in how they were resized and compressed, and numbers measured on them differ by points: name
the copy beside a number. It is read as three pickles (`image_data` (n, 84, 84, 3) and `class_dict`, or
`data` and `labels`), together in an archive or one by one, or as a folder of images with three tables.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from mlw_vision.data.reading import Size, fitted, member, split_lists, stacked
from workbench import Dataset, ImageClass
from workbench.data import Archive, load_pickle
from workbench.errors import DataError

PARTS = {
    "train": ("train",),
    "val": ("validation", "val"),
    "test": ("test",),
}  # of names of the published files


class MiniImageNet(Dataset):
    """64 classes to train on, 16 to validate, 20 to test; or all 100 to train on, for targets of other domains."""

    manifest = "miniimagenet"
    sources = ("reading.py", "../splits/miniimagenet.toml")

    def __init__(
        self,
        *,
        split: Annotated[
            Literal["ravi", "all"],
            "ravi: 64/16/20 classes; all: 100/0/0, the source of cross-domain benchmarks",
        ] = "ravi",
        size: Size = 84,
    ):
        self.split = split
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's classes by their ImageNet numbers, sorted within each published part."""
        parts = tuple(PARTS) if self.split == "all" else (split,)
        if self.split == "all" and split != "train":
            return
        for part in parts:
            yield from _part(part, files, self.size)


def _part(part: str, files: Mapping[str, Path], size: int) -> Iterator[ImageClass]:
    names = [f"mini-imagenet-cache-{word}.pkl" for word in PARTS[part]]
    if path := next((files[name] for name in names if name in files), None):
        with path.open("rb") as stream:
            yield from _pickled(load_pickle(stream, encoding="latin1", name=path.name), part, size)
        return
    with Archive(next(iter(files.values()))) as archive:
        here = [name for name in archive.names if name.rpartition("/")[2] in names]
        if here:
            with archive.open(here[0]) as stream:
                content = load_pickle(
                    stream, encoding="latin1", name=f"{here[0]} in {archive.path.name}"
                )
            yield from _pickled(content, part, size)
        else:
            yield from stacked(archive, _tabled(archive, part), size)


def _pickled(content: Any, part: str, size: int) -> Iterator[ImageClass]:
    """Classes of one published pickle."""
    keys = sorted(content) if isinstance(content, dict) else type(content).__name__
    if {"image_data", "class_dict"} <= set(keys):
        images, members = content["image_data"], content["class_dict"]
    elif {"data", "labels"} <= set(
        keys
    ):  # labels count from the first class of the part on, or over all parts
        images, labels = content["data"], np.asarray(content["labels"])
        numbers = dict(
            zip(np.unique(labels).tolist(), split_lists("miniimagenet")[part], strict=False)
        )
        members = {name: np.flatnonzero(labels == number) for number, name in numbers.items()}
    else:
        raise DataError(
            f"The {part} part of miniImageNet holds {keys}, neither image_data and class_dict nor data."
        )
    for name in sorted(members):
        yield ImageClass(name, fitted(np.asarray(images)[members[name]], size, 3))


def _tabled(archive: Archive, part: str) -> dict[str, list[str]]:
    """Members by class, as `train.csv` and its sisters say: filename,label."""
    table = member(archive, f"{part}.csv")
    folder = table.removesuffix(f"{part}.csv") + "images/"
    here, wanted = set(archive.names), dict[str, list[str]]()
    for row in csv.DictReader(io.StringIO(archive.read(table).decode())):
        if folder + row["filename"] in here:
            wanted.setdefault(row["label"], []).append(folder + row["filename"])
    return dict(sorted(wanted.items()))

"""Fungi: 1,394 species of mushrooms, 89,760 photographs of the FGVCx contest of 2018.

https://github.com/visipedia/fgvcx_fungi_comp; photographs by the Danish Svampe Atlas.

As in Meta-Dataset, the training and validation images of the contest are used together.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlw_vision.data.reading import (
    Channels,
    Size,
    by_path,
    file_of,
    member,
    read_classes,
    split_lists,
    wrong_file,
)
from workbench import Dataset, ImageClass
from workbench.data import Archive
from workbench.errors import DataError


class Fungi(Dataset):
    """994 species to train on, 200 to validate, 200 to test, as in Meta-Dataset."""

    manifest = "fungi"
    sources = ("reading.py", "../splits/fungi.toml")

    def __init__(self, *, size: Size = 84, channels: Channels = 3):
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's species by the number in their names."""
        with Archive(file_of(files, "train_val_annotations.tgz")) as annotations:
            paths_of = _paths_by_species(annotations)
        some_path = next(iter(paths_of.values()))[0]
        with Archive(file_of(files, "fungi_train_val.tgz")) as archive:
            members = by_path(archive.names, some_path)
            wanted = {}
            for name in split_lists("fungi")[split]:  # "0226.Cortinarius malicorius"
                paths = paths_of.get(int(name.partition(".")[0]), [])
                wanted[name] = [members[path] for path in paths if path in members]
            yield from read_classes(archive, wanted, self.size, self.channels)


def _paths_by_species(archive: Archive) -> dict[int, list[str]]:
    """Return the sorted file names of each species, by the number of the species."""
    paths_of: dict[int, list[str]] = defaultdict(list)
    for part in ("train", "val"):
        table = annotations_of(archive, f"{part}.json")
        path_of = {image["id"]: image["file_name"] for image in table["images"]}
        for annotation in table["annotations"]:
            image = annotation["image_id"]
            if image not in path_of:
                place = f"{part}.json in {archive.path}"
                raise wrong_file(place, f"it has an annotation of no image, {image}", "fungi")
            paths_of[annotation["category_id"]].append(path_of[image])
    if not paths_of:
        raise wrong_file(str(archive.path), "its tables hold no annotations", "fungi")
    for paths in paths_of.values():
        paths.sort()
    return paths_of


def annotations_of(archive: Archive, file: str) -> dict[str, Any]:
    """Return a table of annotations in COCO's format.

    Raises:
        DataError: the file is not such a table.
    """
    try:
        table = json.loads(archive.read(member(archive, file)))
        if {"images", "annotations", "categories"} <= table.keys():
            return dict(table)
    except (ValueError, AttributeError) as error:
        raise DataError(f"{file} in {archive.path} is no table of annotations: {error}.") from error
    raise DataError(f"{file} in {archive.path} lacks images, annotations or categories.")

"""Fungi: 1,394 species of mushrooms, 89,760 photographs of the FGVCx contest of 2018.

https://github.com/visipedia/fgvcx_fungi_comp; photographs by the Danish Svampe Atlas.

As in Meta-Dataset, training and validation images of the contest together.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlw_vision.data.reading import Size, by_path, file_of, member, split_lists, stacked
from workbench import Dataset, ImageClass
from workbench.data import Archive
from workbench.errors import DataError


class Fungi(Dataset):
    """994 species to train on, 200 to validate, 200 to test, as in Meta-Dataset."""

    manifest = "fungi"
    sources = ("reading.py", "../splits/fungi.toml")

    def __init__(self, *, size: Size = 84):
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's species by the number in their names."""
        with Archive(file_of(files, "train_val_annotations.tgz")) as annotations:
            species = _species(annotations)
        with Archive(file_of(files, "fungi_train_val.tgz")) as archive:
            here = by_path(archive.names, next(iter(species.values()))[0])
            wanted = {}
            for name in split_lists("fungi")[split]:  # "0226.Cortinarius malicorius"
                wanted[name] = [
                    here[each]
                    for each in species.get(int(name.partition(".")[0]), [])
                    if each in here
                ]
            yield from stacked(archive, wanted, self.size)


def _species(archive: Archive) -> dict[int, list[str]]:
    """File names by the number of their species."""
    found: dict[int, list[str]] = defaultdict(list)
    for part in ("train", "val"):
        table = annotations_of(archive, f"{part}.json")
        paths = {image["id"]: image["file_name"] for image in table["images"]}
        for one in table["annotations"]:
            found[one["category_id"]].append(paths[one["image_id"]])
    return {number: sorted(paths) for number, paths in found.items()}


def annotations_of(archive: Archive, file: str) -> dict[str, Any]:
    """Return a table of annotations in COCO's form. Raises `DataError` if it is none."""
    try:
        table = json.loads(archive.read(member(archive, file)))
        if {"images", "annotations", "categories"} <= table.keys():
            return dict(table)
    except (ValueError, AttributeError) as error:
        raise DataError(f"{file} in {archive.path} is no table of annotations: {error}.") from error
    raise DataError(f"{file} in {archive.path} lacks images, annotations or categories.")

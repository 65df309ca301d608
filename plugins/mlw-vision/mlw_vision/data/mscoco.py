"""MS COCO: 80 kinds of objects, cut out of photographs of scenes.

Lin et al.: Microsoft COCO: Common Objects in Context, ECCV 2014, arXiv 1405.0312.
https://cocodataset.org

As in Meta-Dataset: the boxes of the training images of 2017, each enlarged to 1.2 times its width
and height about its centre. There are 860,001 boxes, 262,465 of them people. Here at most `images`
of each kind are kept, evenly spaced over the annotations. Meta-Dataset keeps all; its sampler
weights a class by its number of images, so it prefers frequent kinds. `images=0` also keeps all (18
GB at 84 pixels, and 6 GB of memory).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from mlw_vision.data.fungi import annotations_of
from mlw_vision.data.reading import Channels, Crop, Size, by_file, evenly, file_of, split_lists
from workbench import Dataset, ImageClass
from workbench.data import Archive

RATIO = 1.2  # of the sides of a crop to those of its box


class Object(NamedTuple):
    """An object in a photograph."""

    member: str
    crop: Crop


class MsCoco(Dataset):
    """No class to train on, 40 to validate, 40 to test, as in Meta-Dataset."""

    manifest = "mscoco"
    sources = ("fungi.py", "reading.py", "../splits/mscoco.toml")

    def __init__(
        self,
        *,
        images: Annotated[
            int, "at most this many objects per class, evenly spaced over the annotations; 0: all"
        ] = 2000,
        size: Size = 84,
        channels: Channels = 3,
    ):
        self.images = images
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's kinds of objects, sorted."""
        kinds = split_lists("mscoco")[split]
        if not kinds:
            return
        with Archive(file_of(files, "annotations_trainval2017.zip")) as annotations:
            table = annotations_of(annotations, "instances_train2017.json")
        with Archive(file_of(files, "train2017.zip")) as archive:
            objects_of = _objects_by_kind(table, by_file(archive.names))
            for kind in kinds:
                chosen = evenly(objects_of.get(kind, []), self.images)
                if not chosen:
                    continue
                members = [each.member for each in chosen]
                crops = [each.crop for each in chosen]
                images = archive.stack(members, size=self.size, channels=self.channels, crops=crops)
                yield ImageClass(kind, images)


def _objects_by_kind(table: dict[str, Any], members: Mapping[str, str]) -> dict[str, list[Object]]:
    """Return the objects of each kind. Objects without an area are left out."""
    kind_of = {category["id"]: category["name"] for category in table["categories"]}
    images = {image["id"]: image for image in table["images"]}
    objects_of: dict[str, list[Object]] = defaultdict(list)
    for annotation in table["annotations"]:
        image = images.get(annotation["image_id"])
        if image is None or image["file_name"] not in members:
            continue
        crop = around(annotation["bbox"], image["width"], image["height"])
        left, upper, right, lower = crop
        if left < right and upper < lower:
            kind = kind_of.get(annotation["category_id"], "")  # no kind of a split has this name
            objects_of[kind].append(Object(members[image["file_name"]], crop))
    return objects_of


def around(box: list[float], width: int, height: int) -> Crop:
    """Enlarge a box (left, upper, width, height) by `RATIO` about its centre, within the image.

    COCO counts from the centres of pixels, a crop from their corners.
    """
    left, upper, wide, high = box
    left = left - wide * (RATIO - 1) / 2
    upper = upper - high * (RATIO - 1) / 2
    right = left + wide * RATIO
    lower = upper + high * RATIO
    return (
        max(round(left - 0.5), 0),
        max(round(upper - 0.5), 0),
        min(round(right - 0.5) + 1, width),
        min(round(lower - 0.5) + 1, height),
    )

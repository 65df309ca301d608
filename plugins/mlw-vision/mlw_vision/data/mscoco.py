"""MS COCO: 80 kinds of objects, cut out of photographs of scenes.

Lin et al.: Microsoft COCO: Common Objects in Context, ECCV 2014, arXiv 1405.0312. https://cocodataset.org

As in Meta-Dataset: the boxes of the training images of 2017, each made 1.2 times as wide and as high round
its centre. There are 860,001 of them, 262,465 of which are people; here at most `images` of a kind are
kept, spread evenly over the annotations. Meta-Dataset keeps all, so its sampler, which weighs a class by its
images, weighs frequent kinds more. `images=0` keeps all too (18 GB at 84 pixels, and 6 GB of memory).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from mlw_vision.data.fungi import annotations_of
from mlw_vision.data.reading import Crop, Size, by_file, evenly, file_of, split_lists
from workbench import Dataset, ImageClass
from workbench.data import Archive

RATIO = 1.2  # of the crop's sides to the box's


class MsCoco(Dataset):
    """No class to train on, 40 to validate, 40 to test, as in Meta-Dataset."""

    manifest = "mscoco"
    sources = ("fungi.py", "reading.py", "../splits/mscoco.toml")

    def __init__(
        self,
        *,
        images: Annotated[
            int, "at most so many objects a class, spread evenly over the annotations; 0: all"
        ] = 2000,
        size: Size = 84,
    ):
        self.images = images
        self.size = size

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's kinds of objects, sorted."""
        kinds = split_lists("mscoco")[split]
        if not kinds:
            return
        with Archive(file_of(files, "annotations_trainval2017.zip")) as annotations:
            table = annotations_of(annotations, "instances_train2017.json")
        with Archive(file_of(files, "train2017.zip")) as archive:
            objects = _objects(table, by_file(archive.names))
            for kind in kinds:
                if chosen := evenly(objects.get(kind, []), self.images):
                    names, crops = zip(*chosen, strict=True)
                    yield ImageClass(
                        kind, archive.stack(names, size=self.size, channels=3, crops=crops)
                    )


def _objects(table: dict[str, Any], here: Mapping[str, str]) -> dict[str, list[tuple[str, Crop]]]:
    """Member and crop of each object, by kind; one without an area is left out."""
    kinds = {category["id"]: category["name"] for category in table["categories"]}
    images = {image["id"]: image for image in table["images"] if image["file_name"] in here}
    found: dict[str, list[tuple[str, Crop]]] = defaultdict(list)
    for one in table["annotations"]:
        if image := images.get(one["image_id"]):
            crop = around(one["bbox"], image["width"], image["height"])
            if crop[0] < crop[2] and crop[1] < crop[3]:
                found[kinds[one["category_id"]]].append((here[image["file_name"]], crop))
    return found


def around(box: list[float], width: int, height: int) -> Crop:
    """Return a box (left, upper, width, height) enlarged by `RATIO` round its centre, inside the image.

    COCO counts from pixels' centres, a crop from their corners.
    """
    left, upper, wide, high = box
    left, upper = left - wide * (RATIO - 1) / 2, upper - high * (RATIO - 1) / 2
    right, lower = left + wide * RATIO, upper + high * RATIO
    first = (max(round(left - 0.5), 0), max(round(upper - 0.5), 0))
    return *first, min(round(right - 0.5) + 1, width), min(round(lower - 0.5) + 1, height)

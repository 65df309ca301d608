"""FGVC-Aircraft: 100 variants of aircraft, 10,000 photographs, cropped to the aircraft.

Maji, Rahtu, Kannala, Blaschko, Vedaldi: Fine-Grained Visual Classification of Aircraft, 2013,
arXiv 1306.5151. https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/

As in Meta-Dataset, images are cropped to the bounding box. This also removes the credits at the
bottom.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from mlw_vision.data.reading import (
    Channels,
    Crop,
    Size,
    by_file,
    file_of,
    read_classes,
    split_lists,
    text_lines,
    wrong_file,
)
from workbench import Dataset, ImageClass
from workbench.data import Archive


class Aircraft(Dataset):
    """70 variants to train on, 15 to validate, 15 to test.

    A "/" in the name of a variant is written "-".
    """

    manifest = "aircraft"
    sources = ("reading.py", "../splits/aircraft.toml")

    def __init__(self, *, size: Size = 84, channels: Channels = 3):
        self.size = size
        self.channels = channels

    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the split's variants, sorted."""
        with Archive(file_of(files, "fgvc-aircraft-2013b.tar.gz")) as archive:
            photographs = by_file(archive.names)
            variants = _variants(archive, photographs)
            wanted = {}
            for name in split_lists("aircraft")[split]:
                wanted[name.replace("/", "-")] = sorted(variants[name])
            boxes = _boxes(archive, photographs)
            for members in wanted.values():
                for name in members:
                    if name not in boxes:
                        place = f"images_box.txt in {archive.path}"
                        raise wrong_file(place, f"it has no box for {name}", "aircraft")
            yield from read_classes(archive, wanted, self.size, self.channels, boxes)


def _variants(archive: Archive, photographs: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the members of each variant."""
    variants: dict[str, list[str]] = defaultdict(list)
    for part in ("trainval", "test"):
        for line in text_lines(archive, f"images_variant_{part}.txt"):
            number, _, variant = line.partition(" ")
            if f"{number}.jpg" in photographs:
                variants[variant].append(photographs[f"{number}.jpg"])
    return variants


def _boxes(archive: Archive, photographs: Mapping[str, str]) -> dict[str, Crop]:
    """Return the box of each member.

    The published boxes count pixels from 1 and include the last one.
    """
    boxes = {}
    place = f"images_box.txt in {archive.path}"
    for line in text_lines(archive, "images_box.txt"):
        number, *sides = line.split()
        if len(sides) != 4 or not all(side.isdecimal() for side in sides):
            raise wrong_file(place, f"{line!r} is no box", "aircraft")
        left, upper, right, lower = map(int, sides)
        if f"{number}.jpg" in photographs:
            boxes[photographs[f"{number}.jpg"]] = (left - 1, upper - 1, right, lower)
    return boxes

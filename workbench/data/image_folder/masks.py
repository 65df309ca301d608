"""Masks beside images: "owl_mask.png" beside "owl.png". They are no further images of the class."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workbench.data.files.archive import SUFFIXES
from workbench.data.image_folder.record import counted, listing

# Of the images must have a file called by a word of two meanings, such as "golf_gt". Not one of
# 106,000 file names in nine real archives is like that of a mask, but most of them are numbers.
MOST = 0.5
THUMBNAILS = ("thumb", "thumbs", "thumbnail", "thumbnails")  # folders in that of the images
SURE = re.compile("mask|segment|ground|trimap", re.IGNORECASE)  # these words have one meaning
MASK = re.compile(
    r"(.+?)[ _.-]*[ _.-]"
    r"(masks?|segmentations?|segmented|seg|labels?|gt|groundtruth|ground[ _-]truth|trimap|matte)"
    r"([ _-]?\d+)?",
    re.IGNORECASE,
)


def masks_in(images: Sequence[str]) -> list[str]:
    """Return the images that are masks of others in the same folder, or thumbnails below it.

    Often only the images of some classes have one, the ill and not the healthy. But where a word
    has two meanings, there are none unless most of the other images have one.
    """
    stems = {_stem(image) for image in images}
    sure, unsure, masked = [], [], set()
    for image in images:
        folder, _, name = _stem(image).rpartition("/")
        above, _, last = folder.rpartition("/")
        if last.lower() in THUMBNAILS and f"{above}/{name}".lstrip("/") in stems:
            sure.append(image)
            continue
        found = MASK.fullmatch(name)
        if not found:
            continue
        of = f"{folder}/{found[1]}" if folder else found[1]
        if of not in stems:
            continue
        masked.add(of)
        if SURE.match(found[2]):
            sure.append(image)
        else:
            unsure.append(image)
    if len(masked) <= MOST * (len(images) - len(sure) - len(unsure)):
        return sure
    return sure + unsure


def _stem(image: str) -> str:
    """Return the name of an image without its suffix."""
    for suffix in SUFFIXES:
        if image.lower().endswith(suffix):
            return image[: -len(suffix)]
    return image


def note_on_masks(masks: Sequence[str]) -> str:
    """Say which images are left out as masks, and how to take them."""
    number = counted(len(masks), "image")
    return (
        f"{number} left out that are named like masks or thumbnails of the images beside them "
        f"({listing(masks, 3)}); to take them as images too, add --only '*'"
    )

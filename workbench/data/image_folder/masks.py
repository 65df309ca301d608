"""Masks beside images: "owl_mask.png" beside "owl.png". They are no further images of the class."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workbench.data.files.archive import SUFFIXES
from workbench.data.image_folder.record import counted, listing

MOST = 0.5  # of the images must have a mask; fewer may be called so by chance
MASK = re.compile(
    r"(.+?)[ _.-]*[ _.-]"
    r"(masks?|segmentations?|segmented|seg|labels?|gt|groundtruth|ground[ _-]truth|trimap|matte)"
    r"([ _-]?\d+)?",
    re.IGNORECASE,
)


def masks_in(images: Sequence[str]) -> list[str]:
    """Return the images that are masks of others in the same folder.

    There are none unless most of the other images have one.
    """
    stems = {_stem(image) for image in images}
    masks, masked = [], set()
    for image in images:
        folder, _, name = _stem(image).rpartition("/")
        found = MASK.fullmatch(name)
        if not found:
            continue
        of = f"{folder}/{found[1]}" if folder else found[1]
        if of in stems:
            masks.append(image)
            masked.add(of)
    if len(masked) <= MOST * (len(images) - len(masks)):
        return []
    return masks


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
        f"{number} left out that are named like masks of the images beside them "
        f"({listing(masks, 3)}); to take them as images too, add --only '*'"
    )

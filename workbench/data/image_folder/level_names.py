"""Names of folders that are not names of classes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

# folders that only say that there are images in them, perhaps in several parts
IMAGES = re.compile(
    r"(images?|imgs?|pictures?|pics?|photos?|data|files?|frames?|jpe?gs?|jpegimages|pngs?)"
    r"[ _-]*(part|set|batch|chunk)?[ _-]*\d*"
    r"|(.*[ _-])?(part|batch|chunk|shard|fold|session|sess)[ _-]*\d+",
    re.IGNORECASE,
)
# folders below or above classes that say when or how the images were made
OCCASIONS = re.compile(
    r"((session|sess|s|day|visit|run|take|trial|camera|cam|view|seq|sequence|part|batch|fold)"
    r"[ _-]*[0-9a-c]{1,4}"
    r"|\d{4}[-_.]?\d\d[-_.]?\d\d([T _-].*)?)",
    re.IGNORECASE,
)
# folders of cameras and phones: "100APPLE" by their standard, and albums
ALBUMS = re.compile(
    r"[1-9]\d\d[A-Z0-9_]{5}"
    r"|(?i:camera|camera roll|dcim|screenshots?|downloads?|favou?rites|whatsapp images|telegram)"
)
# classes by themselves are hardly ever called so, unlike "s1" and "sequence 1"
DAYS = re.compile(
    r"\d{4}[-_.]?\d\d[-_.]?\d\d([T _-].*)?|(19|20)\d\d([-_.]\d\d)?"
    r"|(day|visit|run|take|trial|camera|cam)[ _-]*[0-9a-c]{1,4}"
    r"|(patient|pat|pt|participant|volunteer|subject|subj|case|scan|slide|specimen|study|video|vid"
    r"|clip|movie|plot|site)[ _-]*\d{1,9}[a-c]?",
    re.IGNORECASE,
)
# folders that say that their images have no class
UNSORTED = re.compile(
    r"un-?(labell?ed|annotated|sorted|tagged)|(no|without|to)[ _-]?labels?|assets?|backups?|docs?"
    r"|te?mp|(new|untitled) folder([ _-]?\(?\d+\)?)?|neuer ordner( \(\d+\))?"
    r"|nouveau dossier( \(\d+\))?|nueva carpeta( \(\d+\))?",
    re.IGNORECASE,
)
# the same pictures, shown in another way
RENDERINGS = {
    "annotated",
    "annotation",
    "annotations",
    "augmented",
    "bw",
    "color",
    "colored",
    "colour",
    "coloured",
    "crop",
    "cropped",
    "depth",
    "edges",
    "gray",
    "grayscale",
    "grey",
    "greyscale",
    "ground truth",
    "ground_truth",
    "groundtruth",
    "gt",
    "heatmaps",
    "ir",
    "labels",
    "mask",
    "masked",
    "masks",
    "mattes",
    "original",
    "originals",
    "overlays",
    "raw",
    "resized",
    "rgb",
    "saliency",
    "segmentation",
    "segmentationclass",
    "segmentationobject",
    "segmentations",
    "segmented",
    "silhouettes",
    "thermal",
    "thumbnails",
    "trimaps",
}
# folders that may be classes, and often hold what is none
DOUBTFUL = re.compile(
    r"misc(ellaneous)?|others?|rest|clutter|background(_google)?|negatives?|rejected|rejects?"
    r"|discard(s|ed)?|duplicates?|corrupt(ed)?|bad|junk",
    re.IGNORECASE,
)
# endings of the names of folders whose images were made from those of another folder
MADE_FROM = re.compile(
    r"(?P<stem>.+?)[ _.-]+"
    r"(aug(mented|mentation|ments?|s)?|flip(ped|s)?|rot(ated|ation)?s?|crop(ped|s)?|noisy|blur(red)?"
    r"|resized|mirror(ed)?|synthetic)([ _.-]*\d+)?",
    re.IGNORECASE,
)
SIZED = re.compile(
    r"(?P<stem>.+?)[ _.-]+(?P<size>\d{2,4}([ _]?x[ _]?\d{2,4})?([ _]?px)?)", re.IGNORECASE
)
SIZE = re.compile(r"\d{2,4} ?x ?\d{2,4}|\d{2,4} ?(px|pixels)", re.IGNORECASE)


def only_hold_images(names: Collection[str]) -> bool:
    """Return whether all names say no more than that there are images."""
    return bool(names) and all(IMAGES.fullmatch(name) for name in names)


def are_occasions(names: Collection[str]) -> bool:
    """Return whether all names say when images were made, or that there are images."""
    return bool(names) and all(OCCASIONS.fullmatch(n) or IMAGES.fullmatch(n) for n in names)


def are_albums(names: Collection[str]) -> bool:
    """Return whether all names are those of days, cameras and the like, or of folders of phones."""
    return bool(names) and all(DAYS.fullmatch(n) or ALBUMS.fullmatch(n) for n in names)


def are_parts(names: Collection[str]) -> bool:
    """Return whether all names are those of days, patients, cameras and the like."""
    return bool(names) and all(DAYS.fullmatch(name) for name in names)


def variants_of_one(names: Collection[str]) -> list[str]:
    """Return the names that seem to say how the same images were made or how large they are.

    "owl" and "owl_aug" are such a pair; "owl_64" and "owl_224" are if all other names have the same
    numbers, which years and models of cars hardly do for all makes.
    """
    variants: set[str] = set()
    for name in names:
        made = MADE_FROM.fullmatch(name)
        if made and made["stem"] in names:
            variants.update((name, made["stem"]))
    sizes: dict[str, set[str]] = {}
    for name in names:
        sized = SIZED.fullmatch(name)
        if sized and not re.fullmatch("(19|20)[0-9][0-9]", sized["size"]):
            sizes.setdefault(sized["stem"], set()).add(sized["size"])
    each = list(sizes.values())
    complete = sum(len(found) for found in each) == len(names)
    if len(each) > 1 and complete and len(each[0]) > 1 and all(found == each[0] for found in each):
        variants.update(names)
    return sorted(variants)


def are_renderings(names: Iterable[str]) -> bool:
    """Return whether several names say in which way the same pictures are shown."""
    words = {name.lower() for name in names}
    sure = {word for word in words if word in RENDERINGS or SIZE.fullmatch(word)}
    rest = words - sure
    return len(words) > 1 and bool(sure) and all(IMAGES.fullmatch(word) for word in rest)

"""What the data sets here share: their split lists, the members of an archive by class, and resizing arrays.

Letters: n images, h and w their height and width, c channels.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files as package_files
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from workbench import ImageClass
from workbench.data import Archive
from workbench.errors import DataError

Size = Annotated[int, "pixels a side"]
Channels = Annotated[
    Literal[1, 3], "1: grey; 3: as colour, to be met by methods that were trained on colour"
]
Whole = Annotated[
    Literal["test", "train"],
    "what all classes are for; train: to be trained on, and no test set then",
]
Item = TypeVar("Item")
Crop = tuple[int, int, int, int]  # left, upper, right, lower in pixels


@cache
def split_lists(name: str) -> dict[str, Any]:
    """Return what `splits/NAME.toml` holds; a data set names that file in its `sources`."""
    return tomllib.loads(
        (package_files("mlw_vision") / f"splits/{name}.toml").read_text(encoding="utf-8")
    )


def file_of(files: Mapping[str, Path], *names: str) -> Path:
    """Return the first of these files that is here. Raises `DataError` with their names if none is."""
    for name in names:
        if name in files:
            return files[name]
    raise DataError(f"There is no {' or '.join(names)} among {', '.join(files)}.")


def by_folder(names: Sequence[str], suffixes: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Group members of an archive by the name of the folder that holds them; sorted, as the names are."""
    folders: dict[str, list[str]] = defaultdict(list)
    for name in names:
        parts = name.split("/")
        if len(parts) > 1 and name.lower().endswith(suffixes or ("",)):
            folders[parts[-2]].append(name)
    return dict(sorted(folders.items()))


def by_file(names: Sequence[str]) -> dict[str, str]:
    """Find members of an archive by the last part of their names."""
    return {name.rpartition("/")[2]: name for name in names}


def member(archive: Archive, file: str) -> str:
    """Return the member whose name ends in `file`, whatever folder it is in. Raises `DataError` if there is none."""
    for name in archive.names:
        if name == file or name.endswith(f"/{file}"):
            return name
    raise DataError(f"{archive.path} holds no {file}.")


def by_path(names: Sequence[str], path: str) -> dict[str, str]:
    """Find members by their names below the folder that `path` begins in: a packed folder has one more around it."""
    inside = next((name for name in names if f"/{name}".endswith(f"/{path}")), path)
    around = inside.removesuffix(path)
    return {name.removeprefix(around): name for name in names if name.startswith(around)}


def text_lines(archive: Archive, file: str) -> list[str]:
    """Return the lines of a text member that are not empty."""
    return [
        line
        for line in archive.read(member(archive, file)).decode("utf-8-sig").splitlines()
        if line.strip()
    ]


def stacked(
    archive: Archive,
    wanted: Mapping[str, Sequence[str]],
    size: int,
    crops: Mapping[str, Crop] | None = None,
) -> Iterator[ImageClass]:
    """Yield the classes `wanted`, name to members, as RGB; one without members is left out.

    An archive that lacks classes was recorded as a part of the published one before it came here.
    """
    for name, members in wanted.items():
        if members:
            cut = None if crops is None else [crops[each] for each in members]
            yield ImageClass(name, archive.stack(members, size=size, channels=3, crops=cut))


def evenly(items: Sequence[Item], most: int) -> Sequence[Item]:
    """Return at most so many items, spread evenly over all of them; all if `most` is 0."""
    if not 0 < most < len(items):
        return items
    return [items[index * len(items) // most] for index in range(most)]


def fitted(images: NDArray[np.uint8], size: int, channels: int) -> NDArray[np.uint8]:
    """Bring arrays `(n, h, w)` or `(n, h, w, 3)` into the form of image classes, `(n, channels, size, size)`.

    Resized by LANCZOS, as decoded images are.
    """
    from PIL import Image

    grey = images.ndim == 3
    if images.shape[1:3] != (size, size) or (channels == 1 and not grey):
        mode = "L" if grey or channels == 1 else "RGB"
        pictures = (Image.fromarray(image).convert(mode) for image in images)
        resized = [
            np.asarray(each.resize((size, size), Image.Resampling.LANCZOS)) for each in pictures
        ]
        images, grey = np.stack(resized), mode == "L"
    if grey:
        return np.repeat(images[:, None], channels, axis=1)  # (n, channels, size, size)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))  # (n, 3, size, size)

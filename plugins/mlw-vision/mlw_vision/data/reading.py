"""What data sets share: options, split lists, members of an archive, resizing of arrays.

Letters: n images, h and w their height and width.
"""

from __future__ import annotations

import csv
import io
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

Size = Annotated[int, "width and height of the images in pixels"]
Channels = Annotated[
    Literal[1, 3], "1: grey; 3: RGB; all images of a comparison need the same number"
]
Whole = Annotated[
    Literal["test", "train"],
    "the split that all classes belong to; train: to train on them, and there is no test split",
]
Item = TypeVar("Item")
Crop = tuple[int, int, int, int]  # left, upper, right, lower in pixels


# --- files


@cache
def split_lists(name: str) -> dict[str, Any]:
    """Return the content of `splits/NAME.toml`. A data set lists that file in its `sources`."""
    path = package_files("mlw_vision") / f"splits/{name}.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def file_of(files: Mapping[str, Path], name: str) -> Path:
    """Return the file with a name. Raises `DataError` if it is not there."""
    if name not in files:
        raise DataError(f"There is no {name} among {', '.join(files)}.")
    return files[name]


def wrong_file(place: str, fault: str, dataset: str) -> DataError:
    """Return the error for a file that is not what was published."""
    return DataError(f"{place} is not the published file: {fault}. {replacing(dataset)}")


def replacing(dataset: str) -> str:
    """Return the sentence that says how to replace the files of a data set."""
    return f"To replace it, run: mlw download {dataset} --remove, and then: mlw download {dataset}"


def csv_rows(data: bytes, place: str, dataset: str, columns: Sequence[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file by the names in its first line.

    Raises:
        DataError: it is no such file, lacks one of the columns, or a row does.
    """
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""))
        rows = list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise wrong_file(place, f"it is no table in CSV ({error})", dataset) from error
    missing = [column for column in columns if column not in (reader.fieldnames or ())]
    if missing:
        raise wrong_file(place, f"it has no columns {' and '.join(missing)}", dataset)
    for number, row in enumerate(rows, 1):
        for column in columns:
            if row[column] is None:
                raise wrong_file(place, f"row {number:,} has no {column}", dataset)
    return rows


# --- members of an archive


def by_folder(names: Sequence[str], suffixes: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Group members by the name of the folder that contains them, sorted by that name.

    Args:
        suffixes: which files to take; all if empty.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if suffixes and not name.lower().endswith(suffixes):
            continue
        parts = name.split("/")
        if len(parts) > 1:
            folders[parts[-2]].append(name)
    return dict(sorted(folders.items()))


def by_file(names: Sequence[str]) -> dict[str, str]:
    """Index members by the last part of their names."""
    return {name.rpartition("/")[2]: name for name in names}


def by_path(names: Sequence[str], example: str) -> dict[str, str]:
    """Index members by their paths below the folder that a known path, `example`, starts from.

    A folder that somebody packed again has another folder around it.
    """
    around = ""
    for name in names:
        if f"/{name}".endswith(f"/{example}"):
            around = name.removesuffix(example)
            break
    return {name.removeprefix(around): name for name in names if name.startswith(around)}


def member(archive: Archive, file: str) -> str:
    """Return the member with this file name, in whichever folder it is.

    Raises:
        DataError: there is none.
    """
    for name in archive.names:
        if name == file or name.endswith(f"/{file}"):
            return name
    raise DataError(f"{archive.path} contains no {file}.")


def text_lines(archive: Archive, file: str) -> list[str]:
    """Return the lines of a text member that are not blank."""
    text = archive.read(member(archive, file)).decode("utf-8-sig")
    return [line for line in text.splitlines() if line.strip()]


# --- images


def read_classes(
    archive: Archive,
    wanted: Mapping[str, Sequence[str]],
    size: int,
    channels: int,
    crops: Mapping[str, Crop] | None = None,
) -> Iterator[ImageClass]:
    """Yield the wanted classes as square images.

    Args:
        wanted: the members of each class by its name. A class without members is left out: the
            archive is then a part of the published one, and known to be a part.
        crops: which part of each member to take; the whole image if omitted.
    """
    for name, members in wanted.items():
        if not members:
            continue
        boxes = None
        if crops is not None:
            boxes = [crops[each] for each in members]
        yield ImageClass(name, archive.stack(members, size=size, channels=channels, crops=boxes))


def evenly(items: Sequence[Item], most: int) -> Sequence[Item]:
    """Return at most `most` items, evenly spaced; all items if `most` is 0."""
    if most <= 0 or most >= len(items):
        return items
    return [items[number * len(items) // most] for number in range(most)]


def resize(images: NDArray[np.uint8], size: int, channels: int) -> NDArray[np.uint8]:
    """Resize arrays `(n, h, w)` or `(n, h, w, 3)` to images `(n, channels, size, size)`.

    Resized by LANCZOS, like image files.
    """
    is_grey = images.ndim == 3
    becomes_grey = channels == 1 and not is_grey
    if images.shape[1:3] != (size, size) or becomes_grey:
        mode = "L" if is_grey or becomes_grey else "RGB"
        images = np.stack([_resized(image, mode, size) for image in images])
        is_grey = mode == "L"
    if is_grey:
        return np.repeat(images[:, None], channels, axis=1)  # (n, channels, size, size)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))  # (n, 3, size, size)


def _resized(image: NDArray[np.uint8], mode: str, size: int) -> NDArray[np.uint8]:
    from PIL import Image

    picture = Image.fromarray(image).convert(mode)
    return np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS))

"""The user's images: some with classes to learn from, others to classify.

They are decoded as those of a data set of the user's own are (`workbench.data.image_folder`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.data.files.archive import SUFFIXES, Archive
from workbench.data.files.decode import EVERY_LEVEL, Levels, decode, examine
from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.layout import find_layout
from workbench.data.opening import OpenDataset
from workbench.errors import DataError, UsageError


class Pictures(NamedTuple):
    """Decoded images."""

    names: tuple[str, ...]  # of their files
    images: NDArray[np.uint8]  # (n, channels, height, width)
    labels: tuple[str, ...]  # their classes; "" where nobody says


class Unreadable(NamedTuple):
    """A file that is no image, and why."""

    name: str
    reason: str


def support_of_files(
    path: Path, shape: Sequence[int], choice: LayoutChoice, command: str
) -> tuple[Pictures, Levels]:
    """Read the images of each class from a folder or an archive.

    Classes are found as for a data set of the user's own: by folders, or by a table.

    Args:
        shape: of the images, (channels, height, width).
        choice: what the user says about the layout.
        command: the command to give again, to which messages add an option.

    Returns:
        The images, and which values of 16-bit pixels they use.

    Raises:
        DataError: an image cannot be read, or the classes are ambiguous.
    """
    choice.check()
    with Archive(path) as archive:
        layout = find_layout(archive, choice, command)
        names, labels, contents = [], [], []
        for classes in layout.splits.values():
            for label, members in classes.items():
                for member in members:
                    names.append(member)
                    labels.append(label)
                    contents.append(archive.read(member))
    levels = _levels_of(contents, names, shape)
    images = []
    for name, data in zip(names, contents, strict=True):
        images.append(_decoded(data, shape, levels, f"{name} in {path}"))
    return Pictures(tuple(names), np.stack(images), tuple(labels)), levels


def support_of_dataset(dataset: OpenDataset, shape: Sequence[int]) -> Pictures:
    """Return the test images of a data set. Raises `UsageError` if they have another shape."""
    table = dataset.table("test")
    if tuple(table.images.shape[1:]) != tuple(shape):
        wanted, found = _times(shape), _times(table.images.shape[1:])
        raise UsageError(
            f"The run was trained on images of {wanted}, and those of {dataset.label} are of "
            f"{found}; give options that make them equal, or the folder itself: --support FOLDER"
        )
    labels = np.repeat(table.names, np.diff(table.starts))
    names = tuple(f"{dataset.label} image {row}" for row in range(len(labels)))
    return Pictures(names, np.asarray(table.images), tuple(map(str, labels)))


def queries(
    places: Sequence[Path], classes: Sequence[str], shape: Sequence[int], levels: Levels
) -> tuple[Pictures, list[Unreadable]]:
    """Read images to classify from files, folders and archives.

    The folder of an image is its class if all images lie in folders that are named as classes of
    the support.

    Returns:
        The images, and the files that could not be read.

    Raises:
        DataError: there are no images, or none could be read.
    """
    names, labels, images, unreadable = [], [], [], []
    for name, label, data in _files(places):
        try:
            images.append(_decoded(data, shape, levels, name))
        except DataError as error:
            unreadable.append(Unreadable(name, str(error)))
            continue
        names.append(name)
        labels.append(label)
    if not images:
        found = f"; {unreadable[0].reason}" if unreadable else ""
        raise DataError(f"{', '.join(map(str, places))}: no image could be read{found}")
    if not set(labels) <= set(classes):
        labels = [""] * len(labels)
    return Pictures(tuple(names), np.stack(images), tuple(labels)), unreadable


def _files(places: Sequence[Path]) -> Iterator[tuple[str, str, bytes]]:
    """Yield the name, the folder and the content of each file."""
    for place in places:
        if not place.exists():
            raise DataError(f"{place} does not exist; give images, or folders of them: --query")
        if place.is_dir() or not place.name.lower().endswith(SUFFIXES):
            with Archive(place) as archive:
                for name in archive.images():
                    whole = Path(place, name)
                    yield str(whole), whole.parent.name, archive.read(name)
        else:
            yield str(place), place.parent.name, place.read_bytes()


def _levels_of(contents: Sequence[bytes], names: Sequence[str], shape: Sequence[int]) -> Levels:
    """Return the least and the greatest value of all 16-bit pixels."""
    found: list[int] = []
    for name, data in zip(names, contents, strict=True):
        levels = examine(data, size=shape[-1], name=name).levels
        if levels is not None:
            found += levels
    return (min(found), max(found)) if found else EVERY_LEVEL


def _decoded(data: bytes, shape: Sequence[int], levels: Levels, name: str) -> NDArray[np.uint8]:
    return decode(data, size=shape[-1], channels=shape[0], levels=levels, name=name)


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))

"""Tables: the images of the splits of a data set, as files in a folder and as memory-mapped arrays.

A folder contains two `.npy` files per split, with the images and with a hash of each, and an
`index.json`, which has checksums of all of them and of itself.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.data.dataset import SPLITS, Dataset, Groups, ImageClass
from workbench.data.files.blocks import block_checksums
from workbench.errors import DataError
from workbench.progress import Progress, Report

INDEX = "index.json"
CHECKSUM = "checksum"  # of the index itself, without this entry
HEADER = 128  # bytes before the rows of a .npy file as written here
BLANK = 0  # the hash of every image of one colour, which is not compared with others


class Note(NamedTuple):
    """What users should know of the images of a data set."""

    text: str
    grave: bool  # it changes results, so a comparison says it too


class Table(NamedTuple):
    """The images of one split as rows, class after class."""

    images: NDArray[np.uint8]  # (rows, channels, height, width), memory-mapped
    names: tuple[str, ...]  # of the classes
    starts: NDArray[np.int64]  # (classes + 1,): class c is rows starts[c] to starts[c + 1]
    fingerprint: str  # of the content of the whole data set, all splits
    groups: Groups | None = None  # of the split's classes
    hashes: NDArray[np.uint64] = np.zeros(0, np.uint64)  # (rows,): of each image's pixels
    checksums: tuple[int, ...] = ()  # of the blocks of `images`, when they were written
    notes: tuple[Note, ...] = ()  # on the whole data set: copies, little contrast


# --- writing


def write_tables(
    folder: Path,
    dataset: Dataset,
    files: Mapping[str, Path],
    name: str,
    report: Report | None = None,
) -> dict[str, Any]:
    """Write the .npy files of all splits; a split without classes gets none.

    Returns:
        What the index says of the tables: their fingerprint, and each split's classes and groups.

    Raises:
        DataError: the data set breaks the contract.
    """
    content = hashlib.sha256()
    splits = {}
    for split in SPLITS:
        classes = dataset.classes(split, files)
        if report is not None:
            classes = _reported(classes, f"{name}, {split}", report)
        entry = _write_split(folder, split, classes, content)
        if not entry["names"]:
            continue
        groups = dataset.groups(split)
        if groups is not None:
            _check_groups(groups, split, entry["names"])
            content.update(_groups_content(split, groups))
            entry["groups"] = groups._asdict()
        splits[split] = entry
    return {"fingerprint": content.hexdigest(), "splits": splits}


def write_index(folder: Path, index: Mapping[str, Any]) -> None:
    """Write the index, which completes the folder. Values that JSON lacks are written as text."""
    text = json.dumps(index, default=str)
    whole = {**json.loads(text), CHECKSUM: hashlib.sha256(text.encode()).hexdigest()}
    (folder / INDEX).write_text(json.dumps(whole), encoding="utf-8")


def read_index(folder: Path) -> dict[str, Any]:
    """Return what `write_index` wrote.

    Raises:
        OSError, ValueError, KeyError: the index is absent or damaged.
    """
    index: dict[str, Any] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    recorded = index.pop(CHECKSUM)
    if hashlib.sha256(json.dumps(index).encode()).hexdigest() != recorded:
        raise ValueError(f"{folder / INDEX} is damaged")
    return index


def _reported(classes: Iterator[ImageClass], label: str, report: Report) -> Iterator[ImageClass]:
    done = 0
    for image_class in classes:
        yield image_class
        done += len(image_class.images)
        report(Progress(label, done, unit="images"))


def _write_split(
    folder: Path, split: str, classes: Iterator[ImageClass], content: Any
) -> dict[str, Any]:
    """Write the classes of a split to .npy files and return the split's entry in the index.

    A class is written and hashed in the background while the next one is made.
    """
    names: dict[str, None] = {}  # a dict, to find a name at once and to keep the order
    starts = [0]
    shape: tuple[int, ...] = ()
    hashes: list[NDArray[np.uint64]] = []
    path = folder / f"{split}.npy"
    with path.open("wb") as file, ThreadPoolExecutor(1) as background:
        writing = background.submit(file.write, bytes(HEADER))
        for name, images in classes:
            if name in names:
                raise DataError(f"The {split} split has two classes named {name}.")
            _check_images(name, images, shape)
            shape = images.shape[1:]
            names[name] = None
            starts.append(starts[-1] + len(images))
            writing.result()
            rows = np.array(images, order="C")  # a copy: a data set may yield one array repeatedly
            writing = background.submit(_append, file, content, split, name, rows)
            hashes.append(image_hashes(rows))
        writing.result()
        whole = (starts[-1], *shape)
        file.seek(0)
        file.write(_npy_header(whole))
    if not names:
        path.unlink()
        return {"names": []}
    np.save(_hashes_path(folder, split), np.concatenate(hashes))
    checksums = block_checksums(np.load(path, mmap_mode="r"))
    return {
        "names": list(names),
        "starts": starts,
        "shape": whole,
        "checksums": checksums,
        "hashes": block_checksums(np.concatenate(hashes)),
    }


def _hashes_path(folder: Path, split: str) -> Path:
    return folder / f"{split}.hashes.npy"


def image_hashes(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return a hash of the pixels of each image, and `BLANK` for an image of one colour."""
    hashes = np.zeros(len(images), np.uint64)
    for row, image in enumerate(images):
        if (image == image[:, :1, :1]).all():
            hashes[row] = BLANK
        else:
            digest = hashlib.blake2b(image.tobytes(), digest_size=8).digest()
            hashes[row] = int.from_bytes(digest, "little")
    return hashes


def _check_images(name: str, images: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raise `DataError` for images of a class that break the contract; `shape`: of those before."""
    if not isinstance(images, np.ndarray):
        raise DataError(
            f"The images of class {name} must be a numpy array, not {type(images).__name__}."
        )
    if images.dtype != np.uint8 or images.ndim != 4 or len(images) == 0:
        raise DataError(
            f"The images of class {name} must be uint8 of shape (n > 0, channels, height, width), "
            f"not {images.dtype} {images.shape}."
        )
    question = channels_question(images.shape[1:])
    if question:
        raise DataError(f"The images of class {name} are {images.shape[1:]}: {question}")
    if shape and images.shape[1:] != shape:
        raise DataError(
            f"The images of class {name} have shape {images.shape[1:]}, "
            f"those of the classes before it {shape}."
        )


def channels_question(shape: tuple[int, ...]) -> str:
    """Return a question if (channels, height, width) looks like (height, width, channels), or "".

    Colour images are one, greyscale images only where the other two are equal: a signal of 64
    channels may have a width of 1.
    """
    channels, height, width = shape
    coloured = width in (3, 4) and channels > 4 and height > 4
    grey = width == 1 and channels == height and channels > 4
    if not coloured and not grey:
        return ""
    return (
        f"are the channels last? The order is (channels, height, width), so they would have "
        f"{channels} channels of {height} x {width} pixels; write images.transpose(0, 3, 1, 2)"
    )


def _check_groups(groups: Groups, split: str, names: list[str]) -> None:
    known = set(names)
    for group in groups.members:
        for member in group:
            if member not in known:
                raise DataError(
                    f"A group of the {split} split contains {member}, "
                    f"which is not one of the {len(names)} classes of the split."
                )


def _append(file: BinaryIO, content: Any, split: str, name: str, rows: NDArray[np.uint8]) -> int:
    content.update(_heading(split, name, rows))
    content.update(rows.data)
    return file.write(rows.data)


def _npy_header(shape: tuple[int, ...]) -> bytes:
    # not written by numpy, because its length must be known before the number of rows is
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    magic = b"\x93NUMPY\x01\x00" + struct.pack("<H", HEADER - 10)
    return magic + f"{text:<{HEADER - 11}}\n".encode()


# --- the fingerprint: a hash of each class and, because tasks depend on them, of the groups


def _heading(split: str, name: str, images: NDArray[np.uint8]) -> bytes:
    return f"{split}\0{name}\0{images.shape}\0".encode()


def _groups_content(split: str, groups: Groups) -> bytes:
    return f"{split}\0groups\0{json.dumps(groups)}\0".encode()


def fingerprint_of(tables: Mapping[str, Table]) -> str:
    """Return the fingerprint of the images that the tables contain now.

    It differs from the recorded `fingerprint` if the files were changed after they were written.
    """
    content = hashlib.sha256()
    for split, table in tables.items():
        for number, name in enumerate(table.names):
            images = table.images[table.starts[number] : table.starts[number + 1]]
            content.update(_heading(split, name, images) + images.tobytes())
        if table.groups is not None:
            content.update(_groups_content(split, table.groups))
    return content.hexdigest()


# --- reading


def load_tables(folder: Path) -> dict[str, Table] | None:
    """Open the tables in a folder; return None if they are absent, incomplete or damaged.

    Of the images, only sizes and shapes are compared; see `is_intact` for their content.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        index = read_index(folder)
        tables = {}
        for split, entry in index["splits"].items():
            table = _load_split(folder, split, entry)
            if table is None:
                return None
            notes = tuple(Note(*note) for note in index.get("notes", ()))
            tables[split] = table._replace(fingerprint=index["fingerprint"], notes=notes)
        return tables or None
    return None


def _load_split(folder: Path, split: str, entry: Mapping[str, Any]) -> Table | None:
    path = folder / f"{split}.npy"
    shape = tuple(entry["shape"])
    if path.stat().st_size != HEADER + int(np.prod(shape)):
        return None
    # copy on write: the file stays as it is, and torch does not warn about a read-only array
    images = np.load(path, mmap_mode="c")
    starts = np.asarray(entry["starts"], dtype=np.int64)
    hashes = np.load(_hashes_path(folder, split))
    if images.shape != shape or images.dtype != np.uint8 or starts[-1] != len(images):
        return None
    if hashes.shape != shape[:1] or block_checksums(hashes) != entry["hashes"]:
        return None
    groups = None
    if entry.get("groups"):
        members = tuple(tuple(group) for group in entry["groups"]["members"])
        groups = Groups(members, entry["groups"]["whole"])
    return Table(
        images=images,
        names=tuple(entry["names"]),
        starts=starts,
        fingerprint="",
        groups=groups,
        hashes=hashes,
        checksums=tuple(entry["checksums"]),
    )


def is_intact(table: Table) -> bool:
    """Return whether the images are those that were written. All of them are read."""
    return tuple(block_checksums(table.images)) == table.checksums

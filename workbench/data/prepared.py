"""Data sets: from archives and folders to uint8 images by class, prepared once and memory-mapped.

A `Dataset` (a plugin's class) knows how to read its files into classes of images. `prepare` runs it
once for each choice of options and keeps the result, one `.npy` a split and an index, in
`<cache>/prepared`. A prepared folder is complete or absent: it is written under a temporary name and
renamed.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.data.cache import cache_folder, disk_errors
from workbench.data.dataset import SPLITS, Dataset, Groups, ImageClass, chosen_options
from workbench.data.files.archive import scratch
from workbench.data.files.checksum import checksum
from workbench.data.files.containers import steady
from workbench.errors import DataError

FORMAT = 2  # of a prepared folder; raise it when what `prepare` or `decode` writes changes
HEADER = 128  # bytes before the rows of a .npy file as written here
Progress = Callable[[str, int], None]  # a label, and how many images under that label are done


class Table(NamedTuple):
    """The images of one split in rows, a class after another."""

    images: NDArray[np.uint8]  # (rows, channels, height, width), memory-mapped
    names: tuple[str, ...]  # of the classes
    starts: NDArray[np.int64]  # (classes + 1,): class c is rows starts[c] to starts[c + 1]
    fingerprint: str  # of the content of the whole data set, all splits
    groups: Groups | None = None  # of the split's classes


def prepare(
    name: str,
    dataset: Dataset,
    files: Mapping[str, Path],
    checksums: Mapping[str, str] | None = None,
    *,
    progress: Progress | None = None,
) -> dict[str, Table]:
    """Return the data set's splits as memory-mapped tables, made now or by an earlier call.

    What was made before is used as long as the data set's name, options, module text, `sources` and the
    checksums of its files are the same. `checksums` are those of `files` where already known. A split
    without classes is absent. `progress` is called after each class that is made.

    A few classes at most are in memory. Tables stay readable when the cache is removed, where the system lets
    a file that is open be removed.

    Raises:
        DataError: for files as for a disk that is full or unwritable, and for files that change meanwhile.
    """
    checksums = checksums or {file: checksum(path) for file, path in files.items()}
    options = chosen_options(dataset)
    about = {
        "format": FORMAT,
        "name": name,
        "options": options,
        "files": checksums,
        "code": _code(type(dataset)),
    }
    key = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()
    folder = cache_folder() / "prepared" / f"{name.replace('/', '-')}-{key[:12]}"
    if (tables := load_prepared(folder)) is not None:
        return tables
    from filelock import FileLock

    with disk_errors(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(_lock(folder)):
            if (
                tables := load_prepared(folder)
            ) is not None:  # another process made it while this one waited
                return tables
            _sweep(folder.parent)
            with steady(*files.values()):
                _build(folder, dataset, files, about, progress)
            tables = load_prepared(folder)
    if tables is None:
        raise DataError(f"{folder} was removed while it was made; try again.")
    return tables


def _lock(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


def _part(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.part")


def _sweep(prepared: Path) -> None:
    """Remove what killed processes left half-made; where a process is at work, its lock is taken."""
    from filelock import FileLock, Timeout

    for part in prepared.glob(".*.part"):
        with suppress(Timeout), FileLock(part.with_suffix(".lock"), timeout=0):
            shutil.rmtree(part, ignore_errors=True)


def _code(cls: type[Dataset]) -> str:
    """The text that decides what the class yields: its module's, and that of the files it names."""
    module = sys.modules[cls.__module__]
    try:
        text = inspect.getsource(module)
    except (OSError, TypeError):  # typed into a notebook or a prompt: at best the class has a text
        try:
            return inspect.getsource(cls)
        except (OSError, TypeError):
            return cls.__qualname__
    beside = Path(inspect.getsourcefile(module) or "").parent
    return "\0".join(
        [text, *((beside / source).read_text(encoding="utf-8") for source in cls.sources)]
    )


def _build(
    folder: Path,
    dataset: Dataset,
    files: Mapping[str, Path],
    about: dict[str, Any],
    progress: Progress | None,
) -> None:
    """Write the prepared folder under a temporary name and rename it; the caller holds the lock."""
    part = _part(folder)
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        content = hashlib.sha256()
        splits = {}
        with scratch(part / "scratch"):
            for split in SPLITS:
                classes = _reported(
                    dataset.classes(split, files), f"{about['name']}, {split}", progress
                )
                entry = _write_split(part / f"{split}.npy", split, classes, content)
                if entry["names"]:
                    splits[split] = entry | _groups(
                        dataset.groups(split), split, entry["names"], content
                    )
        if not splits:
            raise DataError(
                f"{about['name']} has no classes in any split with options {about['options']}."
            )
        index = about | {"fingerprint": content.hexdigest(), "splits": splits}
        index["code"] = hashlib.sha256(about["code"].encode()).hexdigest()
        (part / "index.json").write_text(json.dumps(index, default=str), encoding="utf-8")
        if folder.exists():  # damaged, or it would have been used
            shutil.rmtree(folder)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _reported(
    classes: Iterator[ImageClass], label: str, progress: Progress | None
) -> Iterator[ImageClass]:
    done = 0
    for one in classes:
        yield one
        done += len(one.images)
        if progress is not None:
            progress(label, done)


def _write_split(
    path: Path, split: str, classes: Iterator[ImageClass], content: Any
) -> dict[str, Any]:
    """Stream classes into a .npy file; return its part of the index.

    One class is written and hashed while the next one is made.
    """
    names: dict[str, None] = {}
    starts = [0]
    shape: tuple[int, ...] | None = None
    with path.open("wb") as file, ThreadPoolExecutor(1) as behind:
        written = behind.submit(file.write, bytes(HEADER))
        for name, images in classes:
            if name in names:
                raise DataError(f"The class {name} is twice in the {split} split.")
            if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
                found = f"{images.dtype} {images.shape}"
                raise DataError(
                    f"The class {name} must be uint8 images (n > 0, channels, height, width), not {found}."
                )
            shape = shape or images.shape[1:]
            if images.shape[1:] != shape:
                raise DataError(
                    f"The class {name} has images of shape {images.shape[1:]}, those before it {shape}."
                )
            names[name] = None
            starts.append(starts[-1] + len(images))
            written.result()
            rows = np.array(
                images, order="C"
            )  # a copy: who yields one array again and again may do so
            written = behind.submit(
                _append, file, content, f"{split}\0{name}\0{images.shape}\0", rows
            )
        written.result()
        whole = (starts[-1], *(shape or ()))
        file.seek(0)
        file.write(_npy_header(whole))
    if not names:
        path.unlink()
    return {"names": list(names), "starts": starts, "shape": whole}


def _append(file: BinaryIO, content: Any, heading: str, rows: NDArray[np.uint8]) -> int:
    content.update(heading.encode())
    content.update(rows.data)
    return file.write(rows.data)


def _groups(groups: Groups | None, split: str, names: list[str], content: Any) -> dict[str, Any]:
    """The groups' part of the index; tasks depend on them, so they count as content."""
    if groups is None:
        return {}
    known = set(names)
    for member in (member for group in groups.members for member in group):
        if member not in known:
            raise DataError(
                f"A group of the {split} split holds {member}, which is none of its {len(names)} classes."
            )
    content.update(f"{split}\0groups\0{json.dumps(groups)}\0".encode())
    return {"groups": groups._asdict()}


def _npy_header(shape: tuple[int, ...]) -> bytes:
    # written by hand because it must keep its length when the number of rows is known at last
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    return (
        b"\x93NUMPY\x01\x00" + struct.pack("<H", HEADER - 10) + f"{text:<{HEADER - 11}}\n".encode()
    )


def load_prepared(folder: Path) -> dict[str, Table] | None:
    """Open a prepared folder; None if it is absent or anything in it is missing or of another size."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        tables = {}
        for split, entry in index["splits"].items():
            path, shape = folder / f"{split}.npy", tuple(entry["shape"])
            if path.stat().st_size != HEADER + int(np.prod(shape)):
                return None
            # copy on write: the file stays as it is, and torch does not warn of an array that is read-only
            images = np.load(path, mmap_mode="c")
            starts = np.asarray(entry["starts"], dtype=np.int64)
            if images.shape != shape or images.dtype != np.uint8 or starts[-1] != len(images):
                return None
            groups = (
                Groups(tuple(map(tuple, told["members"])), told["whole"])
                if (told := entry.get("groups"))
                else None
            )
            tables[split] = Table(
                images, tuple(entry["names"]), starts, index["fingerprint"], groups
            )
        return tables or None
    return None


def fingerprint_of(tables: Mapping[str, Table]) -> str:
    """Return the fingerprint of what the tables hold now, computed as `prepare` did when it wrote them."""
    content = hashlib.sha256()
    for split, table in tables.items():
        for label, start, stop in zip(table.names, table.starts, table.starts[1:], strict=False):
            images = table.images[start:stop]
            content.update(f"{split}\0{label}\0{images.shape}\0".encode() + images.tobytes())
        if table.groups is not None:
            content.update(f"{split}\0groups\0{json.dumps(table.groups)}\0".encode())
    return content.hexdigest()

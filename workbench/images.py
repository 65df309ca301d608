"""Data sets: from archives and folders to uint8 images by class, prepared once and memory-mapped.

A `Dataset` (a plugin's class) knows how to read its files into classes of images. `prepare` runs it
once for each choice of options and keeps the result, one `.npy` a split and an index, in
`<cache>/prepared`. A prepared folder is complete or absent: it is written under a temporary name and
renamed. An `Archive` reads members of a zip or a folder; nothing of it is ever unpacked to disk.
"""

from __future__ import annotations

import errno
import hashlib
import inspect
import io
import json
import os
import shutil
import stat
import struct
import sys
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError

SPLITS = ("train", "val", "test")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
FORMAT = 1  # of a prepared folder; raise it when what `prepare` or `decode` writes changes
HEADER = 128  # bytes before the rows of a .npy file as written here
MEMBER_LIMIT = 256 * 2**20  # bytes of one unpacked member
EXPANSION_LIMIT = 200  # times the archive's own size, all members together; images hardly shrink in a zip
PIXEL_LIMIT = 64 * 2**20  # of one image


class ImageClass(NamedTuple):
    """All images of one class."""

    name: str  # unique in its split; parts by "/", the coarsest first: "Greek/character01/rot090"
    images: NDArray[np.uint8]  # (n, channels, height, width)


class Table(NamedTuple):
    """The images of one split in rows, a class after another."""

    images: NDArray[np.uint8]  # (rows, channels, height, width), memory-mapped
    names: tuple[str, ...]  # of the classes
    starts: NDArray[np.int64]  # (classes + 1,): class c is rows starts[c] to starts[c + 1]
    fingerprint: str  # of the content of the whole data set, all splits


class Dataset(ABC):
    """Images by class in splits. Options are keyword-only constructor parameters, stored unchanged.

    A data set whose images come from files names its entry in `datasets.toml` in `manifest`; the
    entry is looked up in the plugin's own package first, then in the workbench's.
    """

    manifest: ClassVar[str] = ""
    sources: ClassVar[tuple[str, ...]] = ()  # files beside the module that decide, like its text, what it yields

    @abstractmethod
    def classes(self, split: str, files: Mapping[str, Path]) -> Iterator[ImageClass]:
        """Yield the classes of a split ("train", "val" or "test"; none is fine) in a fixed order.

        `files` maps the file names of the manifest entry to where they are: archives as downloaded,
        or folders of the archive's name without its suffix.
        """


class Archive:
    """Read-only view of the files in a zip archive or a folder, by name, sorted.

    Hidden files and what macOS adds to an archive are left out. Raises `DataError` when the archive is
    absent, empty or damaged, when a member would lie outside it or is a link, and when it would expand
    to more than any set of images does.
    """

    def __init__(self, path: Path):
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        if path.is_dir():
            self.names = tuple(sorted(_folder_members(path)))
        else:
            self._zip = _open_zip(path)
            try:
                self.names = tuple(sorted(_zip_members(path, self._zip)))
            except BaseException:
                self._zip.close()
                raise
        if not self.names:
            self.close()
            raise DataError(f"{path} holds no files.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the archive; reading from it is over."""
        if self._zip is not None:
            self._zip.close()

    def images(self) -> Iterator[str]:
        """Yield the names that end like an image's."""
        return (name for name in self.names if name.lower().endswith(SUFFIXES))

    def read(self, name: str) -> bytes:
        """Return the content of a member; its size and CRC are checked. Raises `DataError`."""
        try:
            if self._zip is None:
                return (self.path / name).read_bytes()
            return self._zip.read(name)
        except KeyError:
            raise DataError(f"{self.path} holds no {name}.") from None
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as error:
            raise DataError(f"{name} in {self.path} is damaged: {error}.") from error

    def image(self, name: str, *, size: int | None = None, channels: int = 3) -> NDArray[np.uint8]:
        """Return the decoded image `(channels, height, width)`; see `decode`. Raises `DataError`."""
        return decode(self.read(name), size=size, channels=channels, name=f"{name} in {self.path}")

    def counts(self) -> tuple[int, int, int]:
        """Return how many images there are, in how many folders, in how many folders of those."""
        images = [PurePosixPath(name) for name in self.images()]
        folders = {image.parent for image in images}
        return len(images), len(folders), len({folder.parent for folder in folders})

    def test(self) -> None:
        """Read every member and check it. Raises `DataError` at the first that is damaged."""
        for name in self.names:
            self.read(name)


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty (0 bytes).")
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is not a zip archive, or it is damaged ({path.stat().st_size:,} bytes).") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _zip_members(path: Path, archive: zipfile.ZipFile) -> Iterator[str]:
    """Check the whole table of contents before anything is read, and yield the names of files."""
    seen: set[str] = set()
    total = 0
    for member in archive.infolist():
        name = member.filename
        # zipfile has turned the platform's separator into "/"; a backslash left over is somebody's trick
        if name.startswith("/") or "\\" in name or name[1:2] == ":" or ".." in name.split("/"):
            raise DataError(f"{path} holds {name!r}, which would lie outside it; it is refused.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DataError(f"{path} holds the link {name!r}; it is refused.")
        if member.flag_bits & 1:
            raise DataError(f"{path} holds {name!r}, which is encrypted; it is refused.")
        if name in seen:
            raise DataError(f"{path} holds {name!r} twice; it is refused.")
        seen.add(name)
        total += member.file_size
        if member.file_size > MEMBER_LIMIT:
            limit = f"{MEMBER_LIMIT:,}"
            raise DataError(f"{path} holds {name!r} of {member.file_size:,} bytes, more than {limit}; it is refused.")
        if not member.is_dir() and not _hidden(name):
            yield name
    packed = path.stat().st_size
    if total > EXPANSION_LIMIT * packed:
        raise DataError(f"{path} ({packed:,} bytes) would expand to {total:,} bytes; it is refused.")


def _folder_members(path: Path) -> Iterator[str]:
    for root, folders, files in os.walk(path):
        for name in (*folders, *files):
            if os.path.islink(os.path.join(root, name)):
                raise DataError(f"{os.path.join(root, name)} is a link; a data folder may hold none.")
        inside = Path(root).relative_to(path)
        names = ((inside / name).as_posix() for name in files)
        yield from (name for name in names if not _hidden(name))


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX/")) or "/." in name


def decode(
    data: bytes, *, size: int | None = None, channels: int = 3, name: str = "the image"
) -> NDArray[np.uint8]:  # (channels, height, width)
    """Decode an image file as grey (1 channel) or RGB (3), resized to `size` x `size` by LANCZOS if given.

    Grey comes before resizing: on an image of one bit Pillow would quietly take the nearest pixel
    instead. Raises `DataError`, which calls the image by `name`, when it is none or too large.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > PIXEL_LIMIT:
                raise DataError(f"{name} has {image.width:,} x {image.height:,} pixels, too many.")
            pixels = image.convert("L" if channels == 1 else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name} is not an image that can be decoded: {error}.") from error
    if size is not None and pixels.size != (size, size):
        pixels = pixels.resize((size, size), Image.Resampling.LANCZOS)
    array = np.asarray(pixels, dtype=np.uint8)
    return array[None] if channels == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))


def cache_folder() -> Path:
    """Return the folder for downloads and prepared data: `MLW_CACHE`, else the platform's."""
    if given := os.environ.get("MLW_CACHE"):
        return Path(given).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("mlw")


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn an error of the disk below `folder` into one sentence, a `DataError`."""
    try:
        yield
    except OSError as error:
        hint = "set MLW_CACHE to another folder and try again"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(f"The disk that holds {folder} is full; free some space or {hint}.") from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise DataError(f"{folder} cannot be written ({error.strerror}); {hint}.") from error
        where = error.filename or folder
        raise DataError(f"{where} could not be read or written: {error.strerror or error}.") from error


def prepare(
    name: str, dataset: Dataset, files: Mapping[str, Path], checksums: Mapping[str, str] | None = None
) -> dict[str, Table]:
    """Return the data set's splits as memory-mapped tables, made now or by an earlier call.

    What was made before is used as long as the data set's name, options, module text, `sources` and the
    checksums of its files are the same. `checksums` are those of `files` where already known. A split
    without classes is absent. Raises `DataError`, for files as for a disk that is full or unwritable.
    """
    checksums = checksums or {file: checksum(path) for file, path in files.items()}
    options = options_of(dataset)
    about = {"format": FORMAT, "name": name, "options": options, "files": checksums, "code": _code(type(dataset))}
    key = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()
    folder = cache_folder() / "prepared" / f"{name.replace('/', '-')}-{key[:12]}"
    if (tables := _load(folder)) is not None:
        return tables
    from filelock import FileLock

    with disk_errors(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if (tables := _load(folder)) is not None:  # another process made it while this one waited
                return tables
            _build(folder, dataset, files, about)
    tables = _load(folder)
    assert tables is not None, folder
    return tables


def options_of(dataset: Dataset) -> dict[str, Any]:
    """Return the options of a data set by name: its keyword-only constructor parameters as stored."""
    parameters = inspect.signature(type(dataset).__init__).parameters.values()
    return {p.name: getattr(dataset, p.name) for p in parameters if p.kind is p.KEYWORD_ONLY}


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """Return a file's checksum, or for a folder one of its members' names and contents."""
    if path.is_dir():
        digest = hashlib.new(algorithm)
        with Archive(path) as archive:
            for name in archive.names:
                digest.update(f"{name}\0{hashlib.sha256(archive.read(name)).hexdigest()}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


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
    return "\0".join([text, *((beside / source).read_text(encoding="utf-8") for source in cls.sources)])


def _build(folder: Path, dataset: Dataset, files: Mapping[str, Path], about: dict[str, Any]) -> None:
    """Write the prepared folder under a temporary name and rename it; the caller holds the lock."""
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
    try:
        part.mkdir()
        content = hashlib.sha256()
        splits = {}
        for split in SPLITS:
            entry = _write_split(part / f"{split}.npy", split, dataset.classes(split, files), content)
            if entry["names"]:
                splits[split] = entry
        if not splits:
            raise DataError(f"{about['name']} has no classes in any split with options {about['options']}.")
        index = about | {"fingerprint": content.hexdigest(), "splits": splits}
        index["code"] = hashlib.sha256(about["code"].encode()).hexdigest()
        (part / "index.json").write_text(json.dumps(index, default=str), encoding="utf-8")
        if folder.exists():  # damaged, or it would have been used
            shutil.rmtree(folder)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write_split(path: Path, split: str, classes: Iterator[ImageClass], content: Any) -> dict[str, Any]:
    """Stream classes into a .npy file, one in memory at a time; return its part of the index."""
    names: dict[str, None] = {}
    starts = [0]
    shape: tuple[int, ...] | None = None
    with path.open("wb") as file:
        file.write(bytes(HEADER))
        for name, images in classes:
            if name in names:
                raise DataError(f"The class {name} is twice in the {split} split.")
            if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
                found = f"{images.dtype} {images.shape}"
                raise DataError(f"The class {name} must be uint8 images (n > 0, channels, height, width), not {found}.")
            shape = shape or images.shape[1:]
            if images.shape[1:] != shape:
                raise DataError(f"The class {name} has images of shape {images.shape[1:]}, those before it {shape}.")
            rows = images.tobytes()
            content.update(f"{split}\0{name}\0{images.shape}\0".encode() + rows)
            file.write(rows)
            names[name] = None
            starts.append(starts[-1] + len(images))
        whole = (starts[-1], *(shape or ()))
        file.seek(0)
        file.write(_npy_header(whole))
    if not names:
        path.unlink()
    return {"names": list(names), "starts": starts, "shape": whole}


def _npy_header(shape: tuple[int, ...]) -> bytes:
    # written by hand because it must keep its length when the number of rows is known at last
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", HEADER - 10) + f"{text:<{HEADER - 11}}\n".encode()


def _load(folder: Path) -> dict[str, Table] | None:
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
            tables[split] = Table(images, tuple(entry["names"]), starts, index["fingerprint"])
        return tables or None
    return None

"""Images in a zip archive or a folder: listed, checked, read and decoded; nothing is ever unpacked to disk."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Self

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
MEMBER_LIMIT = 256 * 2**20  # bytes of one unpacked member
EXPANSION_LIMIT = 200  # times the archive's own size, all members together; images hardly shrink in a zip
# what zipfile raises on a damaged archive, found by changing bytes at random
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, IndexError, ValueError, RuntimeError)
PIXEL_LIMIT = 64 * 2**20  # of one image


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
        except (*DAMAGE, OSError) as error:
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
    except DAMAGE as error:
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
        if not name:
            raise DataError(f"{path} holds a file without a name; it is damaged.")
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

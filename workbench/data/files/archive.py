"""Files and images in an archive or a folder: listed, checked, read and decoded.

Everything that an archive says about itself is checked before any of its files is read, and no file
is written under the name that the archive gives it. A zip and a plain tar are read in place. A
compressed tar is decompressed first; see `scratch`.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from tarfile import BLOCKSIZE
from typing import BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from workbench.data.files.containers import Container, FolderFiles, TarFiles, ZipFiles, is_tar
from workbench.data.files.decode import EVERY_LEVEL, Crop, Levels, decode
from workbench.data.files.file_state import FileState, changed
from workbench.data.files.members import printable, reading
from workbench.data.files.scratch import CHUNK, decompressed
from workbench.errors import DataError

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".bmp", ".gif", ".tif", ".tiff", ".webp"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
)
READ_LIMIT = 2**30  # bytes of a member that `read` returns
EXPANSION_LIMIT = 200  # times the archive's own size, for all members; images hardly compress
EXPANSION_FLOOR = 2**20  # bytes that any archive may expand to, because tars are padded with zeros
BUFFER = 2**16  # bytes of an open member
PORTION = 16  # images that a thread decodes in a row
COMPRESSIONS: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {  # by their first bytes
    b"\x1f\x8b": lambda file: cast(BinaryIO, gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast(BinaryIO, bz2.BZ2File(file)),
    # closed with the file below it
    b"\xfd7zXZ\x00": lambda file: cast(BinaryIO, lzma.LZMAFile(file)),  # noqa: SIM115
}


class Archive:
    """Read-only view of the files in an archive or a folder, by name.

    An archive is a zip, or a tar that may be compressed by gzip, bzip2 or xz; its content tells
    which, not its name. Hidden files and files that macOS adds to an archive are left out. Archives
    are context managers.

    Args:
        path: the archive or folder.
        file: an open file with the bytes of the archive, if they are not at `path`, which is then
            only what messages call them. The archive closes it.
        limit: how many bytes the archive may expand to; by default, 200 times its own size.

    Attributes:
        names: the names of all files, sorted.
        doubtful: those among them that may be other ones: the zip does not say how they are coded.

    Raises:
        DataError: the archive is absent, empty, damaged, cut off or encrypted; a file in it lies
            outside of it, appears twice, or is a device; it would expand to more than any set of
            images does; or there is a link in an archive, or one to nothing in a folder. When it is
            closed: the archive changed while it was open.
    """

    def __init__(self, path: Path, *, file: BinaryIO | None = None, limit: int = 0):
        self.path = path
        self._limit = limit
        self._before: FileState | None = None
        with ExitStack() as opened:
            self._container = self._open_container(file, opened)
            self.names = tuple(sorted(self._container.names()))
            self.doubtful = frozenset(self._container.doubtful)
            if not self.names:
                raise DataError(f"{path} contains no files.")
            self._close = opened.pop_all().close

    def _open_container(self, file: BinaryIO | None, opened: ExitStack) -> Container:
        if file is None and self.path.is_dir():
            return FolderFiles(self.path)
        self._file = opened.enter_context(file or _open_file(self.path))
        if file is None:
            self._before = FileState.of(os.fstat(self._file.fileno()))
        packed = self._file.seek(0, os.SEEK_END)
        self._limit = self._limit or max(EXPANSION_LIMIT * packed, EXPANSION_FLOOR)
        return _container(self._file, self.path, self._limit, opened)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, Exception):
            self.close()
        else:  # the user interrupts; a message about the archive would hide that
            self._close()

    def close(self) -> None:
        """Close the archive. Raises `DataError` if it changed since it was opened."""
        before = self._before
        if before is None:  # a folder, an archive in another one, or closed already
            self._close()
            return
        self._before = None
        now = FileState.of(os.fstat(self._file.fileno()))
        self._close()
        if now != before:
            raise DataError(changed(self.path))

    def images(self) -> Iterator[str]:
        """Yield the names of the images, told by their suffixes."""
        return (name for name in self.names if name.lower().endswith(SUFFIXES))

    def read(self, name: str) -> bytes:
        """Return the content of a file. Its size is checked, and in a zip its CRC.

        Raises:
            DataError: there is no such file, it is damaged, or it has more than `READ_LIMIT` bytes.
        """
        with reading(name, self.path):
            size = self._container.size(name)
            if size > READ_LIMIT:
                raise DataError(
                    f"{printable(name)} in {self.path} has {size:,} bytes, "
                    f"more than the {READ_LIMIT:,} that can be read at once."
                )
            with self._container.raw(name) as member:
                data = member.read(size)
                more = member.read(1)
        if more or len(data) != size:
            raise DataError(
                f"{printable(name)} in {self.path} is damaged: "
                f"it does not have the {size:,} bytes that the archive declares."
            )
        return data

    def open(self, name: str) -> BinaryIO:
        """Open a file as a seekable stream, for files that are too big to read at once.

        Close the stream before the archive. Opening it and reading from it raise `DataError`.
        """
        with reading(name, self.path):
            member = _Member(self._container.raw(name), name, self.path)
            return cast(BinaryIO, io.BufferedReader(member, BUFFER))

    def inner(self, name: str) -> Archive:
        """Open an archive inside this one. Close it before this one.

        It may expand to no more bytes than this one may. Raises `DataError`.
        """
        label = self.path / name
        with self.open(name) as packed:
            if isinstance(self._container, FolderFiles):
                return Archive(label)
            if isinstance(self._container, TarFiles):
                return Archive(label, file=self._container.raw(name), limit=self._limit)
            plain = decompressed(packed, label, self._limit)
            return Archive(label, file=plain, limit=self._limit)

    def image(
        self,
        name: str,
        *,
        size: int | None = None,
        channels: int = 3,
        crop: Crop | None = None,
        levels: Levels = EVERY_LEVEL,
    ) -> NDArray[np.uint8]:
        """Return an image `(channels, height, width)`; see `decode`.

        Raises:
            DataError: there is no such file, or it cannot be decoded.
        """
        label = f"{printable(name)} in {self.path}"
        data = self.read(name)
        return decode(data, size=size, channels=channels, crop=crop, levels=levels, name=label)

    def stack(
        self,
        names: Sequence[str],
        *,
        size: int,
        channels: int = 3,
        crops: Sequence[Crop | None] | None = None,
        levels: Levels = EVERY_LEVEL,
    ) -> NDArray[np.uint8]:
        """Return decoded images `(n, channels, size, size)` in the order of `names`.

        They are decoded by as many threads as there are cores. Raises `DataError` for the first
        image that cannot be decoded.
        """
        images = np.empty((len(names), channels, size, size), np.uint8)
        if crops is None:
            crops = [None] * len(names)

        def fill(start: int) -> None:
            for row in range(start, min(start + PORTION, len(names))):
                name, crop = names[row], crops[row]
                images[row] = self.image(
                    name, size=size, channels=channels, crop=crop, levels=levels
                )

        with ThreadPoolExecutor(_cores()) as pool:
            for _ in pool.map(fill, range(0, len(names), PORTION)):
                pass
        return images

    def counts(self) -> tuple[int, int, int]:
        """Return the numbers of images, of their folders, and of the folders of these."""
        images = [PurePosixPath(name) for name in self.images()]
        folders = {image.parent for image in images}
        return len(images), len(folders), len({folder.parent for folder in folders})

    def test(self) -> None:
        """Read and check every file. Raises `DataError` for the first that is damaged."""
        for name in self.names:
            with self.open(name) as member:
                while member.read(CHUNK):
                    pass


class _Member(io.RawIOBase):
    """A file in an archive as a stream that raises `DataError` and reads no more than asked."""

    def __init__(self, member: BinaryIO, name: str, label: Path):
        self._member = member
        self._name = name
        self._label = label

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with reading(self._name, self._label):
            return self._member.seek(offset, whence)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with reading(self._name, self._label):
            data = self._member.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._member.close()
        super().close()


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _open_file(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _container(file: BinaryIO, label: Path, limit: int, opened: ExitStack) -> Container:
    """Tell the kind of an archive by its first bytes and open it; what it opens is in `opened`."""
    head = _head(file)
    if not head:
        raise DataError(f"{label} is empty (0 bytes).")
    for magic, decompress in COMPRESSIONS.items():
        if head.startswith(magic):
            plain = opened.enter_context(decompressed(decompress(file), label, limit))
            if not is_tar(_head(plain)):
                raise DataError(f"{label} is compressed, but its content is not a tar archive.")
            return TarFiles(plain, label)
    if is_tar(head):
        return TarFiles(file, label)
    return ZipFiles(file, label, limit)


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    head = file.read(BLOCKSIZE)
    file.seek(0)
    return head

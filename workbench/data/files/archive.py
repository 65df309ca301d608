"""Images in an archive or a folder: listed, checked, read and decoded; nothing is unpacked under its own name.

A zip and a tar are read where they are. A compressed tar cannot be: it is decompressed once, into the
folder that `scratch` names or a temporary file. Everything that an archive says about itself is checked
before anything is read out of it.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import io
import lzma
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from tarfile import BLOCKSIZE
from typing import BinaryIO, Self, cast

import numpy as np
from numpy.typing import NDArray

from workbench.data.files.containers import (
    DAMAGE,
    Container,
    FileState,
    FolderFiles,
    TarFiles,
    ZipFiles,
    changed,
    is_tar,
    printable,
    reading,
    tar_index,
)
from workbench.data.files.decode import Crop, decode
from workbench.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
READ_LIMIT = 2**30  # bytes of a member that `read` returns
EXPANSION_LIMIT = 200  # times the archive's own size, all members together; images hardly shrink
EXPANSION_FLOOR = 2**20  # bytes that any archive may expand to: a tar is padded with zeros
SCRATCH_LIMIT = (
    16 * 2**30
)  # bytes kept to be read again: Fungi takes 13 GB, ChestX 45 GB in twelve archives
CHUNK = 2**20  # bytes at a time, copying
BUFFER = 2**16  # bytes of an open member
PORTION = 16  # images that a thread decodes in turn
COMPRESSIONS: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {  # by how they begin
    b"\x1f\x8b": lambda file: cast(BinaryIO, gzip.GzipFile(fileobj=file)),
    b"BZh": lambda file: cast(BinaryIO, bz2.BZ2File(file)),
    b"\xfd7zXZ\x00": lambda file: cast(BinaryIO, lzma.LZMAFile(file)),  # noqa: SIM115 - closed with the file below it
}

_scratch: ContextVar[Path | None] = ContextVar("scratch", default=None)


@contextmanager
def scratch(folder: Path) -> Iterator[None]:
    """Keep what must be decompressed in a new folder, for all archives opened meanwhile; it is removed at the end.

    When it is more than `SCRATCH_LIMIT`, what was kept longest goes.
    """
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
    folder.mkdir()
    token = _scratch.set(folder)
    try:
        yield
    finally:
        _scratch.reset(token)
        shutil.rmtree(folder, ignore_errors=True)


class Archive:
    """Read-only view of the files in an archive or a folder, by name, sorted.

    An archive is a zip, or a tar that may be compressed by gzip, bzip2 or xz, told by its content. Hidden
    files and what macOS adds to an archive are left out.

    `file` is where the bytes are, if not at `path`, which is then what messages call them; it is closed with
    the archive. `limit` is how many bytes they may expand to, if that is not for them to say.

    Raises:
        DataError: the archive is absent, empty, damaged, cut off or encrypted; a member would lie outside it,
            is there twice, is a link or a device; or it would expand to more than any set of images does.
            When closed: it changed meanwhile.
    """

    def __init__(self, path: Path, *, file: BinaryIO | None = None, limit: int = 0):
        self.path = path
        self._limit = limit
        self._before: FileState | None = None
        with ExitStack() as opened:
            self._store = self._opened(file, opened)
            self.names = tuple(sorted(self._store.names()))
            if not self.names:
                raise DataError(f"{path} holds no files.")
            self._close = opened.pop_all().close

    def _opened(self, file: BinaryIO | None, opened: ExitStack) -> Container:
        if file is None and self.path.is_dir():
            return FolderFiles(self.path)
        self._file = opened.enter_context(file or _open(self.path))
        if file is None:
            self._before = FileState.of(os.fstat(self._file.fileno()))
        packed = self._file.seek(0, os.SEEK_END)
        self._limit = self._limit or max(EXPANSION_LIMIT * packed, EXPANSION_FLOOR)
        return _store(self._file, self.path, self._limit, opened)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, Exception):
            self.close()
        else:  # somebody wants to stop; this is no time to complain
            self._close()

    def close(self) -> None:
        """Close the archive; reading from it is over. Raises `DataError` if it changed since it was opened."""
        before, self._before = self._before, None  # asked once, however often it is closed
        now = FileState.of(os.fstat(self._file.fileno())) if before else None
        self._close()
        if now != before:
            raise DataError(changed(self.path))

    def images(self) -> Iterator[str]:
        """Yield the names that end like an image's."""
        return (name for name in self.names if name.lower().endswith(SUFFIXES))

    def read(self, name: str) -> bytes:
        """Return the content of a member; its size, and in a zip its CRC, are checked. Raises `DataError`."""
        with reading(name, self.path):
            size = self._store.size(name)
            if size > READ_LIMIT:
                raise DataError(
                    f"{printable(name)} in {self.path} has {size:,} bytes, more than {READ_LIMIT:,} at once."
                )
            with self._store.raw(name) as member:
                data = member.read(size)
                more = member.read(1)
        if more or len(data) != size:
            raise DataError(
                f"{printable(name)} in {self.path} is damaged: it has not the {size:,} bytes that it should."
            )
        return data

    def open(self, name: str) -> BinaryIO:
        """Open a member as a seekable stream, for what is too big to be read at once. Raises `DataError`.

        So does reading from the stream; it must be closed before the archive is.
        """
        with reading(name, self.path):
            return cast(
                BinaryIO, io.BufferedReader(_Member(self._store.raw(name), name, self.path), BUFFER)
            )

    def inner(self, name: str) -> Archive:
        """Open an archive inside this one; close it before this one. Raises `DataError`.

        It may expand to no more than this one could.
        """
        label = self.path / name
        with self.open(name) as packed:
            if isinstance(self._store, FolderFiles):
                return Archive(label)
            if isinstance(self._store, TarFiles):
                return Archive(label, file=self._store.raw(name), limit=self._limit)
            return Archive(label, file=_spilled(packed, label, self._limit), limit=self._limit)

    def image(
        self, name: str, *, size: int | None = None, channels: int = 3, crop: Crop | None = None
    ) -> NDArray[np.uint8]:
        """Return the decoded image `(channels, height, width)`; see `decode`. Raises `DataError`."""
        label = f"{printable(name)} in {self.path}"
        return decode(self.read(name), size=size, channels=channels, crop=crop, name=label)

    def stack(
        self,
        names: Sequence[str],
        *,
        size: int,
        channels: int = 3,
        crops: Sequence[Crop | None] | None = None,
    ) -> NDArray[np.uint8]:
        """Return images in the order of `names`, `(n, channels, size, size)`, decoded by as many threads as cores.

        Raises `DataError` for the first that cannot be decoded.
        """
        images = np.empty((len(names), channels, size, size), np.uint8)

        def fill(start: int) -> None:
            for row in range(start, min(start + PORTION, len(names))):
                crop = None if crops is None else crops[row]
                images[row] = self.image(names[row], size=size, channels=channels, crop=crop)

        with ThreadPoolExecutor(_cores()) as pool:
            for _ in pool.map(fill, range(0, len(names), PORTION)):
                pass
        return images

    def counts(self) -> tuple[int, int, int]:
        """Return how many images there are, in how many folders, in how many folders of those."""
        images = [PurePosixPath(name) for name in self.images()]
        folders = {image.parent for image in images}
        return len(images), len(folders), len({folder.parent for folder in folders})

    def test(self) -> None:
        """Read every member and check it. Raises `DataError` at the first that is damaged."""
        for name in self.names:
            with self.open(name) as member:
                while member.read(CHUNK):
                    pass


class _Member(io.RawIOBase):
    """A member as a stream whose errors are sentences, and which asks for no more than is wanted."""

    def __init__(self, member: BinaryIO, name: str, label: Path):
        self._member, self._name, self._label = member, name, label

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
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _store(file: BinaryIO, label: Path, limit: int, opened: ExitStack) -> Container:
    """Tell what a file is by how it begins; what else is opened for it goes into `opened`."""
    head = _head(file)
    if not head:
        raise DataError(f"{label} is empty (0 bytes).")
    for magic, decompress in COMPRESSIONS.items():
        if head.startswith(magic):
            plain = opened.enter_context(_spilled(decompress(file), label, limit))
            if not is_tar(_head(plain)):
                raise DataError(f"{label} is compressed, but what comes out is no tar archive.")
            return TarFiles(plain, tar_index(plain, label))
    return TarFiles(file, tar_index(file, label)) if is_tar(head) else ZipFiles(file, label, limit)


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    head = file.read(BLOCKSIZE)
    file.seek(0)
    return head


def _spilled(source: BinaryIO, label: Path, limit: int) -> BinaryIO:
    """Copy a stream to where it can be read at random, at most `limit` bytes; within `scratch` only once."""
    folder = _scratch.get()
    if folder is None:
        return _copied(source, cast(BinaryIO, tempfile.TemporaryFile()), label, limit)
    place = (
        folder / hashlib.sha256(f"{type(source).__name__} {label.absolute()}".encode()).hexdigest()
    )
    if not place.exists():
        part = place.with_suffix(".part")
        _copied(source, part.open("w+b"), label, limit).close()
        part.rename(place)
        _trim(folder, place)
    return place.open("rb")


def _trim(folder: Path, newest: Path) -> None:
    kept = sorted(folder.iterdir(), key=lambda place: place.stat().st_mtime_ns)
    total = sum(place.stat().st_size for place in kept)
    for place in kept:
        if total > SCRATCH_LIMIT and place != newest:
            total -= place.stat().st_size
            with suppress(OSError):  # Windows keeps what is open
                place.unlink()


def _copied(source: BinaryIO, sink: BinaryIO, label: Path, limit: int) -> BinaryIO:
    """Fill a new file from a stream and return it; it is closed if that fails."""
    total = 0
    try:
        while chunk := source.read(CHUNK):
            total += len(chunk)
            if total > limit:
                raise DataError(
                    f"{label} would expand to more than {limit:,} bytes; it is refused."
                )
            sink.write(chunk)
        sink.flush()
    except BaseException as error:
        sink.close()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f"{_scratch.get() or tempfile.gettempdir()} is full; {label} must be decompressed there"
            raise DataError(
                f"The disk that holds {where}: free some space or set TMPDIR to another folder."
            ) from error
        if isinstance(error, (*DAMAGE, OSError)):
            raise DataError(f"{label} is damaged or cut off: {error}.") from error
        raise
    return sink

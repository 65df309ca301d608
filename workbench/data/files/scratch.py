"""Decompression of archives that can only be read from beginning to end.

A compressed tar, or an archive that a zip compressed once more, is copied to a file that can be
read at any position: in the folder of `scratch`, where it is kept, or in a temporary file in the
cache.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO, cast

from workbench.data.cache import DISK_FULL, cache_folder, disk_errors
from workbench.data.files.members import DAMAGE
from workbench.errors import DataError

# bytes kept to be read again: Fungi takes 13 GB, ChestX 45 GB in twelve archives
SCRATCH_LIMIT = 16 * 2**30
TEMPORARY = ".temporary"  # in the cache: the disk for temporary files may be small
CHUNK = 2**20  # bytes per read

_scratch: ContextVar[Path | None] = ContextVar("scratch", default=None)


@contextmanager
def scratch(folder: Path) -> Iterator[None]:
    """Keep decompressed archives in a new folder during the block; each is decompressed once.

    The folder is removed at the end. When it exceeds `SCRATCH_LIMIT` bytes, the oldest archives are
    removed from it.
    """
    shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
    folder.mkdir()
    token = _scratch.set(folder)
    try:
        yield
    finally:
        _scratch.reset(token)
        shutil.rmtree(folder, ignore_errors=True)


def decompressed(source: BinaryIO, label: Path, limit: int) -> BinaryIO:
    """Copy a stream to a file that can be read at any position, and return the open file.

    Args:
        source: the stream to read to its end.
        label: what messages call the stream; tells one stream from another in the scratch folder.
        limit: the most bytes it may have.

    Raises:
        DataError: the stream is damaged, cut off or longer than `limit`, or the disk is full.
    """
    folder = _scratch.get()
    if folder is None:
        return _copy(source, _temporary(), label, limit)
    key = f"{type(source).__name__} {label.absolute()}"
    place = folder / hashlib.sha256(key.encode()).hexdigest()
    if not place.exists():
        part = place.with_suffix(".part")
        _copy(source, part.open("w+b"), label, limit).close()
        part.rename(place)
        _trim(folder, place)
    return place.open("rb")


def _temporary() -> BinaryIO:
    """Open a new file in the cache that is removed when it is closed."""
    folder = cache_folder() / TEMPORARY
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return cast(BinaryIO, tempfile.TemporaryFile(dir=folder))


def _trim(folder: Path, newest: Path) -> None:
    """Remove the oldest files until the folder is below its limit; the newest file stays."""
    kept = sorted(folder.iterdir(), key=lambda place: place.stat().st_mtime_ns)
    total = sum(place.stat().st_size for place in kept)
    for place in kept:
        if total > SCRATCH_LIMIT and place != newest:
            total -= place.stat().st_size
            with suppress(OSError):  # Windows does not remove an open file
                place.unlink()


def _copy(source: BinaryIO, sink: BinaryIO, label: Path, limit: int) -> BinaryIO:
    """Fill a new file from a stream and return it; close it if that fails."""
    try:
        _copy_chunks(source, sink, label, limit)
    except BaseException as error:
        sink.close()
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            where = _scratch.get() or cache_folder() / TEMPORARY
            raise DataError(
                f"The disk that holds {where} is full; {label} must be decompressed there: "
                "free some space or set MLW_CACHE to another folder."
            ) from error
        if isinstance(error, (*DAMAGE, OSError)):
            raise DataError(f"{label} is damaged or cut off: {error}.") from error
        raise
    return sink


def _copy_chunks(source: BinaryIO, sink: BinaryIO, label: Path, limit: int) -> None:
    total = 0
    while chunk := source.read(CHUNK):
        total += len(chunk)
        if total > limit:
            raise DataError(f"{label} would expand to more than {limit:,} bytes; it is refused.")
        sink.write(chunk)
    sink.flush()

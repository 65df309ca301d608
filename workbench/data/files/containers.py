"""The kinds of place that files come from: a zip, parts of one file (a tar), a folder.

Each lists its regular files after checking everything that it says about itself, and opens one of them
for reading as a stream that ends where it was said to. Nothing here decides where a file would be written, for
nothing is: names are keys.
"""

from __future__ import annotations

import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import BinaryIO, NamedTuple, Protocol, Self, cast

from workbench.errors import DataError

# what readers raise on a damaged archive, found by changing bytes at random
DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    IndexError,
    ValueError,
    RuntimeError,
)
# others are not needed, and Python unpacks those at once, whatever size was declared
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class FileState(NamedTuple):
    """What differs when a file was written to or put in another's place."""

    size: int
    modified: int  # nanoseconds
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


class Container(Protocol):
    """Files by name, in some place."""

    def names(self) -> Iterable[str]:
        """Return the names of the files, without hidden ones."""

    def size(self, name: str) -> int:
        """Return the bytes that a file is said to have. Raises `KeyError`."""

    def raw(self, name: str) -> BinaryIO:
        """Open a file as a seekable stream, for reading never more at once than asked for. Raises `KeyError`."""


@contextmanager
def reading(name: str, label: Path) -> Iterator[None]:
    """Turn what readers raise about a member into one sentence, a `DataError`."""
    try:
        yield
    except KeyError:
        raise DataError(f"{label} holds no {printable(name)}.") from None
    except (*DAMAGE, OSError) as error:
        raise DataError(f"{printable(name)} in {label} is damaged: {error}.") from error


def printable(name: str) -> str:
    """Return a name as it can stand in a sentence."""
    return name if name.isprintable() else repr(name)


class ZipFiles:
    """The files of a zip archive."""

    def __init__(self, file: BinaryIO, label: Path, limit: int):
        packed = file.seek(0, os.SEEK_END)
        try:
            self._zip = zipfile.ZipFile(file)
        except (*DAMAGE, OSError) as error:
            damaged = "is not a zip archive, nor a tar, or it is damaged"
            raise DataError(f"{label} {damaged} ({packed:,} bytes).") from error
        self._members = dict(_zip_members(self._zip, label))
        total = sum(member.file_size for member in self._zip.infolist())
        if total > limit:
            raise DataError(
                f"{label} ({packed:,} bytes) would expand to {total:,} bytes; it is refused."
            )

    def names(self) -> Iterable[str]:
        return self._members

    def size(self, name: str) -> int:
        return self._members[name].file_size

    def raw(self, name: str) -> BinaryIO:
        return cast(BinaryIO, self._zip.open(self._members[name]))


def _zip_members(archive: zipfile.ZipFile, label: Path) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    seen: set[str] = set()
    for member in archive.infolist():
        name = checked_name(member.filename, label)
        mode = stat.S_IFMT(member.external_attr >> 16)  # 0 where the archive is not from Unix
        refuse_special(
            name, label, link=mode == stat.S_IFLNK, regular=mode in (0, stat.S_IFREG, stat.S_IFDIR)
        )
        if member.flag_bits & 1:
            raise DataError(f"{label} holds {name!r}, which is encrypted; it is refused.")
        if member.compress_type not in METHODS:
            how = f"compressed by method {member.compress_type}, neither stored nor deflated"
            raise DataError(f"{label} holds {name!r}, {how}; it is refused.")
        if not member.is_dir():
            refuse_twice(name, label, seen)
            if not hidden(name):
                yield name, member


class TarFiles:
    """Files that are parts of one file: `index` has for each name where it begins and its bytes."""

    def __init__(self, file: BinaryIO, index: Iterable[tuple[str, int, int]]):
        self._file = file
        self._lock = Lock()
        self._index = {name: (start, size) for name, start, size in index}

    def names(self) -> Iterable[str]:
        return self._index

    def size(self, name: str) -> int:
        return self._index[name][1]

    def raw(self, name: str) -> BinaryIO:
        return cast(BinaryIO, _Slice(self._file, self._lock, *self._index[name]))


class _Slice(io.RawIOBase):
    """A part of a file as a file of its own; threads may read several at once."""

    def __init__(self, file: BinaryIO, lock: Lock, start: int, size: int):
        self._file, self._lock, self._start, self._size = file, lock, start, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = max(0, min(len(buffer), self._size - self._at))
        with self._lock:
            self._file.seek(self._start + self._at)
            data = self._file.read(wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def is_tar(head: bytes) -> bool:
    """Tell from its first 512 bytes whether a file is a tar; one of zeros only is a tar without members."""
    if len(head) < tarfile.BLOCKSIZE:
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return not any(head)
    return True


def tar_index(file: BinaryIO, label: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, first byte and size of each file in a plain tar."""
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    seen: set[str] = set()
    try:
        with tarfile.open(
            fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as tar:
            before = -1
            while (member := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # or it would keep them all
                name = checked_name(member.name, label)
                if (
                    member.offset <= before
                    or member.size < 0
                    or member.offset_data + member.size > end
                ):
                    raise DataError(f"{label} is cut off or damaged at {name!r} ({end:,} bytes).")
                before = member.offset
                plain = (member.isreg() or member.isdir()) and not member.issparse()
                refuse_special(name, label, link=member.issym() or member.islnk(), regular=plain)
                if member.isreg():
                    refuse_twice(name, label, seen)
                    if not hidden(name):
                        yield name, member.offset_data, member.size
            last = tar.offset
    except (*DAMAGE, OSError) as error:
        raise DataError(f"{label} is not a whole tar archive ({end:,} bytes): {error}.") from error
    file.seek(last)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or any(block):  # tarfile takes any end for the end
        raise DataError(f"{label} is cut off or damaged at byte {last:,} of {end:,}.")


class FolderFiles:
    """The regular files below a folder."""

    def __init__(self, path: Path):
        self._path = path
        self._members = dict(_folder_members(path))

    def names(self) -> Iterable[str]:
        return self._members

    def size(self, name: str) -> int:
        return self._members[name].size

    def raw(self, name: str) -> BinaryIO:
        listed = self._members[name]
        file = (self._path / name).open("rb")
        if FileState.of(os.fstat(file.fileno())) != listed:
            file.close()
            raise DataError(changed(self._path / name))
        return file


def _folder_members(path: Path) -> Iterator[tuple[str, FileState]]:
    def stop(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.")

    for root, folders, files in os.walk(path, onerror=stop):
        folders[:] = [name for name in folders if not hidden(name)]
        for name in (*folders, *files):
            if hidden(name):
                continue
            place = Path(root, name)
            status = place.lstat()
            inside = checked_name(place.relative_to(path).as_posix(), path)
            kind = stat.S_IFMT(status.st_mode)
            refuse_special(
                inside,
                path,
                link=kind == stat.S_IFLNK,
                regular=kind in (stat.S_IFREG, stat.S_IFDIR),
            )
            if kind == stat.S_IFREG:
                yield inside, FileState.of(status)


# --- what is refused, wherever it is


def checked_name(name: str, label: Path) -> str:
    """Return a member's name without "." and doubled "/". Raises `DataError` if it could lie elsewhere."""
    drive = name[1:2] == ":" and name[0].isalpha()
    if name.startswith("/") or "\\" in name or drive or ".." in name.split("/"):
        raise DataError(f"{label} holds {name!r}, which would lie outside it; it is refused.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(f"{label} holds {name!r}, which is not UTF-8; rename it.") from None
    if not name:
        raise DataError(f"{label} holds a file without a name; it is damaged.")
    return str(PurePosixPath(name))


def refuse_special(name: str, label: Path, *, link: bool, regular: bool) -> None:
    """Raise `DataError` for a member that is a link, or neither a regular file nor a folder."""
    if link:
        raise DataError(f"{label} holds the link {name!r}; it is refused.")
    if not regular:
        raise DataError(f"{label} holds {name!r}, neither a file nor a folder; it is refused.")


def refuse_twice(name: str, label: Path, seen: set[str]) -> None:
    """Raise `DataError` if the name was seen, and add it."""
    if name in seen:
        raise DataError(f"{label} holds {name!r} twice; it is refused.")
    seen.add(name)


def hidden(name: str) -> bool:
    """Tell whether a file is of no interest: hidden, in a hidden folder, or added by macOS."""
    return name.startswith((".", "__MACOSX/")) or name == "__MACOSX" or "/." in name


# --- what changes meanwhile


@contextmanager
def steady(*paths: Path) -> Iterator[None]:
    """Watch files that are read in the block. Raises `DataError` at its end if one changed, or is another."""
    before = [FileState.of(path.stat()) for path in paths]
    yield
    for path, state in zip(paths, before, strict=True):
        if FileState.of(path.stat()) != state:
            raise DataError(changed(path))


def changed(path: Path) -> str:
    """Say that a file is not what it was."""
    return f"{path} changed while it was read; wait until nothing writes to it and type the same command again."

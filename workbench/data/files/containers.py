"""Containers of files: a zip archive, a tar archive, a folder.

Each lists its regular files after it has checked everything that the container says about itself,
and opens one of them as a stream that ends where the container said it would.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import BinaryIO, NamedTuple, Protocol, cast

from workbench.data.files.file_state import FileState, changed
from workbench.data.files.members import (
    DAMAGE,
    checked_name,
    is_hidden,
    refuse_duplicate,
    refuse_special,
)
from workbench.errors import DataError

# No data set needs others, and Python unpacks those at once, whatever size was declared.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
UTF8 = 0x800  # the flag of a member of a zip whose name is coded so


class Container(Protocol):
    """Files by name.

    `doubtful` are the names that may be other ones, for a zip may not say how its names are coded.
    """

    doubtful: tuple[str, ...]

    def names(self) -> Iterable[str]:
        """Return the names of the files, without hidden ones."""

    def size(self, name: str) -> int:
        """Return the size in bytes that the container declares. Raises `KeyError`."""

    def raw(self, name: str) -> BinaryIO:
        """Open a file as a seekable stream that reads no more than asked. Raises `KeyError`."""


# --- zip


class ZipFiles:
    """The files of a zip archive."""

    def __init__(self, file: BinaryIO, label: Path, limit: int):
        packed = file.seek(0, os.SEEK_END)
        try:
            self._zip = zipfile.ZipFile(file)
        except (*DAMAGE, OSError) as error:
            raise DataError(
                f"{label} ({packed:,} bytes) is not a zip or tar archive, or it is damaged."
            ) from error
        unsaid = [member for member in self._zip.infolist() if not _says_coding(member)]
        # all or none: a Chinese name may be valid UTF-8 by chance, but hardly all are
        utf8 = all(_as_utf8(member) is not None for member in unsaid)
        self._members = dict(_zip_members(self._zip, label, utf8=utf8))
        self.doubtful: tuple[str, ...] = ()
        if not (utf8 and _are_surely_utf8(unsaid)):
            in_doubt = [name for name, each in self._members.items() if not _says_coding(each)]
            self.doubtful = tuple(in_doubt)
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


def _says_coding(member: zipfile.ZipInfo) -> bool:
    """Return whether a name is sure: ASCII, flagged as UTF-8, or given again in an extra field."""
    flagged = bool(member.flag_bits & UTF8)
    return flagged or member.filename.isascii() or member.filename != member.orig_filename


def _as_utf8(member: zipfile.ZipInfo) -> str | None:
    """Return a name that was read as CP437 as UTF-8; None if its bytes are not that."""
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return None


def _zip_members(
    archive: zipfile.ZipFile, label: Path, *, utf8: bool
) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    """Yield the files and their names; those of unsaid coding are UTF-8, or else CP437."""
    seen: set[str] = set()
    for member in archive.infolist():
        name = member.filename
        if utf8 and not _says_coding(member):
            name = _as_utf8(member) or name
        name = checked_name(name, label)
        mode = stat.S_IFMT(member.external_attr >> 16)  # 0 if the archive is not from Unix
        regular = mode in (0, stat.S_IFREG, stat.S_IFDIR)
        refuse_special(name, label, link=mode == stat.S_IFLNK, regular=regular)
        _refuse_unreadable(member, name, label)
        if member.is_dir():
            continue
        refuse_duplicate(name, label, seen)
        if not is_hidden(name):
            yield name, member


def _refuse_unreadable(member: zipfile.ZipInfo, name: str, label: Path) -> None:
    if member.flag_bits & 1:
        raise DataError(f"{label} contains {name!r}, which is encrypted; it is refused.")
    if member.compress_type not in METHODS:
        raise DataError(
            f"{label} contains {name!r}, compressed by method {member.compress_type}, "
            "neither stored nor deflated; it is refused."
        )


def _are_surely_utf8(members: Iterable[zipfile.ZipInfo]) -> bool:
    """Return whether names that are valid UTF-8 can hardly be so by chance.

    A seventh of the common Chinese characters in GBK (lead C2 to DF of B0 to F7, trail A1 to BF of
    A1 to FE) are valid two-byte characters of UTF-8, so three are by chance in 1 of 400 archives.
    No character of GBK alone is a longer one.
    """
    found = set("".join(_as_utf8(member) or "" for member in members))
    beyond_ascii = [character for character in found if not character.isascii()]
    return len(beyond_ascii) >= 3 or any(character >= "\u0800" for character in beyond_ascii)


# --- tar


class TarMember(NamedTuple):
    """Where the bytes of a file in a tar archive are."""

    start: int
    size: int


class TarFiles:
    """The files of a tar archive that is not compressed."""

    doubtful: tuple[str, ...] = ()  # names that are not UTF-8 are refused

    def __init__(self, file: BinaryIO, label: Path):
        self._file = file
        self._lock = Lock()
        self._members = dict(_tar_members(file, label))

    def names(self) -> Iterable[str]:
        return self._members

    def size(self, name: str) -> int:
        return self._members[name].size

    def raw(self, name: str) -> BinaryIO:
        return cast(BinaryIO, _Slice(self._file, self._lock, self._members[name]))


class _Slice(io.RawIOBase):
    """A part of a file as a file of its own; threads may read several at once."""

    def __init__(self, file: BinaryIO, lock: Lock, member: TarMember):
        self._file = file
        self._lock = lock
        self._start, self._size = member
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origins = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}
        self._at = max(0, origins[whence] + offset)
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
    """Return whether a file that begins with these 512 bytes is a tar.

    A block of zeros is a tar without members.
    """
    if len(head) < tarfile.BLOCKSIZE:
        return False
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return not any(head)
    return True


def _tar_members(file: BinaryIO, label: Path) -> Iterator[tuple[str, TarMember]]:
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    seen: set[str] = set()
    try:
        with tarfile.open(
            fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape"
        ) as tar:
            for member in _tar_headers(tar, label, end):
                name = checked_name(member.name, label)
                plain = (member.isreg() or member.isdir()) and not member.issparse()
                refuse_special(name, label, link=member.issym() or member.islnk(), regular=plain)
                if not member.isreg():
                    continue
                refuse_duplicate(name, label, seen)
                if not is_hidden(name):
                    yield name, TarMember(member.offset_data, member.size)
            last = tar.offset
    except (*DAMAGE, OSError) as error:
        raise DataError(
            f"{label} is not a complete tar archive ({end:,} bytes): {error}."
        ) from error
    _check_end_mark(file, label, last, end)


def _tar_headers(tar: tarfile.TarFile, label: Path, end: int) -> Iterator[tarfile.TarInfo]:
    """Yield the headers of a tar of `end` bytes, in order and inside of it."""
    before = -1
    member = tar.next()
    while member is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # otherwise it keeps them all
        inside = member.size >= 0 and member.offset_data + member.size <= end
        if member.offset <= before or not inside:
            name = checked_name(member.name, label)
            raise DataError(f"{label} is cut off or damaged at {name!r} ({end:,} bytes).")
        before = member.offset
        yield member
        member = tar.next()


def _check_end_mark(file: BinaryIO, label: Path, last: int, end: int) -> None:
    """Raise `DataError` if no block of zeros follows the last member; tarfile does not look."""
    file.seek(last)
    block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE or any(block):
        raise DataError(f"{label} is cut off or damaged at byte {last:,} of {end:,}.")


# --- folder


class FolderFiles:
    """The regular files below a folder. Links are followed, for hubs and versions are kept so."""

    doubtful: tuple[str, ...] = ()

    def __init__(self, path: Path):
        self._path = path
        self._members = dict(_folder_members(path))

    def names(self) -> Iterable[str]:
        return self._members

    def states(self) -> Mapping[str, FileState]:
        """Return the size and time of each file."""
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

    for root, folders, files in os.walk(path, onerror=stop, followlinks=True):
        folders[:] = [name for name in folders if not is_hidden(name) and not _loops(root, name)]
        for name in (*folders, *files):
            if is_hidden(name):
                continue
            place = Path(root, name)
            status = _status(place, path)
            inside = checked_name(place.relative_to(path).as_posix(), path)
            kind = stat.S_IFMT(status.st_mode)
            regular = kind in (stat.S_IFREG, stat.S_IFDIR)
            refuse_special(inside, path, link=False, regular=regular)
            if kind == stat.S_IFREG:
                yield inside, FileState.of(status)


def _loops(root: str, name: str) -> bool:
    """Return whether a folder is a link to one that it lies in."""
    place = Path(root, name)
    if not place.is_symlink():
        return False
    target = place.resolve()
    return any(target == parent.resolve() for parent in place.parents)


def _status(place: Path, folder: Path) -> os.stat_result:
    """Return the status of what a path or a link leads to."""
    try:
        return place.stat()
    except FileNotFoundError:
        if not place.is_symlink():
            raise DataError(changed(place)) from None
        raise DataError(
            f"{folder} contains the link {place.relative_to(folder).as_posix()!r}, and "
            f"{os.readlink(place)}, which it leads to, is not there; fetch that file or remove "
            "the link."
        ) from None
    except OSError as error:
        raise DataError(f"{place} cannot be read: {error.strerror}.") from error

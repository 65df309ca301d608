"""Which members of an archive or a folder are read, and which are refused.

Members are never written under their own names: a name is a key. It is checked all the same,
because an archive with such a name was made by mistake or to do harm.
"""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from workbench.errors import DataError

# what readers raise for a damaged archive; found by changing bytes at random
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
# files and folders of network disks, systems and photo programs, in lower case; their images are
# thumbnails, or what was thrown away
SYSTEM_NAMES = frozenset(
    (
        *("__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini"),
        *("@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot"),
        *("$recycle.bin", "system volume information", "lost+found"),
    )
)
SYSTEM_SUFFIXES = (".lrdata",)


@contextmanager
def reading(name: str, label: Path) -> Iterator[None]:
    """Turn an error of a reader into a `DataError` that names the member and its archive."""
    try:
        yield
    except KeyError:
        raise DataError(f"{label} contains no {printable(name)}.") from None
    except (*DAMAGE, OSError) as error:
        raise DataError(f"{printable(name)} in {label} is damaged: {error}.") from error


def printable(name: str) -> str:
    """Return a name as it can be printed in a sentence."""
    if name.isprintable():
        return name
    return repr(name)


def checked_name(name: str, label: Path) -> str:
    """Return the name of a member without "." and doubled "/".

    Raises:
        DataError: the name is empty, is not text, or points outside the archive.
    """
    has_drive = name[1:2] == ":" and name[0].isalpha()
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or has_drive or ".." in parts:
        raise DataError(f"{label} contains {name!r}, which lies outside of it; it is refused.")
    if "\\" in name and label.is_dir():
        raise DataError(f"{label} contains {name!r}: it has a backslash; rename it.")
    if "\\" in name:
        raise DataError(
            f"{label} contains {name!r}: it has a backslash, which some programs for Windows write "
            "where a slash belongs. Unpack it there, and pack it again or give the folder."
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(f"{label} contains {name!r}, which is not UTF-8; rename it.") from None
    if not name:
        raise DataError(f"{label} contains a file without a name; it is damaged.")
    return str(PurePosixPath(name))


def refuse_special(name: str, label: Path, *, link: bool, regular: bool) -> None:
    """Raise `DataError` for a member that is a link, or neither a regular file nor a folder."""
    if link:
        raise DataError(f"{label} contains the link {name!r}; it is refused.")
    if not regular:
        raise DataError(f"{label} contains {name!r}, neither a file nor a folder; it is refused.")


def refuse_duplicate(name: str, label: Path, seen: set[str]) -> None:
    """Raise `DataError` if the name was seen before; remember it otherwise."""
    if name in seen:
        raise DataError(f"{label} contains {name!r} twice; it is refused.")
    seen.add(name)


def is_hidden(name: str) -> bool:
    """Return whether a file is ignored: hidden, or in a hidden folder or one that a system made."""
    for part in name.lower().split("/"):
        if part.startswith(".") or part in SYSTEM_NAMES or part.endswith(SYSTEM_SUFFIXES):
            return True
    return False

"""The state of a user's originals that is cheap to read: names, sizes and times, not contents."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from workbench.data.files.archive import SUFFIXES
from workbench.data.files.containers import FolderFiles
from workbench.data.files.file_state import FileState
from workbench.data.image_folder.table_file import LISTS, TABLES


def state_of(origin: Path) -> str:
    """Return a checksum of the names, sizes and times of the images and tables of a folder.

    Of an archive it is that of its own name, size and time. It is "" for a folder without images:
    a disk may not be mounted there now.

    Raises:
        DataError: the folder cannot be read.
    """
    if origin.is_dir():
        files = FolderFiles(origin).states()
        if not any(name.lower().endswith(SUFFIXES) for name in files):
            return ""
    else:
        files = {origin.name: FileState.of(origin.stat())}
    return _checksum(files, everything=origin.is_file())


def _checksum(files: Mapping[str, FileState], *, everything: bool) -> str:
    digest = hashlib.sha256()
    for name, state in sorted(files.items()):
        if everything or name.lower().endswith((*SUFFIXES, *TABLES, *LISTS)):
            digest.update(f"{name}\0{state.size}\0{state.modified}\n".encode())
    return digest.hexdigest()

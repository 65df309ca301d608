"""The checksums of the files in run folders, and the deletion of a folder."""

from __future__ import annotations

import secrets
import shutil
import time
from functools import lru_cache
from pathlib import Path

from workbench.data.files.file_state import FileState
from workbench.storage import file_checksum

WEIGHTS = "weights.safetensors"
RECENT = 1_000_000_000  # nanoseconds in which two writes may have one time


def checksum_of(path: Path) -> str:
    """Return the SHA-256 of a file, computed once in a process for each state of the file.

    Raises:
        OSError: it cannot be read.
    """
    state = FileState.of(path.stat())
    if time.time_ns() - state.modified < RECENT:
        return file_checksum(path)
    return _checksum_in(path.absolute(), state)


@lru_cache(maxsize=256)
def _checksum_in(path: Path, _state: FileState) -> str:
    return file_checksum(path)


def lock_of(folder: Path) -> Path:
    """Return the lock that a training of a run folder holds; it lies beside the folder."""
    return folder.with_name(f".{folder.name}.lock")


def delete_run(folder: Path) -> None:
    """Delete a run folder, and what is left of one whose deletion was stopped.

    It is renamed first, so that no half of it is ever taken for a run.
    """
    if folder.exists():
        folder.rename(folder.with_name(f".{folder.name}.{secrets.token_hex(8)}.old"))
    for old in folder.parent.glob(f".{folder.name}.*.old"):
        shutil.rmtree(old)

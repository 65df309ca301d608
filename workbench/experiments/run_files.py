"""The checksums of the files in run folders."""

from __future__ import annotations

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

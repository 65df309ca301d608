"""Facts of the files in run folders: checksums, and when an evaluation was written."""

from __future__ import annotations

import time
import tomllib
from functools import lru_cache
from pathlib import Path

from workbench.data.files.file_state import FileState
from workbench.storage import file_checksum

# A key in the TOML beside an evaluation: when it was, in nanoseconds since 1970. The time of the
# file itself is another after the folder was copied.
WRITTEN = "written"
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


def written_at(evaluation: Path) -> int:
    """Return when an evaluation was written; the time of its file, if no record says it."""
    try:
        record = tomllib.loads(evaluation.with_suffix(".toml").read_text(encoding="utf-8"))
        return int(record[WRITTEN])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return evaluation.stat().st_mtime_ns

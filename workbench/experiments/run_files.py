"""Facts of the files in run folders: checksums, and when an evaluation was written."""

from __future__ import annotations

import time
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.data.files.file_state import FileState
from workbench.errors import DataError
from workbench.experiments.manifest import RunManifest
from workbench.plugin.options import options_text
from workbench.storage import file_checksum

if TYPE_CHECKING:
    import pandas as pd

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


def read_evaluation(path: Path, manifest: RunManifest) -> pd.DataFrame | None:
    """Read an evaluation of a run; None if the file has another schema version.

    Raises:
        DataError: the file is damaged, has the rows of another run, or numbers that cannot be.
    """
    from workbench.results.frame import read_tasks

    frame = read_tasks(path)
    if frame is None:
        return None
    plan = manifest.plan
    of_the_run = {
        "algorithm": plan.algorithm,
        "all_options": options_text(dict(sorted(plan.options.items()))),
        "train_seed": plan.seed,
        "train_fingerprint": manifest.fingerprint,
    }
    wrong = [name for name, value in of_the_run.items() if (frame[name] != value).any()]
    if wrong:
        raise DataError(f"{path} is of another run ({', '.join(wrong)} differs); delete it")
    if not frame["accuracy"].between(0, 1).all() or frame.duplicated(["task", "instance"]).any():
        raise DataError(f"{path} has accuracies or tasks that cannot be; delete it")
    return frame

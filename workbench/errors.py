"""What can go wrong, each with one sentence for a person.

    WorkbenchError          exit 1: something here or in the data is not as it must be
    ├── DataError           a data set is absent, damaged, or too small for what was asked
    │   └── ChecksumError   a file is not the published one
    ├── PluginError         a plugin is broken, or two claim one name
    ├── RunError            a run folder is absent, unreadable, or of another version
    ├── TrainingError       training cannot go on
    └── UsageError          exit 2: what was typed or passed cannot be meant
        └── UnknownName     no such algorithm, backbone, data set or option

Every message gives the numbers or names involved and, where there is one, the next command to type.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "ChecksumError",
    "DataError",
    "PluginError",
    "RunError",
    "TrainingError",
    "UnknownName",
    "UsageError",
    "WorkbenchError",
]


class WorkbenchError(Exception):
    """Base of all errors meant for the user; `exit_code` is what the command line exits with."""

    exit_code = 1


class DataError(WorkbenchError):
    """A data set is absent, damaged, or too small for what was asked of it."""


class ChecksumError(DataError):
    """A file's size or checksum is not the published one."""


class PluginError(WorkbenchError):
    """A plugin is broken, or two plugins claim one name."""


class RunError(WorkbenchError):
    """A run folder is absent, unreadable, or written by another version."""


class TrainingError(WorkbenchError):
    """Training cannot go on, for instance because the loss is not a number."""


class UsageError(WorkbenchError):
    """What was typed or passed cannot be meant."""

    exit_code = 2


class UnknownName(UsageError):
    """A name that nobody registered; the message offers the nearest and lists what there is."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = ""):
        known = sorted(known)
        nearest = get_close_matches(name, known, n=1, cutoff=0.5)
        guess = f" Did you mean {nearest[0]}?" if nearest else ""
        listing = f" There are: {', '.join(known)}." if known else " There are none."
        super().__init__(
            f"There is no {kind} {name!r}.{guess}{listing}{' ' + hint if hint else ''}"
        )

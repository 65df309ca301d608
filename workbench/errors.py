"""The errors of the workbench.

    WorkbenchError          exit code 1: base class
    ├── DataError           a data set is missing, damaged, or too small
    │   └── ChecksumError   a file differs from the published one
    ├── PluginError         a plugin is broken
    ├── RunError            a run folder is missing, unreadable, or from another version
    ├── TrainingError       training cannot continue
    └── UsageError          exit code 2: invalid arguments
        └── UnknownName     no such algorithm, backbone, data set or protocol

Each message is one or two sentences with the numbers or names involved and, if there is one, the
next command to run.
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


FEW = 12  # names that a sentence can list after it has said which one is meant


class WorkbenchError(Exception):
    """Base class of all errors meant for users. The command line exits with `exit_code`."""

    exit_code = 1


class DataError(WorkbenchError):
    """A data set is missing, damaged, or too small for the tasks."""


class ChecksumError(DataError):
    """The size or checksum of a file differs from the published one."""


class PluginError(WorkbenchError):
    """A plugin is broken."""


class RunError(WorkbenchError):
    """A run folder is missing, unreadable, or from another version."""


class TrainingError(WorkbenchError):
    """Training cannot continue, for instance because the loss is not a number."""


class UsageError(WorkbenchError):
    """An argument is invalid."""

    exit_code = 2


class UnknownName(UsageError):
    """No plugin registered a name. The message suggests the nearest name, or lists all.

    Args:
        kind: what is named: "algorithm", "backbone", "data set".
        known: the names that there are.
        hint: a last sentence.
        meant: the name that was probably meant; if omitted, the only one that begins so, or the one
            that is spelt most like it.
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], hint: str = "", *, meant: str = ""
    ):
        known = sorted(known)
        sentences = [f"There is no {kind} {name!r}."]
        meant = meant or _likely(name, known)
        if meant:
            sentences.append(f"Did you mean {meant}?")
        if not meant or len(known) <= FEW:
            sentences.append(f"Available: {', '.join(known) or 'none'}.")
        if hint:
            sentences.append(hint)
        super().__init__(" ".join(sentences))


def _likely(name: str, known: list[str]) -> str:
    """Return the only name that begins so, or the one that is spelt most like it; "" if none is."""
    beginning = [each for each in known if each.startswith(name)]
    if len(beginning) == 1 and name:
        return beginning[0]
    return next(iter(get_close_matches(name, known, n=1, cutoff=0.5)), "")


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error says that memory is short; torch has no type of its own on a CPU."""
    words = ("can't allocate memory", "not enough memory", "out of memory")
    return isinstance(error, MemoryError) or any(each in str(error) for each in words)

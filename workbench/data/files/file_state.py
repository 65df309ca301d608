"""Changes of a file while it is read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from workbench.errors import DataError


class FileState(NamedTuple):
    """What differs after a file was written to or replaced by another."""

    size: int
    modified: int  # nanoseconds
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Return the state that `os.stat` reports."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


@contextmanager
def refuse_changes(*paths: Path) -> Iterator[None]:
    """Raise `DataError` at the end of the block if one of the files was changed or replaced."""
    before = [FileState.of(path.stat()) for path in paths]
    yield
    for path, state in zip(paths, before, strict=True):
        if FileState.of(path.stat()) != state:
            raise DataError(changed(path))


def changed(path: Path) -> str:
    """Return the message for a file that changed."""
    return (
        f"{path} changed while it was read; "
        "wait until nothing writes to it and run the same command again."
    )

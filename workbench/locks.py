"""Locks between processes: who holds one is said before another process waits for it.

The holder's line is in a file of its own beside the lock, `.NAME.holder`, because a process that
waits may empty the lock file. Who is told nothing else of a long wait is told by Python's logging,
which writes a warning to standard error.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from workbench.storage import write_file

LOG = logging.getLogger(__name__)
PATIENCE = 1.0  # seconds that a process waits without a word


@contextmanager
def locked(path: Path, note: Callable[[str], None] = LOG.warning) -> Iterator[None]:
    """Hold a lock for the time of a block; wait until no other process holds it.

    Args:
        path: the lock file; its folder must exist.
        note: told who holds the lock and since when, if this process has to wait for longer than
            `PATIENCE`.

    Raises:
        OSError: the lock file cannot be written, or its file system has no locks.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        note(f"waiting for {_holder(path)}, which holds {path}")
        lock.acquire()
    holder = holder_file(path)
    try:
        # the line is for people: the lock holds without it
        with suppress(OSError):
            write_file(holder, _write_holder)
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


@contextmanager
def locked_now(path: Path) -> Iterator[str]:
    """Hold a lock for the time of a block, unless another process holds it.

    Yields:
        Who holds it, then without this process; "" if it is held by this one.

    Raises:
        OSError: as `locked`.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield _holder(path)
        return
    try:
        yield ""
    finally:
        lock.release()


def holder_file(path: Path) -> Path:
    """Return the file that says who holds a lock: `.NAME.holder` for `.NAME.lock`."""
    return path.with_suffix(".holder")


def _write_holder(path: Path) -> None:
    since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
    line = f"process {os.getpid()} on {socket.gethostname()}, since {since}"
    path.write_text(line, encoding="utf-8")


def _holder(path: Path) -> str:
    """Return the holder's line; it may not be written yet, or be gone already."""
    try:
        return holder_file(path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return "another process"

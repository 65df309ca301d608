"""The cache folder: downloads, prepared images, and records of a user's own images."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.environment import CACHE
from workbench.errors import DataError

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


def cache_folder() -> Path:
    """Return the cache folder: `MLW_CACHE` if it is set, otherwise the platform's own.

    Raises:
        DataError: neither is known, because there is no home folder.
    """
    from platformdirs import user_cache_path

    chosen = os.environ.get(CACHE)
    try:
        if chosen:
            return Path(chosen).expanduser().absolute()
        return user_cache_path("mlw")
    except RuntimeError as error:
        raise DataError(
            "This user has no home folder, so there is no place for data; "
            "set MLW_CACHE to the full path of a folder and try again."
        ) from error


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn an error of the disk below `folder` into a `DataError` that says what to do."""
    try:
        yield
    except OSError as error:
        raise DataError(_disk_error(folder, error)) from error


def _disk_error(folder: Path, error: OSError) -> str:
    elsewhere = "set MLW_CACHE to another folder and try again"
    if error.errno in DISK_FULL:
        return f"The disk that holds {folder} is full; free some space or {elsewhere}."
    if error.errno in NOT_WRITABLE:
        return f"{folder} cannot be written ({error.strerror}); {elsewhere}."
    if error.errno in NO_LOCKS:
        return f"The file system of {folder} cannot lock files ({error.strerror}); {elsewhere}."
    where = error.filename or folder
    return f"{where} could not be read or written: {error.strerror or error}."

"""Where downloads, prepared data and notes of a user's own images are kept."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import DataError


def cache_folder() -> Path:
    """Return the folder for downloads and prepared data: `MLW_CACHE`, else the platform's."""
    if given := os.environ.get("MLW_CACHE"):
        return Path(given).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("mlw")


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn an error of the disk below `folder` into one sentence, a `DataError`."""
    try:
        yield
    except OSError as error:
        hint = "set MLW_CACHE to another folder and try again"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DataError(
                f"The disk that holds {folder} is full; free some space or {hint}."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise DataError(f"{folder} cannot be written ({error.strerror}); {hint}.") from error
        where = error.filename or folder
        raise DataError(
            f"{where} could not be read or written: {error.strerror or error}."
        ) from error

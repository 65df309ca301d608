"""Checksums of files and of folders."""

from __future__ import annotations

import hashlib
from pathlib import Path

from workbench.data.files.archive import Archive


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """Return the checksum of a file in hexadecimal, or of the names and contents in a folder.

    Raises:
        DataError: a file in the folder cannot be read.
        OSError: the file cannot be read.
    """
    if path.is_dir():
        return _checksum_of_folder(path, algorithm)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return digest.hexdigest()


def _checksum_of_folder(path: Path, algorithm: str) -> str:
    digest = hashlib.new(algorithm)
    with Archive(path) as archive:
        for name in archive.names:
            content = hashlib.sha256(archive.read(name)).hexdigest()
            digest.update(f"{name}\0{content}\n".encode())
    return digest.hexdigest()

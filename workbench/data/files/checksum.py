"""Checksums of files and of folders."""

from __future__ import annotations

import hashlib
from pathlib import Path

from workbench.data.files.archive import Archive


def checksum(path: Path, algorithm: str = "sha256") -> str:
    """Return a file's checksum, or for a folder one of its members' names and contents."""
    if path.is_dir():
        digest = hashlib.new(algorithm)
        with Archive(path) as archive:
            for name in archive.names:
                digest.update(
                    f"{name}\0{hashlib.sha256(archive.read(name)).hexdigest()}\n".encode()
                )
        return digest.hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.new(algorithm, usedforsecurity=False)
        ).hexdigest()

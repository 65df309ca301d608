"""Checksums that no publisher gives: learnt at the first download, required of every later one.

They are stored in `<cache>/downloads/learnt.toml`, which outlives the files.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from workbench.data.download.entry import ManifestEntry, RemoteFile
from workbench.data.download.provenance import FetchedFile, downloads_folder
from workbench.errors import DataError
from workbench.locks import locked
from workbench.storage import write_toml

LEARNT = "learnt.toml"


def learnt_path() -> Path:
    """Return the path of the learnt checksums."""
    return downloads_folder() / LEARNT


def with_learnt(entry: ManifestEntry, file: RemoteFile) -> RemoteFile:
    """Return a file with its learnt checksum and size if no checksum is published.

    Raises:
        DataError: the list of learnt checksums is damaged.
    """
    if file.known:
        return file
    learnt = _read().get(entry.name, {}).get(file.name)
    if learnt is None:
        return file
    return replace(file, sha256=learnt["sha256"], size=learnt["size"])


def learn(entry: ManifestEntry, fetched: FetchedFile) -> None:
    """Remember the checksum of a downloaded file."""
    path = learnt_path()
    with locked(path.with_name(f".{LEARNT}.lock")):
        tables = _read()
        facts = {
            "sha256": fetched.sha256,
            "size": fetched.size,
            "origin": fetched.origin,
            "on": date.today(),
        }
        tables.setdefault(entry.name, {})[fetched.path.name] = facts
        write_toml(path, tables)


def _read() -> dict[str, Any]:
    """Return the learnt checksums by entry and file name.

    A damaged list is an error: if it were taken for an empty one, wrong files would be accepted.
    """
    path = learnt_path()
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        complete = _is_complete(tables)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(str(error)) from error
    if not complete:
        raise _unreadable("an entry lacks sha256 or size")
    return tables


def _is_complete(tables: dict[str, Any]) -> bool:
    for files in tables.values():
        for file in files.values():
            if not isinstance(file["sha256"], str) or file["size"] <= 0:
                return False
    return True


def _unreadable(fault: str) -> DataError:
    return DataError(
        f"{learnt_path()}, the list of checksums learnt so far, cannot be read: {fault}."
    )

"""Write files whole or not at all, and read and write TOML."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.errors import UsageError

CHECKSUM = "checksum"  # a key of sealed TOML
PARTS = f".*.{'[0-9a-f]' * 16}.part"  # the names of files that are being written
SIGNATURE = 14  # characters by which a page or a table is known: "<!doctype html"
STALE = 3600.0  # seconds after which nobody writes a file any more


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name and rename it, so that it is there whole or not at all.

    The temporary name is new for each call. Two processes that write one file do not meet: the
    last one to finish wins. What a process that was killed left in the folder is removed.

    Args:
        write: writes the content to the path that it is given.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        remove_parts(path.parent, older=STALE)
        part.touch(exist_ok=False)  # never through a link that is there already
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def refuse_to_replace(path: Path, content: str) -> None:
    """Refuse to replace a file that begins otherwise than what would replace it.

    Raises:
        UsageError: there is such a file.
    """
    begins = content[:SIGNATURE].encode()
    try:
        with path.open("rb") as file:
            there = file.read(len(begins))
    except OSError:
        return  # there is none, or writing will say why not
    if there and there != begins:
        raise UsageError(
            f"{path} is there already, and is another kind of file; it is kept: choose another name"
        )


def remove_parts(folder: Path, older: float = 0.0) -> None:
    """Remove files of a folder that processes began to write and were killed.

    Args:
        older: seconds since their last change. With 0, nobody else may write in the folder.
    """
    for part in folder.glob(PARTS):
        with suppress(OSError):  # another process may have removed it
            if time.time() - part.stat().st_mtime >= older:
                part.unlink()


def write_toml(path: Path, content: Mapping[str, Any]) -> None:
    """Write TOML, whole or not at all. A key with None is left out: TOML has no null."""
    import tomli_w

    text = tomli_w.dumps(_without_none(content))
    write_file(path, lambda part: part.write_text(text, encoding="utf-8"))


def write_sealed_toml(path: Path, content: Mapping[str, Any]) -> None:
    """Write TOML with a checksum over its values, under the key `checksum`."""
    plain = _without_none(content)
    write_toml(path, {CHECKSUM: _checksum_of(plain), **plain})


def read_sealed_toml(path: Path) -> dict[str, Any]:
    """Read what `write_sealed_toml` wrote, without its checksum.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no TOML, or is not what was written.
    """
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    written = content.pop(CHECKSUM, None)
    if written != _checksum_of(content):
        raise ValueError("its checksum differs: it was damaged, or changed by hand")
    return content


def _checksum_of(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_checksum(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, tuple | list):
        return [_without_none(inner) for inner in value]
    return value

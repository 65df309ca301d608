"""Write files whole or not at all, and read and write TOML."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under a temporary name and rename it, so that it is there whole or not at all.

    The temporary name is new for each call. Two processes that write one file do not meet: the
    last one to finish wins.

    Args:
        write: writes the content to the path that it is given.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_toml(path: Path, content: Mapping[str, Any]) -> None:
    """Write TOML, whole or not at all. A key with None is left out: TOML has no null."""
    import tomli_w

    text = tomli_w.dumps(_without_none(content))
    write_file(path, lambda part: part.write_text(text, encoding="utf-8"))


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, tuple | list):
        return [_without_none(inner) for inner in value]
    return value

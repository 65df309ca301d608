"""Run folders that somebody changed who knows the checksums."""

from __future__ import annotations

import tomllib
from pathlib import Path

from workbench.storage import file_checksum, read_sealed_toml, write_sealed_toml


def rewrite(folder: Path, old: str, new: str) -> None:
    """Replace a text in `run.toml`, with the right checksum where it is still TOML."""
    path = folder / "run.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    reseal(path)


def reseal(path: Path) -> None:
    """Give a TOML file the checksum of its present values."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return
    content.pop("checksum", None)
    write_sealed_toml(path, content)


def accept(folder: Path, name: str) -> None:
    """Write the checksum that a file of a run has now into its manifest."""
    content = read_sealed_toml(folder / "run.toml")
    content["checksums"][name] = file_checksum(folder / name)
    write_sealed_toml(folder / "run.toml", content)

"""Run folders that somebody changed who knows the checksums."""

from __future__ import annotations

import tomllib
from pathlib import Path

from workbench.experiments.evaluation_file import VARYING, WRITTEN
from workbench.experiments.fingerprint import digest
from workbench.results.frame import read_tasks, write_tasks
from workbench.storage import file_checksum, read_sealed_toml, write_sealed_toml, write_toml


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


def ask_otherwise(evaluation: Path, **asked: object) -> Path:
    """Let an evaluation answer another question: its rows, its record and its name say so.

    Args:
        asked: keys of its record: `results`, `sources`, ...
    """
    beside = evaluation.with_suffix(".toml")
    record = {**tomllib.loads(beside.read_text(encoding="utf-8")), **asked}
    covered = {**dict.fromkeys(VARYING), **record}
    del covered[WRITTEN]
    frame = read_tasks(evaluation)
    rows = frame.assign(results_version=record["results"], code=digest(record["sources"]))
    name = f"{evaluation.stem.rpartition('-')[0]}-{digest(covered)}.parquet"
    other = evaluation.with_name(name)
    for path in (evaluation, beside):
        path.unlink()
    write_toml(other.with_suffix(".toml"), record)
    write_tasks(rows, other)
    return other


def accept(folder: Path, name: str) -> None:
    """Write the checksum that a file of a run has now into its manifest."""
    content = read_sealed_toml(folder / "run.toml")
    content["checksums"][name] = file_checksum(folder / name)
    write_sealed_toml(folder / "run.toml", content)

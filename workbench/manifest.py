"""The manifest: what `datasets.toml` says of data sets' files, read and checked.

The form is at the top of the workbench's own; a plugin's, in its package, is looked at first.
"""

from __future__ import annotations

import importlib.util
import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from workbench.errors import DataError
from workbench.images import Dataset

MANIFEST = "datasets.toml"


@dataclass(frozen=True)
class RemoteFile:
    """One published file. `counts`: images, their folders, the folders of those; keys are words to print."""

    url: str
    name: str
    size: int = 0  # 0: not known
    md5: str = ""
    sha256: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The archive's name without its suffix, the name of the folder that it unpacks to."""
        return self.name.split(".")[0]


@dataclass(frozen=True)
class Entry:
    """What `datasets.toml` says of one data set."""

    name: str
    homepage: str
    licence: str
    citation: str
    files: tuple[RemoteFile, ...]


def find_entry(name: str, package: str = "") -> Entry:
    """Return the entry `name` of the package's own `datasets.toml`, else of the workbench's.

    Raises `DataError` when neither has it or the entry is not as it must be.
    """
    looked = [path for path in _manifests(package) if path.is_file()]
    for path in looked:
        table = read_manifest(path).get(name)
        if table is not None:
            return table
    raise DataError(f"There is no entry [{name}] in {' or '.join(map(str, looked)) or MANIFEST}.")


def entry_of(dataset: Dataset | type[Dataset]) -> Entry:
    """Return the manifest entry of a data set (its class will do). Raises `DataError` if it has none."""
    cls = dataset if isinstance(dataset, type) else type(dataset)
    if not cls.manifest:
        raise DataError(f"{cls.__name__} is made here and needs no download.")
    return find_entry(cls.manifest, cls.__module__.partition(".")[0])


def read_manifest(path: Path) -> dict[str, Entry]:
    """Read a `datasets.toml`. Raises `DataError` that names the entry and the key that is wrong."""
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    return {name: _entry(name, table, path) for name, table in tables.items()}


def _manifests(package: str) -> Iterator[Path]:
    spec = importlib.util.find_spec(package) if package and package != "__main__" else None
    if spec is not None and spec.submodule_search_locations:
        yield from (Path(folder) / MANIFEST for folder in spec.submodule_search_locations)
    here = Path(__file__).parent
    yield here / MANIFEST  # in a wheel
    yield here.parent / MANIFEST  # in a checkout


def _entry(name: str, table: Any, path: Path) -> Entry:
    where = f"[{name}] of {path}"
    _check(table, {"homepage": str, "licence": str, "citation": str, "file": list}, set(), where)
    files = tuple(_file(item, f"[[{name}.file]] of {path}") for item in table["file"])
    return Entry(name, table["homepage"], table["licence"], table["citation"], files)


def _file(table: Any, where: str) -> RemoteFile:
    types = {"url": str, "name": str, "size": int, "md5": str, "sha256": str, "counts": dict}
    _check(table, types, {"size", "md5", "sha256", "counts"}, where)
    file = RemoteFile(**table)
    if not file.md5 and not file.sha256:
        raise DataError(f"{where}: {file.name} has neither md5 nor sha256.")
    if file.name != os.path.basename(file.name) or file.name.startswith(".") or "\\" in file.name:
        raise DataError(f"{where}: name must be a plain file name, not {file.name!r}.")
    if urlsplit(file.url).scheme not in ("https", "http"):
        raise DataError(f"{where}: url must begin with https:// or http://, not {file.url!r}.")
    if len(file.counts) > 3 or not all(type(count) is int for count in file.counts.values()):
        raise DataError(f"{where}: counts must be up to three whole numbers, not {file.counts}.")
    return file


def _check(table: Any, types: dict[str, type], optional: set[str], where: str) -> None:
    if not isinstance(table, dict):
        raise DataError(f"{where} must be a table.")
    for key in types.keys() - optional - table.keys():
        raise DataError(f"{where} lacks the key {key}.")
    for key, value in table.items():
        if key not in types:
            raise DataError(f"{where} has an unknown key {key}; there are: {', '.join(types)}.")
        if type(value) is not types[key]:
            raise DataError(f"{where}: {key} must be of type {types[key].__name__}, not {value!r}.")

"""The manifest: what `datasets.toml` says of data sets' files, read and checked.

The form is at the top of the workbench's own; a plugin's, in its package, is looked at first.
"""

from __future__ import annotations

import importlib.util
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from workbench.data.dataset import Dataset
from workbench.errors import DataError

MANIFEST = "datasets.toml"
ACCESS = ("direct", "hub", "by hand")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
LOCAL = ("127.0.0.1", "localhost", "::1")
# of an entry and of a file: what each key holds; what is not in the second must be there
ENTRY = {
    "homepage": str,
    "licence": str,
    "citation": str,
    "access": str,
    "steps": str,
    "overlaps": dict,
    "file": list,
}
ENTRY_OPTIONAL = {"access", "steps", "overlaps"}
FILE = {
    "url": str,
    "mirrors": list,
    "name": str,
    "names": list,
    "size": int,
    "md5": str,
    "sha256": str,
    "counts": dict,
    "form": str,
}


@dataclass(frozen=True)
class RemoteFile:
    """One published file. `counts`: images, their folders, the folders of those; keys are words to print."""

    name: str
    urls: tuple[str, ...] = ()  # tried in order; none: it can only be had by hand
    size: int = 0  # 0: not known
    md5: str = ""
    sha256: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    form: str = ""  # "": part of every form

    @property
    def stem(self) -> str:
        """The archive's name without its suffix, the name of the folder that it unpacks to."""
        return self.name.removesuffix(self.suffix)

    @property
    def suffix(self) -> str:
        """What the name ends in: ".zip", ".tar.gz"."""
        return suffix_of(self.name)

    @property
    def known(self) -> bool:
        """Whether there is a checksum to compare with."""
        return bool(self.md5 or self.sha256)


@dataclass(frozen=True)
class ManifestEntry:
    """What `datasets.toml` says of one data set."""

    name: str
    homepage: str
    licence: str
    citation: str
    files: tuple[RemoteFile, ...]
    access: str = "direct"
    steps: str = ""
    overlaps: Mapping[str, bool] = field(
        default_factory=dict
    )  # data that backbones are pre-trained on: {"imagenet": True}

    @property
    def forms(self) -> dict[str, tuple[RemoteFile, ...]]:
        """The files of each form in which the set may be had, the preferred one first."""
        names = dict.fromkeys(file.form for file in self.files if file.form) or {"": None}
        return {
            name: tuple(file for file in self.files if file.form in ("", name)) for name in names
        }


def suffix_of(name: str) -> str:
    """What a file's name ends in; of an archive the whole of it: ".tar.gz"."""
    archive = [suffix for suffix in ARCHIVES if name.lower().endswith(suffix)]
    return name[-len(max(archive, key=len)) :] if archive else os.path.splitext(name)[1]


def find_entry(name: str, package: str = "") -> ManifestEntry:
    """Return the entry `name` of the package's own `datasets.toml`, else of the workbench's.

    Raises `DataError` when neither has it or the entry is not as it must be.
    """
    looked = [path for path in _manifests(package) if path.is_file()]
    for path in looked:
        table = read_manifest(path).get(name)
        if table is not None:
            return table
    raise DataError(f"There is no entry [{name}] in {' or '.join(map(str, looked)) or MANIFEST}.")


def entry_of(dataset: Dataset | type[Dataset]) -> ManifestEntry:
    """Return the manifest entry of a data set (its class will do). Raises `DataError` if it has none."""
    cls = dataset if isinstance(dataset, type) else type(dataset)
    if not cls.manifest:
        raise DataError(f"{cls.__name__} is made here and needs no download.")
    return find_entry(cls.manifest, cls.__module__.partition(".")[0])


def overlaps_of(dataset: Dataset | type[Dataset]) -> dict[str, bool]:
    """Return with which data a data set shares images or classes, and with which it does not, as far as is stated."""
    if not (dataset if isinstance(dataset, type) else type(dataset)).manifest:
        return {}
    entry = entry_of(dataset)
    return {**entry.overlaps, entry.name: True}


def overlap(stated: Mapping[str, bool], pretrained_on: str) -> str:
    """Say whether weights that were trained on `pretrained_on` (names joined by +) saw a data set's images or classes.

    `stated` is what `overlaps_of` returns for the data set. Returns "yes", "no", or "unknown" where nobody says; of
    weights that were trained on nothing, "no".
    """
    answers = {stated.get(name) for name in pretrained_on.split("+") if name}
    return "yes" if True in answers else "unknown" if None in answers else "no"


def read_manifest(path: Path) -> dict[str, ManifestEntry]:
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
    here = Path(__file__).parents[2]
    yield here / MANIFEST  # in a wheel
    yield here.parent / MANIFEST  # in a checkout


def _entry(name: str, table: Any, path: Path) -> ManifestEntry:
    where = f"[{name}] of {path}"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise DataError(f"{where}: a name is made of letters, digits, - and _.")
    _check(table, ENTRY, ENTRY_OPTIONAL, where)
    files = [file for item in table["file"] for file in _files(item, f"[[{name}.file]] of {path}")]
    entry = ManifestEntry(
        **{key: value for key, value in table.items() if key != "file"},
        name=name,
        files=tuple(files),
    )
    if entry.access not in ACCESS:
        raise DataError(
            f"{where}: access must be one of {', '.join(ACCESS)}, not {entry.access!r}."
        )
    if entry.access != "direct" and not entry.steps:
        raise DataError(
            f"{where}: access is {entry.access!r}, so it must have the key steps: what to do."
        )
    if twice := {
        file.name for file in files if [other.name for other in files].count(file.name) > 1
    }:
        raise DataError(f"{where}: the name {sorted(twice)[0]!r} is given to more than one file.")
    if wrong := [value for value in entry.overlaps.values() if type(value) is not bool]:
        raise DataError(f"{where}: overlaps says true or false of each name, not {wrong[0]!r}.")
    if not files:
        raise DataError(f"{where}: file must be at least one [[{name}.file]].")
    if entry.access != "by hand" and (
        lone := [file.name for file in files if not file.urls and not entry.steps]
    ):
        raise DataError(
            f"{where}: {lone[0]} has no url, so the entry must have the key steps: what to do."
        )
    return entry


def _files(table: Any, where: str) -> Iterator[RemoteFile]:
    """The file of one table, or the files of one that has `names`."""
    _check(table, FILE, set(FILE), where)
    if ("name" in table) == ("names" in table):
        raise DataError(f"{where} must have one of the keys name and names.")
    names = table.get("names", [table.get("name")])
    if not names or not all(isinstance(name, str) for name in names):
        raise DataError(f"{where}: names must be a list of file names, not {names!r}.")
    if alone := [
        key for key in ("size", "md5", "sha256", "counts") if key in table and "names" in table
    ]:
        raise DataError(f"{where}: {alone[0]} is of one file; give it with name, not with names.")
    addresses = [*([table["url"]] if "url" in table else []), *table.get("mirrors", [])]
    if not all(isinstance(address, str) for address in addresses):
        raise DataError(f"{where}: mirrors must be a list of addresses, not {table['mirrors']!r}.")
    if len(names) > 1 and (same := [address for address in addresses if "{name}" not in address]):
        raise DataError(
            f"{where}: url must hold {{name}} where names has {len(names)} names, not {same[0]!r}."
        )
    values = {
        key: table[key] for key in ("size", "md5", "sha256", "counts", "form") if key in table
    }
    for name in names:
        urls = tuple(address.replace("{name}", quote(name)) for address in addresses)
        file = RemoteFile(name, urls, **values)
        _check_file(file, where)
        yield file


def _check_file(file: RemoteFile, where: str) -> None:
    name = file.name
    if not name or name != os.path.basename(name) or name.startswith(".") or "\\" in name:
        raise DataError(f"{where}: name must be a plain file name, not {name!r}.")
    for key, digest, length in (("md5", file.md5, 32), ("sha256", file.sha256, 64)):
        if digest and not re.fullmatch(rf"[0-9a-f]{{{length}}}", digest):
            raise DataError(
                f"{where}: {key} of {name} must be {length} hexadecimal digits, not {digest!r}."
            )
    if file.size < 0:
        raise DataError(f"{where}: size of {name} must be a number of bytes, not {file.size}.")
    for url in file.urls:
        _check_url(url, file, where)
    if len(file.counts) > 3 or not all(type(count) is int for count in file.counts.values()):
        raise DataError(f"{where}: counts must be up to three whole numbers, not {file.counts}.")
    if file.counts and file.suffix.lower() not in ARCHIVES:
        raise DataError(
            f"{where}: counts are of an archive ({', '.join(ARCHIVES)}), not of {name}."
        )


def _check_url(url: str, file: RemoteFile, where: str) -> None:
    """HTTPS; where a file is published over HTTP only, what came can still be told by its checksum."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise DataError(f"{where}: url must begin with https://, not {url!r}.")
    if parts.scheme == "http" and not file.known and parts.hostname not in LOCAL:
        raise DataError(
            f"{where}: url {url!r} is http, which needs md5 or sha256; give one, or an https address."
        )


def _check(table: Any, types: Mapping[str, type], optional: set[str], where: str) -> None:
    if not isinstance(table, dict):
        raise DataError(f"{where} must be a table.")
    for key in types:
        if key not in optional and key not in table:
            raise DataError(f"{where} lacks the key {key}.")
    for key, value in table.items():
        if key not in types:
            raise DataError(f"{where} has an unknown key {key}; there are: {', '.join(types)}.")
        if type(value) is not types[key]:
            raise DataError(f"{where}: {key} must be of type {types[key].__name__}, not {value!r}.")

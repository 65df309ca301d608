"""Read and check one `datasets.toml`.

The comment at the top of the workbench's own file says what each key means.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from workbench.data.download.entry import (
    ARCHIVES,
    LOCAL_HOSTS,
    ManifestEntry,
    RemoteFile,
    split_address,
)
from workbench.errors import DataError

ACCESS = ("direct", "hub", "by hand")
ENTRY_KEYS = {
    "homepage": str,
    "licence": str,
    "citation": str,
    "access": str,
    "steps": str,
    "overlaps": dict,
    "file": list,
}
OPTIONAL_ENTRY_KEYS = {"access", "steps", "overlaps"}
FILE_KEYS = {
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
ONE_FILE_KEYS = ("size", "md5", "sha256", "counts")  # meaningless for several files
FACT_KEYS = (*ONE_FILE_KEYS, "form")  # keys that `RemoteFile` has too
DIGITS = {"md5": 32, "sha256": 64}


def read_manifest(path: Path) -> Mapping[str, ManifestEntry]:
    """Return the entries of a `datasets.toml` by name.

    A process parses a file once, and again only if the file changes.

    Raises:
        DataError: the file cannot be read, or an entry is invalid; the message names the entry and
            the key.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    return _parse(path, (state.st_mtime_ns, state.st_size))


@cache
def _parse(
    path: Path,
    version: tuple[int, int],  # noqa: ARG001 - a changed file is another key of the cache
) -> Mapping[str, ManifestEntry]:
    try:
        with path.open("rb") as file:
            tables = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    entries = {name: _entry(name, table, path) for name, table in tables.items()}
    return MappingProxyType(entries)


def _entry(name: str, table: Any, path: Path) -> ManifestEntry:
    where = f"[{name}] of {path}"
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise DataError(f"{where}: a name consists of letters, digits, - and _.")
    _check_keys(table, ENTRY_KEYS, OPTIONAL_ENTRY_KEYS, where)
    files: list[RemoteFile] = []
    for file_table in table["file"]:
        files += _files(file_table, f"[[{name}.file]] of {path}")
    facts = {key: value for key, value in table.items() if key != "file"}
    entry = ManifestEntry(**facts, name=name, files=tuple(files))
    _check_access(entry, where)
    _check_files(entry, where)
    _check_overlaps(entry, where)
    return entry


def _check_access(entry: ManifestEntry, where: str) -> None:
    if entry.access not in ACCESS:
        raise DataError(
            f"{where}: access must be one of {', '.join(ACCESS)}, not {entry.access!r}."
        )
    if entry.access != "direct" and not entry.steps:
        raise DataError(
            f"{where}: access is {entry.access!r}, so the entry needs the key steps: what to do."
        )


def _check_files(entry: ManifestEntry, where: str) -> None:
    if not entry.files:
        raise DataError(f"{where} needs at least one [[{entry.name}.file]].")
    seen = set()
    for file in entry.files:
        if file.name in seen:
            raise DataError(f"{where}: more than one file has the name {file.name!r}.")
        seen.add(file.name)
        if not file.urls and not entry.steps:
            raise DataError(
                f"{where}: {file.name} has no url, so the entry needs the key steps: what to do."
            )


def _check_overlaps(entry: ManifestEntry, where: str) -> None:
    for value in entry.overlaps.values():
        if type(value) is not bool:
            raise DataError(
                f"{where}: each value of overlaps must be true or false, not {value!r}."
            )


def _files(table: Any, where: str) -> list[RemoteFile]:
    """Return the file of a table with `name`, or the files of a table with `names`."""
    _check_keys(table, FILE_KEYS, set(FILE_KEYS), where)
    names = _names(table, where)
    addresses = _addresses(table, names, where)
    facts = {key: table[key] for key in FACT_KEYS if key in table}
    files = []
    for name in names:
        urls = tuple(address.replace("{name}", quote(name)) for address in addresses)
        file = RemoteFile(name, urls, **facts)
        _check_file(file, where)
        files.append(file)
    return files


def _names(table: dict[str, Any], where: str) -> list[str]:
    if ("name" in table) == ("names" in table):
        raise DataError(f"{where} needs one of the keys name and names.")
    if "name" in table:
        return [table["name"]]
    names: list[str] = table["names"]
    if not names or not all(isinstance(name, str) for name in names):
        raise DataError(f"{where}: names must be a list of file names, not {names!r}.")
    for key in ONE_FILE_KEYS:
        if key in table:
            raise DataError(f"{where}: {key} describes one file; use it with name, not with names.")
    return names


def _addresses(table: dict[str, Any], names: list[str], where: str) -> list[str]:
    """Return the addresses of a table's files in the order in which to try them."""
    addresses: list[str] = []
    if "url" in table:
        addresses.append(table["url"])
    addresses += table.get("mirrors", [])
    for address in addresses:
        if not isinstance(address, str):
            raise DataError(
                f"{where}: mirrors must be a list of addresses, not {table['mirrors']!r}."
            )
        if len(names) > 1 and "{name}" not in address:
            raise DataError(
                f"{where}: url must contain {{name}} because names lists {len(names)} files, "
                f"not {address!r}."
            )
    return addresses


def _check_file(file: RemoteFile, where: str) -> None:
    name = file.name
    plain = name.isprintable() and name == os.path.basename(name) and "\\" not in name
    if not name or not plain or name.startswith("."):
        raise DataError(f"{where}: name must be a plain file name, not {name!r}.")
    _check_digits("md5", file.md5, name, where)
    _check_digits("sha256", file.sha256, name, where)
    if file.size < 0:
        raise DataError(f"{where}: size of {name} must be a number of bytes, not {file.size}.")
    for url in file.urls:
        _check_url(url, file, where)
    _check_counts(file, where)


def _check_digits(key: str, digest: str, name: str, where: str) -> None:
    length = DIGITS[key]
    if digest and not re.fullmatch(rf"[0-9a-f]{{{length}}}", digest):
        raise DataError(
            f"{where}: {key} of {name} must be {length} hexadecimal digits, not {digest!r}."
        )


def _check_url(url: str, file: RemoteFile, where: str) -> None:
    """Require https. For a file with a checksum, which tells whether it is genuine, allow http."""
    parts = split_address(url)
    if parts is None or parts.scheme not in ("https", "http"):
        raise DataError(f"{where}: url must begin with https://, not {url!r}.")
    if parts.scheme == "http" and not file.known and parts.hostname not in LOCAL_HOSTS:
        raise DataError(
            f"{where}: url {url!r} is http, which needs md5 or sha256. Add one, or use https."
        )


def _check_counts(file: RemoteFile, where: str) -> None:
    if len(file.counts) > 3 or not all(type(count) is int for count in file.counts.values()):
        raise DataError(f"{where}: counts must be up to three whole numbers, not {file.counts}.")
    if file.counts and file.suffix.lower() not in ARCHIVES:
        raise DataError(
            f"{where}: only an archive ({', '.join(ARCHIVES)}) has counts, not {file.name}."
        )


def _check_keys(table: Any, types: Mapping[str, type], optional: set[str], where: str) -> None:
    """Check that a table has all keys that it needs, no others, and values of the right types."""
    if not isinstance(table, dict):
        raise DataError(f"{where} must be a table.")
    for key in types:
        if key not in optional and key not in table:
            raise DataError(f"{where} lacks the key {key}.")
    for key, value in table.items():
        if key not in types:
            raise DataError(f"{where} has an unknown key {key}; known keys: {', '.join(types)}.")
        if type(value) is not types[key]:
            raise DataError(f"{where}: {key} must be of type {types[key].__name__}, not {value!r}.")

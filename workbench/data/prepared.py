"""Prepared images: the classes of a data set, written to disk once and memory-mapped.

`prepare` runs a `Dataset` once for each choice of options and keeps its tables in a folder of
`<cache>/prepared`. A prepared folder is complete or absent, because it is written under a temporary
name and renamed.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.data.cache import cache_folder, disk_errors
from workbench.data.dataset import Dataset, chosen_options
from workbench.data.files.checksum import checksum
from workbench.data.files.file_state import refuse_changes
from workbench.data.files.scratch import scratch
from workbench.data.notes import notes_on
from workbench.data.tables import Table, is_intact, load_tables, write_index, write_tables
from workbench.errors import DataError
from workbench.locks import locked
from workbench.plugin.sources import source_in_use
from workbench.progress import Report

FORMAT = 3  # raise it when other files are written, or when `decode` returns other pixels


def prepare(
    name: str,
    dataset: Dataset,
    files: Mapping[str, Path],
    checksums: Mapping[str, str] | None = None,
    *,
    report: Report | None = None,
    check: bool = False,
) -> dict[str, Table]:
    """Return the splits of a data set as memory-mapped tables, and write them on first use.

    Images that were prepared earlier are used again as long as the name of the data set, its
    options, the text of its module and `sources`, and the checksums of its files are the same. At
    most a few classes are in memory at once. Tables stay readable when the cache is removed, on
    systems that let an open file be removed.

    Args:
        name: what the user calls the data set; part of the prepared folder's name.
        files: the files of the data set by name, as passed to `Dataset.classes`.
        checksums: of `files`, or of what else decides the images, if known. Those of files are
            computed otherwise.
        report: shows progress, in images per split; called after each class.
        check: read all images that were prepared earlier, and prepare them again if any differs
            from what was written.

    Returns:
        The tables by split. A split without classes is absent.

    Raises:
        DataError: a file is damaged or changes while it is read, the data set breaks the contract,
            or the disk is full or cannot be written.
    """
    if not checksums:
        checksums = {file: checksum(path) for file, path in files.items()}
    about = _identity(name, dataset, checksums)
    folder = _folder_of(about)
    tables = _prepared_earlier(folder, check)
    if tables is not None:
        return tables
    with disk_errors(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(_lock(folder)):
            tables = _prepared_earlier(folder, check)
            if tables is not None:  # another process prepared it while this one waited
                return tables
            _remove_leftovers(folder.parent)
            with refuse_changes(*files.values()):
                _build(folder, dataset, files, about, report)
            tables = load_tables(folder)
    if tables is None:
        raise DataError(f"{folder} was removed while it was written; try again.")
    return tables


def tables_before(
    name: str, dataset: Dataset, files: Mapping[str, Path], checksums: Mapping[str, str]
) -> dict[str, Table] | None:
    """Return what `prepare`, with the same arguments, finds prepared earlier; None: nothing.

    The content of the images is not read. Without files, `checksums` is empty.
    """
    if not checksums and files:
        return None
    return load_tables(_folder_of(_identity(name, dataset, checksums)))


def _prepared_earlier(folder: Path, check: bool) -> dict[str, Table] | None:
    """Return the tables in a folder if they are there and not damaged."""
    tables = load_tables(folder)
    if tables is None or not check:
        return tables
    if all(is_intact(table) for table in tables.values()):
        return tables
    return None


# --- which folder


def prepared_folder() -> Path:
    """Return the folder that contains the prepared folders of all data sets."""
    return cache_folder() / "prepared"


def _identity(name: str, dataset: Dataset, checksums: Mapping[str, str]) -> dict[str, Any]:
    """Return everything that decides what the prepared folder contains."""
    return {
        "format": FORMAT,
        "name": name,
        "options": chosen_options(dataset),
        "files": checksums,
        "code": _code(type(dataset)),
    }


def _code(cls: type[Dataset]) -> str:
    """Return the text that decides what a class yields: of its module and of its `sources`."""
    module = sys.modules[cls.__module__]
    try:
        texts = [inspect.getsource(module)]
    except (OSError, TypeError):  # it was typed in a notebook or at a prompt
        return source_in_use(cls).text
    folder = Path(inspect.getsourcefile(module) or "").parent
    for source in cls.sources:
        texts.append((folder / source).read_text(encoding="utf-8"))
    return "\0".join(texts)


def _folder_of(about: Mapping[str, Any]) -> Path:
    text = json.dumps(about, sort_keys=True, default=str)
    key = hashlib.sha256(text.encode()).hexdigest()
    name = about["name"].replace("/", "-")
    return prepared_folder() / f"{name}-{key[:12]}"


def _lock(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


def _part(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.part")


def _remove_leftovers(prepared: Path) -> None:
    """Remove the unfinished folders of killed processes; a process that is alive holds its lock."""
    from filelock import FileLock, Timeout

    for part in prepared.glob(".*.part"):
        with suppress(Timeout), FileLock(part.with_suffix(".lock"), timeout=0):
            shutil.rmtree(part, ignore_errors=True)


# --- writing


def _build(
    folder: Path,
    dataset: Dataset,
    files: Mapping[str, Path],
    about: dict[str, Any],
    report: Report | None,
) -> None:
    """Write the prepared folder under a temporary name and rename it; the caller has the lock."""
    part = _part(folder)
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir()
        with scratch(part / "scratch"):
            tables = write_tables(part, dataset, files, about["name"], report)
        if not tables["splits"]:
            raise DataError(
                f"{about['name']} has no classes in any split with options {about['options']}."
            )
        code = hashlib.sha256(about["code"].encode()).hexdigest()
        index = about | tables | {"code": code}
        write_index(part, index)
        write_index(part, {**index, "notes": notes_on(load_tables(part) or {})})
        if folder.exists():  # damaged, otherwise it would have been used
            shutil.rmtree(folder)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)

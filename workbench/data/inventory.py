"""The data sets in the cache: list them and remove them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from workbench.data.cache import cache_folder, disk_errors
from workbench.data.dataset import Dataset
from workbench.data.download.entry import ManifestEntry
from workbench.data.download.manifest import entry_of
from workbench.data.download.provenance import (
    FetchedFile,
    downloads_folder,
    megabytes,
    part_of,
    read_provenance,
)
from workbench.data.image_folder.dataset import ImageFolder
from workbench.data.image_folder.origin_state import state_of
from workbench.data.image_folder.record import FolderRecord, folder_names, read_record, record_path
from workbench.data.prepared import prepared_folder
from workbench.data.tables import INDEX, load_tables
from workbench.errors import DataError, WorkbenchError
from workbench.locks import locked
from workbench.plugin.options import options_text
from workbench.plugin.registry import registry

# How files were verified, the least reliable first; files with a published checksum come last.
VERIFIED = {"count": "checked by count", "given": "accepted as given", "learnt": "learnt"}


class Item(NamedTuple):
    """A data set of which something is in the cache."""

    name: str
    files: tuple[str, ...]  # the names of downloaded files, or the path of the user's own images
    downloaded: int  # bytes
    prepared: int  # bytes
    state: str  # "verified", "learnt", "part: 8 of 12 images", "damaged: ..."


# --- list


def inventory() -> list[Item]:
    """Return the data sets of which anything is in the cache, by name."""
    entries = _entries()
    prepared = _prepared()
    own = folder_names()
    names = {*_downloaded(entries), *prepared, *own}
    items = []
    for name in sorted(names):
        folders = prepared.get(name, [])
        if name in own:
            items.append(_own_images(name, folders))
        else:
            items.append(_published_images(name, entries.get(_listed_name(name)), folders))
    return items


def occupied() -> int:
    """Return how many bytes downloaded and prepared data take."""
    return _size(downloads_folder()) + _size(prepared_folder())


def _downloaded(entries: Mapping[str, ManifestEntry]) -> set[str]:
    """Return the names of data sets with a folder of downloads.

    A folder that belongs to no data set any more, because its plugin was removed, gives its name.
    """
    folders = {path.name for path in downloads_folder().glob("*") if path.is_dir()}
    names = folders - {entry.name for entry in entries.values()}
    for name, entry in entries.items():
        if entry.name in folders:
            names.add(name)
    return names


def _published_images(name: str, entry: ManifestEntry | None, prepared: list[Path]) -> Item:
    folder = downloads_folder() / _folder_name(name, entry)
    files = read_provenance(folder)
    if _any_damaged(prepared):
        state = _damaged(name)
    elif not folder.is_dir():
        state = "not downloaded" if entry else "needs no download"
    else:
        state = _state(name, entry, files)
    return Item(name, tuple(sorted(files)), _size(folder), _size(*prepared), state)


def _own_images(name: str, prepared: list[Path]) -> Item:
    size = _size(*prepared)
    try:
        record = read_record(name)
    except DataError as error:
        return Item(name, (), 0, size, f"damaged: {error}")
    state = _state_of_own(record)
    if _any_damaged(prepared):
        state = _damaged(name)
    return Item(name, (record.origin,), 0, size, state)


def _state_of_own(record: FolderRecord) -> str:
    """Say whether originals are as they were registered, by their names, sizes and times only."""
    origin = Path(record.origin)
    if not origin.exists():
        return "your own, which is gone"
    try:
        found = state_of(origin)
    except DataError as error:
        return f"your own, which cannot be read: {error}"
    if found and found != record.state:
        command = ImageFolder(record).command(record.origin)
        return f"your own; files have changed since; run: {command}"
    return "your own"


def _any_damaged(prepared: list[Path]) -> bool:
    return any(load_tables(folder) is None for folder in prepared)


def _damaged(name: str) -> str:
    return f"damaged; run: mlw download {name} --verify"


def _state(name: str, entry: ManifestEntry | None, files: Mapping[str, FetchedFile]) -> str:
    """Return how reliable the downloaded files are; the worst of them decides."""
    for file in files.values():
        if not file.path.is_file() or file.path.stat().st_size != file.size:
            return f"damaged: {file.path.name}; run: mlw download {name}"
    expected = _expected(entry, files)
    if not _complete(entry, files):
        present = len(files.keys() & expected)
        return f"incomplete: {present} of {len(expected)} files; run: mlw download {name}"
    found = {file.verified for file in files.values()}
    if "part" in found and entry:
        published = [file for file in entry.files if file.name in files]
        return f"part: {part_of(files.values(), published)}"
    for verified, words in VERIFIED.items():
        if verified in found:
            return words
    return "verified"


def _expected(entry: ManifestEntry | None, files: Mapping[str, FetchedFile]) -> set[str]:
    if entry is None:
        return set(files)
    return {file.name for file in entry.files}


def _complete(entry: ManifestEntry | None, files: Mapping[str, FetchedFile]) -> bool:
    """Return whether all files of one form of the data set are there."""
    if entry is None:
        return bool(files)
    return any(files.keys() >= {file.name for file in form} for form in entry.forms.values())


# --- remove


def remove(name: str) -> str:
    """Remove the downloaded and prepared files of a data set, and say what was removed.

    A folder of the user's own is forgotten; its images stay. Learnt checksums are kept.
    """
    prepared = _size(*prepared_folders(name))
    notes = []
    if prepared:
        notes.append(f"removed prepared images ({megabytes(prepared)})")
    with disk_errors(cache_folder()):
        if name in folder_names():
            notes += _forget_own_images(name)
        else:
            notes += _remove_files(name)
    remove_prepared(name)
    return f"{name}: {'; '.join(notes) or 'nothing to remove'}"


def remove_prepared(name: str) -> None:
    """Remove the prepared images of a data set; they are prepared again when they are needed."""
    with disk_errors(cache_folder()):
        for folder in prepared_folders(name):
            shutil.rmtree(folder)


def _forget_own_images(name: str) -> list[str]:
    notes = []
    with suppress(DataError):
        notes.append(f"the images in {read_record(name).origin} are not touched")
    record_path(name).unlink()
    return notes


def _remove_files(name: str) -> list[str]:
    """Remove downloaded files once no other process is fetching them."""
    folder = files_folder(name)
    if folder is None:
        return []
    notes = [f"removed downloaded files ({megabytes(_size(folder))})"]
    with locked(folder.with_name(f".{folder.name}.lock")):
        shutil.rmtree(folder, ignore_errors=not folder.exists())
    others = _users_of(folder) - {_listed_name(name)}
    if others:
        notes.append(f"{', '.join(sorted(others))} used the same files")
    return notes


def _users_of(folder: Path) -> set[str]:
    """Return the names of the data sets whose files are in a folder."""
    users = set()
    for name, entry in _entries().items():
        if entry.name == folder.name:
            users.add(name)
    return users


# --- where things are


def _entries() -> dict[str, ManifestEntry]:
    """Return the manifest entries of all data sets that have one, by the name in lists.

    Broken plugins are left out, because a list of what is in the cache does not need them.
    """
    found = {}
    for name, registration in registry().entries("datasets").items():
        with suppress(WorkbenchError):
            target = registration.load()
            if issubclass(target, Dataset) and target.manifest:
                found[name] = entry_of(target)
    return found


def _listed_name(name: str) -> str:
    """Return the name that lists have for a data set, which may be given by its full name."""
    if not registry().knows("datasets", name):
        return name
    return registry().short_name(registry().find("datasets", name))


def _folder_name(name: str, entry: ManifestEntry | None) -> str:
    """Return the name of the folder of downloads, also for a data set whose plugin was removed."""
    if entry is None:
        return name
    return entry.name


def files_folder(name: str) -> Path | None:
    """Return the folder of a data set's downloads if there is one.

    It is looked up among the existing folders, so that a name like "../x" reaches nothing else.
    """
    wanted = _folder_name(name, _entries().get(_listed_name(name)))
    for path in downloads_folder().glob("*"):
        if path.name == wanted and path.is_dir():
            return path
    return None


def prepared_folders(name: str) -> list[Path]:
    """Return the prepared folders of a data set, one for each choice of options."""
    return _prepared().get(name, [])


def prepared_notes(name: str) -> list[str]:
    """Return what is known of the prepared images of a data set, for each choice of options."""
    notes = []
    for folder in prepared_folders(name):
        options = options_text(_read_index(folder / INDEX).get("options", {}))
        for table in list((load_tables(folder) or {}).values())[:1]:  # all have the same notes
            notes += [f"{name}:{options}: {note.text}" for note in table.notes]
    return notes


def _prepared() -> dict[str, list[Path]]:
    """Return the prepared folders by the name of their data set."""
    found: dict[str, list[Path]] = {}
    for index in sorted(prepared_folder().glob(f"*/{INDEX}")):
        folder = index.parent
        if not folder.name.startswith("."):
            name = str(_read_index(index).get("name", folder.name))
            found.setdefault(name, []).append(folder)
    return found


def _read_index(path: Path) -> dict[str, Any]:
    """Return the index of a prepared folder; an empty one if it is damaged."""
    with suppress(OSError, ValueError):
        index = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(index, dict):
            return index
    return {}


def _size(*folders: Path) -> int:
    """Return the bytes of all files in some folders."""
    total = 0
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                total += path.stat().st_size
    return total

"""What is in the cache: listed, verified against its records, and removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from workbench.data.cache import cache_folder, disk_errors
from workbench.data.download.fetch import ignore
from workbench.data.download.manifest import ManifestEntry, entry_of
from workbench.data.download.provenance import (
    LEARNT,
    downloads,
    megabytes,
    part_of,
    read_provenance,
)
from workbench.data.files.checksum import checksum
from workbench.data.image_folder.dataset import ImageFolder
from workbench.data.image_folder.record import folder_names, read_record, record_path
from workbench.data.prepared import fingerprint_of, load_prepared
from workbench.errors import DataError, WorkbenchError
from workbench.plugin.registry import registry


class Item(NamedTuple):
    """A data set of which something is in the cache."""

    name: str
    files: tuple[str, ...]  # downloaded, or the folder of the user's
    downloaded: int  # bytes
    prepared: int  # bytes
    state: str


def inventory() -> list[Item]:
    """List the data sets of which anything is here, by name."""
    entries = _entries()
    made = _prepared()
    own = folder_names()
    here = {path.name for path in downloads(LEARNT).parent.glob("*") if path.is_dir()}
    orphans = here - {entry.name for entry in entries.values()}
    fetched = {name for name, entry in entries.items() if entry.name in here and "/" not in name}
    names = fetched | orphans | made.keys() | set(own)
    return [
        _own(name, made) if name in own else _item(name, entries.get(name), made)
        for name in sorted(names)
    ]


def occupied() -> int:
    """Return how many bytes downloads and prepared data take."""
    return _size(cache_folder() / "downloads") + _size(cache_folder() / "prepared")


def verify(name: str, note: Callable[[str], None] = ignore) -> None:
    """Compare all bytes of a data set with what is recorded of them; what is right is told to `note`.

    Raises:
        DataError: nothing of it is here, or something is not as it was; the message says what to type.
    """
    wrong, right = [], 0
    checks = _checks_of_folder(name) if name in folder_names() else _checks_of_files(name)
    for what, fault in (*checks, *_checks_of_prepared(name)):
        right += not fault
        wrong += [f"{what} {fault}"] if fault else []
        if not fault:
            note(f"{what} is as it was")
    if wrong:
        raise DataError(f"{name}: {'; '.join(wrong)}")
    if not right:
        raise DataError(f"Nothing of {name} is here; type: mlw download {name}")


def remove(name: str) -> str:
    """Remove what was downloaded and prepared of a data set, and say what that was.

    A user's folder is forgotten, its images stay. Learnt checksums are kept.
    """
    told = []
    with disk_errors(cache_folder()):
        if name in folder_names():
            with suppress(DataError):
                told.append(f"the images in {read_record(name).origin} are not touched")
            record_path(name).unlink()
        elif (folder := _fetched(name)) is not None:
            told.append(f"removed what was downloaded ({megabytes(_size(folder))})")
            _remove_fetched(folder)
            users = {
                each.rpartition("/")[2]
                for each, entry in _entries().items()
                if downloads(entry) == folder
            }
            others = sorted(users - {name.rpartition("/")[2]})
            told += [f"{', '.join(others)} used the same files"] if others else []
    if prepared := _prepared().get(name, []):
        told.insert(0, f"removed what was prepared ({megabytes(sum(map(_size, prepared)))})")
        remove_prepared(name)
    return f"{name}: {'; '.join(told) or 'nothing is here'}"


def _remove_fetched(folder: Path) -> None:
    """Remove downloaded files once no other process is fetching them."""
    from filelock import FileLock

    with FileLock(folder.with_name(f".{folder.name}.lock")):
        shutil.rmtree(folder, ignore_errors=not folder.exists())


def remove_prepared(name: str) -> None:
    """Remove what was prepared of a data set; it is made anew when it is asked for."""
    with disk_errors(cache_folder()):
        for path in _prepared().get(name, []):
            shutil.rmtree(path)


def _fetched(name: str) -> Path | None:
    """The folder of a data set's files, or one that a data set of this name left when its plugin went."""
    entry = _entries().get(name)
    wanted = entry.name if entry else name
    return next(
        (
            path
            for path in downloads(LEARNT).parent.glob("*")
            if path.is_dir() and path.name == wanted
        ),
        None,
    )


def _entries() -> dict[str, ManifestEntry]:
    """The manifest entries of all data sets that have one; a plugin's fault is no concern of a list."""
    found = {}
    for name, each in registry().entries("datasets").items():
        with suppress(WorkbenchError):
            target = each.load()
            if target.manifest:
                found[name] = found[each.full_name] = entry_of(target)
    return found


# --- what was prepared


def _prepared() -> dict[str, list[Path]]:
    """The prepared folders by the data set's name."""
    found: dict[str, list[Path]] = {}
    for index in sorted((cache_folder() / "prepared").glob("*/index.json")):
        if not index.parent.name.startswith("."):
            found.setdefault(_index(index.parent).get("name", index.parent.name), []).append(
                index.parent
            )
    return found


def _index(folder: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        return index if isinstance(index, dict) else {}
    return {}


def _checks_of_prepared(name: str) -> Iterator[tuple[str, str]]:
    for folder in _prepared().get(name, []):
        tables = load_prepared(folder)
        if tables is None or fingerprint_of(tables) != next(iter(tables.values())).fingerprint:
            yield (
                f"what was prepared in {folder}",
                f"is damaged; delete that folder and type: mlw download {name}",
            )
        else:
            yield f"what was prepared in {folder.name}", ""


# --- what was downloaded


def _item(name: str, entry: ManifestEntry | None, made: dict[str, list[Path]]) -> Item:
    folder = downloads(entry or name)
    files = tuple(sorted(read_provenance(folder)))
    prepared = sum(map(_size, made.get(name, [])))
    if any(load_prepared(path) is None for path in made.get(name, [])):
        return Item(
            name, files, _size(folder), prepared, f"damaged; type: mlw download {name} --verify"
        )
    return Item(name, files, _size(folder), prepared, _state(name, entry, folder))


def _state(name: str, entry: ManifestEntry | None, folder: Path) -> str:
    """How far the files can be relied on, the worst of them."""
    if not folder.is_dir():
        return "not downloaded" if entry else "made here"
    records = read_provenance(folder)
    for file in records.values():
        if not file.path.is_file() or file.path.stat().st_size != file.size:
            return f"damaged: {file.path.name}; type: mlw download {name}"
    names = {file.name for file in entry.files} if entry else records.keys()
    whole = (
        any(all(file.name in records for file in form) for form in entry.forms.values())
        if entry
        else bool(records)
    )
    if not whole:
        return f"incomplete: {len(records.keys() & names)} of {len(names)} files; type: mlw download {name}"
    how = {file.verified for file in records.values()}
    if "part" in how and entry:
        return f"part: {part_of(records.values(), [file for file in entry.files if file.name in records])}"
    words = {"count": "checked by count", "given": "taken as given", "learnt": "learnt"}
    return next((words[each] for each in words if each in how), "verified")


def _checks_of_files(name: str) -> Iterator[tuple[str, str]]:
    folder = _fetched(name)
    for file in read_provenance(folder).values() if folder else ():
        if not file.path.is_file():
            yield file.path.name, f"is not there; type: mlw download {name}"
        elif (digest := checksum(file.path)) != file.sha256:
            wrong = f"sha256 {digest[:12]}... instead of {file.sha256[:12]}..."
            yield file.path.name, f"is damaged ({wrong}); type: mlw download {name}"
        else:
            yield file.path.name, ""


# --- a user's folder


def _own(name: str, made: dict[str, list[Path]]) -> Item:
    prepared = sum(map(_size, made.get(name, [])))
    try:
        record = read_record(name)
    except DataError as error:
        return Item(name, (), 0, prepared, f"damaged: {error}")
    if any(load_prepared(path) is None for path in made.get(name, [])):
        return Item(
            name, (record.origin,), 0, prepared, f"damaged; type: mlw download {name} --verify"
        )
    gone = "" if Path(record.origin).exists() else ", which is gone"
    return Item(name, (record.origin,), 0, prepared, f"your own{gone}")


def _checks_of_folder(name: str) -> Iterator[tuple[str, str]]:
    record = read_record(name)
    what = f"what is in {record.origin}"
    if not Path(record.origin).exists():
        return  # what is prepared goes on working
    try:
        ImageFolder(record).check()
    except DataError as error:
        yield what, f"is not as it was ({error})"
    else:
        yield what, ""


# --- the disk


def _size(path: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file())

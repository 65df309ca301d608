"""Verification of what is in the cache: all bytes are compared with their recorded checksums."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from workbench.data.download.provenance import FetchedFile, read_provenance
from workbench.data.files.checksum import checksum
from workbench.data.image_folder.dataset import ImageFolder
from workbench.data.image_folder.record import FolderRecord, folder_names, read_record
from workbench.data.inventory import files_folder, prepared_folders
from workbench.data.tables import fingerprint_of, load_tables
from workbench.errors import DataError
from workbench.progress import say_nothing


class Check(NamedTuple):
    """The result of comparing one file or folder with what is recorded about it."""

    name: str
    fault: str = ""  # what differs and what to run; "" if nothing does
    state: str = "is unchanged"  # if there is no fault


def verify(name: str, note: Callable[[str], None] = say_nothing) -> None:
    """Compare all bytes of a data set with their recorded checksums.

    Args:
        name: of a data set, without options.
        note: is told of each file and folder that is unchanged.

    Raises:
        DataError: nothing of the data set is in the cache, or something changed. The message says
            what to run.
    """
    faults = []
    checked = 0
    for check in _checks(name):
        checked += 1
        if check.fault:
            faults.append(f"{check.name} {check.fault}")
        else:
            note(f"{check.name} {check.state}")
    if faults:
        raise DataError(f"{name}: {'; '.join(faults)}")
    if not checked:
        raise DataError(f"{name} is neither downloaded nor prepared; run: mlw download {name}")


def _checks(name: str) -> Iterator[Check]:
    if name in folder_names():
        yield from _check_own_images(name)
    else:
        yield from _check_files(name)
    for folder in prepared_folders(name):
        yield _check_prepared(name, folder)


def _check_own_images(name: str) -> Iterator[Check]:
    record = read_record(name)
    if not Path(record.origin).exists():
        yield _gone(record)
        return
    try:
        ImageFolder(record).check()
    except DataError as error:
        yield Check(record.origin, f"differs from its record: {error}")
    else:
        yield Check(record.origin)


def _gone(record: FolderRecord) -> Check:
    """Return no fault if there are prepared images, which are enough."""
    command = f"run: {ImageFolder(record).command('FOLDER')}"
    if not prepared_folders(record.name):
        return Check(record.origin, f"is gone, and no images of it are prepared; {command}")
    return Check(
        record.origin,
        state=f"is gone: the prepared images can be used, with no other options; if you moved it, "
        f"{command}",
    )


def _check_files(name: str) -> Iterator[Check]:
    folder = files_folder(name)
    if folder is None:
        return
    for file in read_provenance(folder).values():
        yield Check(file.path.name, _file_fault(file, name))


def _file_fault(file: FetchedFile, name: str) -> str:
    if not file.path.is_file():
        return f"is missing; run: mlw download {name}"
    digest = checksum(file.path)
    if digest == file.sha256:
        return ""
    difference = f"sha256 {digest[:12]}... instead of {file.sha256[:12]}..."
    return f"is damaged ({difference}); run: mlw download {name}"


def _check_prepared(name: str, folder: Path) -> Check:
    tables = load_tables(folder)
    if tables is not None:
        recorded = next(iter(tables.values())).fingerprint
        if fingerprint_of(tables) == recorded:
            return Check(f"the prepared folder {folder.name}")
    fault = f"is damaged; delete that folder and run: mlw download {name}"
    return Check(f"the prepared folder {folder}", fault)

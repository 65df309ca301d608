"""Files that a user has already: found below `--from`, copied or packed into the cache, and compared.

A local archive that is not the published one is taken if it is whole and its images and folders are as
many as published; one with fewer only as a part, when the user says so.
"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

from workbench.data.cache import disk_errors
from workbench.data.download.manifest import ARCHIVES, ManifestEntry, RemoteFile, suffix_of
from workbench.data.download.provenance import FetchedFile, counts_text, difference, with_learnt
from workbench.data.download.transfer import CHUNK, Progress, is_html
from workbench.data.files.archive import Archive
from workbench.data.files.checksum import checksum
from workbench.data.files.containers import steady
from workbench.errors import ChecksumError, DataError, UsageError


def choose_form(entry: ManifestEntry, origin: Path) -> tuple[RemoteFile, ...]:
    """Return the form of a data set that a folder or file of the user's holds, or most of.

    Raises:
        UsageError: it is a file, and could be none of the data set's.
    """
    forms = list(entry.forms.values())
    if origin.is_dir():
        return max(
            forms, key=lambda files: sum(where(files, file, origin) is not None for file in files)
        )
    nearest = max(forms, key=lambda files: _likeness(files, origin))
    if _likeness(nearest, origin):
        return nearest
    names = ", ".join(file.name for file in entry.files)
    raise UsageError(f"{origin} is none of the files of {entry.name}: {names}.")


def _likeness(files: tuple[RemoteFile, ...], origin: Path) -> int:
    """How a file of the user's fits a form: 3 by its name, 2 by its suffix, 1 as another kind of archive, 0 not."""
    fits = [file for file in files if where(files, file, origin)]
    if any(file.name == origin.name for file in fits):
        return 3
    return (
        2
        if any(file.suffix.lower() == suffix_of(origin.name).lower() for file in fits)
        else int(bool(fits))
    )


def where(files: tuple[RemoteFile, ...], file: RemoteFile, origin: Path) -> Path | None:
    """Where a folder or archive given by the user has the file, packed or unpacked."""
    if origin.is_file():
        alone = len(files) == 1 and _kind(origin.name) == _kind(file.name)
        return origin if origin.name == file.name or alone else None
    candidates = [origin / file.name]
    if file.suffix.lower() in ARCHIVES:
        candidates += [origin / file.stem, *([origin] if origin.name == file.stem else [])]
    return next((path for path in candidates if path.exists()), None)


def _kind(name: str) -> str:
    suffix = suffix_of(name).lower()
    return "archive" if suffix in ARCHIVES else suffix


def take(
    local: Path,
    part: Path,
    file: RemoteFile,
    *,
    entry: ManifestEntry,
    partial: bool,
    progress: Progress | None,
) -> FetchedFile:
    """Copy a local file, or pack a local folder, to `part` and verify it; a wrong one leaves nothing behind."""
    known = with_learnt(entry, file)
    try:
        with disk_errors(part.parent):
            _pack(local, part, file.stem) if local.is_dir() else _copy(
                local, part, file.name, progress
            )
        digest = checksum(part)
        wrong = difference(part, known, digest)
        fetched = FetchedFile(
            part.with_name(file.name), str(local), "given", part.stat().st_size, digest, {}
        )
        if known.known and not wrong:
            return replace(
                fetched, verified="checksum" if file.known else "learnt", counts=counts(part, file)
            )
        if is_html(part):
            raise DataError(
                f"{local} is an HTML page, not {file.name}; was a page saved in place of the file?"
            )
        if wrong and not file.counts:
            which = "published" if file.known or not known.known else "learnt"
            raise ChecksumError(f"{local} is not the {which} {file.name}: {wrong}.")
        return _checked(fetched, part, local, file, partial)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def counts(path: Path, file: RemoteFile) -> dict[str, int]:
    """Count what the manifest has counts of, where the table of contents tells without reading on."""
    if not file.counts or not zipfile.is_zipfile(path):
        return {}
    with Archive(path) as archive:
        return dict(zip(file.counts, archive.counts(), strict=False))


def read_through(path: Path, file: RemoteFile) -> None:
    """Read all of an archive of which no checksum is known. Raises `DataError` if it is damaged."""
    if file.suffix.lower() in ARCHIVES:
        with Archive(path) as archive:
            archive.test()


def _copy(local: Path, part: Path, name: str, progress: Progress | None) -> None:
    total = local.stat().st_size
    with steady(local), local.open("rb") as source, part.open("wb") as sink:
        while sink.tell() <= total and (
            chunk := source.read(CHUNK)
        ):  # a file that grows would never end
            sink.write(chunk)
            if progress is not None:
                progress(name, sink.tell(), total)


def _pack(folder: Path, part: Path, stem: str) -> None:
    """Pack an unpacked folder into one archive, the same bytes for the same content."""
    with Archive(folder) as source, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as sink:
        for name in source.names:
            sink.writestr(zipfile.ZipInfo(f"{stem}/{name}"), source.read(name))


def _checked(
    fetched: FetchedFile, part: Path, local: Path, file: RemoteFile, partial: bool
) -> FetchedFile:
    """Check by content a file that is not the published one, or of which no checksum is known."""
    try:
        checked = _counted(fetched, part, local, file, partial) if file.counts else fetched
        read_through(part, file)
        return checked
    except DataError as error:  # in the user's words: the file given, not its copy
        raise type(error)(str(error).replace(str(part), str(local))) from error


def _counted(
    fetched: FetchedFile, part: Path, local: Path, file: RemoteFile, partial: bool
) -> FetchedFile:
    with Archive(part) as archive:
        found = dict(zip(file.counts, archive.counts(), strict=False))
    if found == file.counts:
        return replace(fetched, verified="count", counts=found)
    fewer = min(found.values()) > 0 and all(found[word] <= file.counts[word] for word in found)
    if fewer and partial:
        (word, images), whole = next(iter(found.items())), next(iter(file.counts.values()))
        return replace(
            fetched, verified="part", counts=found, part=f"{images:,} of {whole:,} {word}"
        )
    hint = "; add --partial to use it as a part" if fewer else ""
    raise DataError(
        f"{local} holds {counts_text(found)}; {file.name} holds {counts_text(file.counts)}{hint}."
    )

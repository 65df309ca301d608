"""Files that a user already has: find them, copy or pack them into the cache, and verify them.

A local archive that is not the published one is accepted if it is undamaged and contains as many
images and folders as published. One with fewer is accepted only as a part, if the user asks for it.
"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

from workbench.data.cache import disk_errors
from workbench.data.download.entry import (
    ARCHIVES,
    Form,
    ManifestEntry,
    RemoteFile,
    names_of,
    suffix_of,
)
from workbench.data.download.learnt import with_learnt
from workbench.data.download.provenance import FetchedFile, counts_text, difference
from workbench.data.download.transfer import CHUNK, is_html
from workbench.data.files.archive import Archive
from workbench.data.files.checksum import checksum
from workbench.data.files.file_state import refuse_changes
from workbench.errors import ChecksumError, DataError, UsageError
from workbench.progress import Progress, Report


def choose_form(entry: ManifestEntry, source: Path) -> Form:
    """Return the form of a data set that a user's folder or file contains, or most of it.

    Raises:
        UsageError: `source` is a file that cannot be one of the data set's.
    """
    forms = list(entry.forms.values())
    if source.is_dir():
        return max(forms, key=lambda form: len(_found(form, source)))
    nearest = max(forms, key=lambda form: _likeness(form, source))
    if _likeness(nearest, source) == 0:
        names = ", ".join(names_of(entry.files))
        raise UsageError(f"{source} is none of the files of {entry.name}: {names}.")
    return nearest


def _found(form: Form, source: Path) -> list[RemoteFile]:
    return [file for file in form if find_local(form, file, source) is not None]


def _likeness(form: Form, source: Path) -> int:
    """Say how well a user's file fits a form.

    3: one of its files has the same name. 2: the same suffix. 1: it is another kind of archive.
    0: it does not fit.
    """
    fitting = _found(form, source)
    if not fitting:
        return 0
    if source.name in names_of(fitting):
        return 3
    suffix = suffix_of(source.name).lower()
    if suffix in [file.suffix.lower() for file in fitting]:
        return 2
    return 1


def find_local(form: Form, file: RemoteFile, source: Path) -> Path | None:
    """Return where a user's folder or archive has a file, packed or unpacked; None if it has not.

    An archive with another name is taken for the only file of a form.
    """
    if source.is_file():
        alone = len(form) == 1 and _kind(source.name) == _kind(file.name)
        if source.name == file.name or alone:
            return source
        return None
    candidates = [source / file.name]
    if file.suffix.lower() in ARCHIVES:
        candidates.append(source / file.stem)
        if source.name == file.stem:
            candidates.append(source)
    for path in candidates:
        if path.exists():
            return path
    return None


def similar_archives(entry: ManifestEntry, folder: Path) -> list[str]:
    """Return the archives in a folder that are named like a data set, which may be copies of it.

    An archive under another name is accepted only for a form that consists of one archive, and
    only if the user names it: `EuroSAT_RGB-subset.zip` may be a part of EuroSAT, or anything else.
    """
    wanted = [_plain(entry.name)]
    for form in entry.forms.values():
        if len(form) == 1 and _kind(form[0].name) == "archive":
            wanted.append(_plain(form[0].stem))
    if len(wanted) == 1:
        return []
    similar = []
    for path in sorted(folder.iterdir()):
        is_archive = path.is_file() and _kind(path.name) == "archive"
        if is_archive and any(name in _plain(path.name) for name in wanted):
            similar.append(path.name)
    return similar


def _plain(name: str) -> str:
    """Return the letters and digits of a name in lower case."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _kind(name: str) -> str:
    suffix = suffix_of(name).lower()
    if suffix in ARCHIVES:
        return "archive"
    return suffix


def take_local(
    local: Path,
    part: Path,
    file: RemoteFile,
    *,
    entry: ManifestEntry,
    partial: bool,
    report: Report | None,
) -> FetchedFile:
    """Copy a local file, or pack a local folder, to `part` and verify it.

    Args:
        partial: accept an archive with fewer images than published.

    Raises:
        ChecksumError: it is not the published file, and there are no counts to check it by.
        DataError: it is damaged, changed meanwhile, or contains other numbers of images or folders.
            Nothing is left of it in the cache.
    """
    known = with_learnt(entry, file)
    try:
        with disk_errors(part.parent):
            if local.is_dir():
                _pack(local, part, file.stem)
            else:
                _copy(local, part, file.name, report)
        return _verify(local, part, file, known, partial)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _copy(local: Path, part: Path, name: str, report: Report | None) -> None:
    total = local.stat().st_size
    with refuse_changes(local), local.open("rb") as source, part.open("wb") as sink:
        while sink.tell() <= total:  # without the limit, a file that grows would never end
            chunk = source.read(CHUNK)
            if not chunk:
                break
            sink.write(chunk)
            if report is not None:
                report(Progress(name, sink.tell(), total, "bytes"))


def _pack(folder: Path, part: Path, stem: str) -> None:
    """Pack an unpacked folder into one archive: the same bytes for the same content."""
    with Archive(folder) as source, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as sink:
        for name in source.names:
            sink.writestr(zipfile.ZipInfo(f"{stem}/{name}"), source.read(name))


def _verify(
    local: Path, part: Path, file: RemoteFile, known: RemoteFile, partial: bool
) -> FetchedFile:
    """Compare a copy with what is published: by checksum, otherwise by content.

    Args:
        local: the user's file or folder, for messages.
        part: its copy.
        file: the published file.
        known: the same with its learnt checksum, if there is one.
        partial: accept fewer images than published.
    """
    digest = checksum(part)
    wrong = difference(part, known, digest)
    size = part.stat().st_size
    fetched = FetchedFile(part.with_name(file.name), str(local), "given", size, digest, {})
    if known.known and not wrong:
        counts = count_images(part, file)
        if file.known:
            return replace(fetched, verified="checksum", counts=counts)
        return replace(fetched, verified="learnt", counts=counts)
    if is_html(part):
        raise DataError(
            f"{local} is an HTML page, not {file.name}. Was a web page saved instead of the file?"
        )
    if wrong and not file.counts:
        which = "learnt" if known.known and not file.known else "published"
        raise ChecksumError(f"{local} is not the {which} {file.name}: {wrong}.")
    return _check_content(fetched, part, local, file, partial)


def count_images(path: Path, file: RemoteFile) -> dict[str, int]:
    """Count images and folders if a table of contents lists them; return {} otherwise."""
    if not file.counts or not zipfile.is_zipfile(path):
        return {}
    return _count(path, file)


def _count(path: Path, file: RemoteFile) -> dict[str, int]:
    with Archive(path) as archive:
        return dict(zip(file.counts, archive.counts(), strict=False))


def read_through(path: Path, file: RemoteFile) -> None:
    """Read all of an archive without a known checksum.

    Raises:
        DataError: it is damaged.
    """
    if file.suffix.lower() in ARCHIVES:
        with Archive(path) as archive:
            archive.test()


def _check_content(
    fetched: FetchedFile, part: Path, local: Path, file: RemoteFile, partial: bool
) -> FetchedFile:
    """Check the content of a file that is not the published one, or that has no known checksum."""
    try:
        if file.counts:
            fetched = _check_counts(fetched, part, local, file, partial)
        read_through(part, file)
    except DataError as error:  # name the file that the user gave, not its copy
        raise type(error)(str(error).replace(str(part), str(local))) from error
    return fetched


def _check_counts(
    fetched: FetchedFile, part: Path, local: Path, file: RemoteFile, partial: bool
) -> FetchedFile:
    found = _count(part, file)
    if found == file.counts:
        return replace(fetched, verified="count", counts=found)
    is_part = _is_part(found, file.counts)
    if is_part and partial:
        images = next(iter(found))
        text = f"{found[images]:,} of {file.counts[images]:,} {images}"
        return replace(fetched, verified="part", counts=found, part=text)
    message = f"{local} contains {counts_text(found)}; {file.name} has {counts_text(file.counts)}"
    if is_part:
        message += "; add --partial to use it as a part"
    raise DataError(f"{message}.")


def _is_part(found: dict[str, int], published: dict[str, int]) -> bool:
    """Return whether an archive contains some images, and no more of anything than published."""
    if min(found.values()) <= 0:
        return False
    return all(found[word] <= published[word] for word in found)

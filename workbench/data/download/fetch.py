"""Data sets' files: from `datasets.toml` to verified archives in `<cache>/downloads/NAME`.

`fetch` transfers what an entry of the manifest names, or takes it from a folder, an archive or another
address; size and checksum are verified before anything is opened. What it did is recorded in
`provenance.toml` beside the files. `open_dataset` is how the rest of the workbench gets at images.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from workbench.data.cache import disk_errors
from workbench.data.download.local_files import choose_form, counts, take, where
from workbench.data.download.manifest import LOCAL, ManifestEntry, RemoteFile
from workbench.data.download.mirrors import from_net
from workbench.data.download.provenance import (
    FetchedFile,
    counts_text,
    difference,
    downloads,
    learn,
    read_provenance,
    write_provenance,
)
from workbench.data.download.transfer import Progress, discard
from workbench.data.files.archive import scratch
from workbench.data.files.checksum import checksum
from workbench.errors import DataError, UsageError


@dataclass(frozen=True)
class Fetched:
    """What `fetch` leaves in the cache; `str()` of it is what a user wants to read."""

    entry: ManifestEntry
    folder: Path
    files: tuple[FetchedFile, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Images, folders and folders of folders of all files together."""
        total: dict[str, int] = {}
        for file in self.files:
            for word, count in file.counts.items():
                total[word] = total.get(word, 0) + count
        return total

    def __str__(self) -> str:
        facts = [
            counts_text(self.counts),
            f"licence {self.entry.licence}",
            f"cite {self.entry.citation}",
        ]
        lines = [
            *map(str, self.files),
            f"{self.entry.name}: {'; '.join(fact for fact in facts if fact)}",
        ]
        return "\n".join([*lines, f"in {self.folder}"])


# --- opening what is there


# --- fetching


def ignore(_: str) -> None:
    """Take a note and do nothing with it."""


@dataclass(frozen=True)
class _Order:
    """What was asked of `fetch`."""

    entry: ManifestEntry
    origin: (
        str | Path | None
    )  # the beginning of a URL, what the user has, or None: the published addresses
    partial: bool
    progress: Progress | None
    note: Callable[[str], None]

    @property
    def folder(self) -> Path:
        return downloads(self.entry)


def fetch(
    entry: ManifestEntry,
    source: str | os.PathLike[str] | None = None,
    *,
    partial: bool = False,
    progress: Progress | None = None,
    note: Callable[[str], None] = ignore,
) -> Fetched:
    """Bring the files of an entry into the cache, verified, and return what is there.

    `source` is a folder that holds the archives (or what they unpack to), an archive, or the beginning of
    a URL to which the file names are added; without it the published addresses are tried in order, each
    that fails being told to `note`. A file that is here and verified is kept. What came over the net must
    be the published file, or the one learnt at the first download; a local one that is not is taken if it
    is whole and its images and folders are as many as published, and with `partial` if they are fewer.

    Raises `ChecksumError` for a wrong file (nothing of it is kept), `UsageError` for a source that cannot
    be meant, and `DataError` for anything else; after a transfer that was cut, the next call goes on.
    """
    order = _Order(entry, _source(entry, source), partial, progress, note)
    folder = order.folder
    from filelock import FileLock

    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{entry.name}.lock")):
            try:
                with scratch(folder / ".scratch"):  # the disk for temporary files may be small
                    files = _first_form(order)
            except FileNotFoundError as error:
                if folder.is_dir():
                    raise
                raise DataError(
                    f"{folder} was removed while it was written; type the same command again."
                ) from error
            finally:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
    return Fetched(entry, folder, files)


def _source(entry: ManifestEntry, source: str | os.PathLike[str] | None) -> str | Path | None:
    """Tell a URL prefix (str) from a path that exists (Path), and refuse the rest."""
    if source is None:
        return None
    text = os.fspath(source)
    if "://" not in text:
        path = Path(text).expanduser().resolve()
        if not path.exists():
            raise UsageError(
                f"{text} does not exist; --from takes a folder, an archive or the beginning of a URL."
            )
        return path
    parts = urlsplit(text)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL):
        raise UsageError(
            f"{text} must begin with https:// (http:// is for 127.0.0.1 and localhost)."
        )
    for file in entry.files:  # the address of the file itself means the folder that it lies in
        text = text.removesuffix(f"/{quote(file.name)}")
    return text.rstrip("/") + "/"


def _first_form(order: _Order) -> tuple[FetchedFile, ...]:
    """Fetch the first form of the data set that can be had; what is here comes first."""
    records = read_provenance(order.folder)
    if isinstance(order.origin, Path):
        chosen = choose_form(order.entry, order.origin)
        for files in order.entry.forms.values():
            if files != chosen and all(file.name in records for file in files):
                raise DataError(_here_already(order.entry, files, chosen))
        return _fetch_form(order, chosen)
    forms = sorted(
        order.entry.forms.values(), key=lambda files: -sum(file.name in records for file in files)
    )
    for files in forms[:-1]:
        try:
            return _fetch_form(order, files)
        except DataError as error:
            order.note(str(error))
    return _fetch_form(order, forms[-1])


def _fetch_form(order: _Order, files: tuple[RemoteFile, ...]) -> tuple[FetchedFile, ...]:
    kept = {file.name: _kept(order, file) for file in files}
    by_hand = [file.name for file in files if not file.urls and kept[file.name] is None]
    if order.origin is None and by_hand:
        entry = order.entry
        raise DataError(
            f"{', '.join(by_hand)} of {entry.name} can only be had by hand. {entry.steps}"
        )
    return tuple(_fetch_file(order, files, file, kept[file.name]) for file in files)


def _fetch_file(
    order: _Order, files: tuple[RemoteFile, ...], file: RemoteFile, here: FetchedFile | None
) -> FetchedFile:
    if here is not None and (order.origin is None or here.verified == "checksum"):
        return here
    part = order.folder / f"{file.name}.part"
    if not isinstance(order.origin, Path):
        fetched = _from_net(order, file, part)
    elif (local := where(files, file, order.origin)) is not None:
        fetched = take(
            local, part, file, entry=order.entry, partial=order.partial, progress=order.progress
        )
    elif here is not None:  # --from one archive, the other was fetched before
        return here
    elif (
        order.entry.access == "by hand" and file.urls
    ):  # only the other files need the user's hands
        fetched = _from_net(order, file, part)
    else:
        raise DataError(_not_there(order.entry, files, file, order.origin))
    if fetched.first:
        learn(order.entry, fetched)  # before the file is there: one that is must be known
    os.replace(part, fetched.path)
    discard(part)
    write_provenance(fetched)
    return fetched


def _from_net(order: _Order, file: RemoteFile, part: Path) -> FetchedFile:
    """From where the user said, else from the published addresses; of these, the steps tell what to do if all fail."""
    if isinstance(order.origin, str):
        urls: tuple[str, ...] = (order.origin + quote(file.name),)
    else:
        urls = file.urls
    try:
        return from_net(
            urls, part, file, entry=order.entry, progress=order.progress, note=order.note
        )
    except DataError as error:
        if isinstance(order.origin, str) or not order.entry.steps:
            raise
        raise type(error)(f"{error} {order.entry.steps}") from error


def _kept(order: _Order, file: RemoteFile) -> FetchedFile | None:
    """The file that is here already, its bytes compared with its record; None if there is none as good."""
    path = order.folder / file.name
    record = read_provenance(order.folder).get(file.name)
    if not path.is_file():
        return None
    digest = checksum(path)
    if record is not None and digest == record.sha256:
        return record
    if (
        record is None and file.known and not difference(path, file, digest)
    ):  # killed before writing the record
        found = FetchedFile(
            path, str(path), "checksum", path.stat().st_size, digest, counts(path, file)
        )
        write_provenance(found)
        return found
    return None


def _not_there(
    entry: ManifestEntry, files: Iterable[RemoteFile], file: RemoteFile, origin: Path
) -> str:
    names = ", ".join(file.name for file in files)
    if origin.is_file():
        return f"{entry.name} also needs {file.name}; give --from a folder that holds {names}."
    return f"{origin} holds neither {file.name} nor a folder {file.stem}; {entry.name} consists of {names}."


def _here_already(
    entry: ManifestEntry, here: Iterable[RemoteFile], chosen: Iterable[RemoteFile]
) -> str:
    old, new = (", ".join(file.name for file in files) for files in (here, chosen))
    return f"{entry.name} is here as {old}; to take {new} instead, first type: mlw download {entry.name} --remove"

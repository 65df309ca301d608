"""From the addresses of a file to the file, verified: the first address that gives it is enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from workbench.data.download.local_files import counts, read_through
from workbench.data.download.manifest import ManifestEntry, RemoteFile
from workbench.data.download.provenance import (
    FetchedFile,
    counts_text,
    difference,
    learnt_path,
    with_learnt,
)
from workbench.data.download.transfer import Progress, TooLong, discard, is_html, receive
from workbench.data.files.checksum import checksum
from workbench.errors import ChecksumError, DataError


def from_net(
    urls: Sequence[str],
    part: Path,
    file: RemoteFile,
    *,
    entry: ManifestEntry,
    progress: Progress | None,
    note: Callable[[str], None],
) -> FetchedFile:
    """Transfer a file of a data set to `part` from the first of its addresses that gives it, and verify it.

    A failure is told to `note` when there is another address. Raises `ChecksumError` for a wrong file,
    nothing of which is kept, and `DataError` otherwise; the last failure is the error.
    """
    known = with_learnt(entry, file)
    for url, following in zip(urls, (*urls[1:], ""), strict=True):
        try:
            return _transfer(url, part, known, entry, learnt=known is not file, progress=progress)
        except DataError as error:
            if following:
                note(f"{error} Trying {following} ...")
                continue
            if len(urls) == 1:
                raise
            hosts = ", ".join(str(urlsplit(url).hostname) for url in urls)
            text = f"None of the {len(urls)} addresses of {file.name} gave it ({hosts}); of the last: {error}"
            raise type(error)(text) from error
    raise DataError(f"{file.name} of {entry.name} has no address; use --from.")


def _transfer(
    url: str,
    part: Path,
    file: RemoteFile,
    entry: ManifestEntry,
    *,
    learnt: bool,
    progress: Progress | None,
) -> FetchedFile:
    """Transfer a file to `part`, going on where an earlier transfer stopped, and verify it."""
    resumed = part.exists()
    try:
        receive(url, part, file, progress)
        digest = checksum(part)
        wrong = difference(part, file, digest)
    except TooLong:
        digest, wrong = "", f"more than {file.size:,} bytes"
    except OSError:  # a full disk: what came so far would only be in the way
        discard(part)
        raise
    html = is_html(part)
    if wrong and resumed:  # the beginning may be of another file: once more, from the start
        discard(part)
        return _transfer(url, part, file, entry, learnt=learnt, progress=progress)
    if wrong or (html and not file.known):
        discard(part)
        raise _refusal(url, file, wrong, entry, html=html, learnt=learnt)
    size = part.stat().st_size
    how: Literal["checksum", "learnt"] = "checksum" if file.known and not learnt else "learnt"
    first = not file.known
    if first:
        _believable(url, part, file)
    return FetchedFile(
        part.with_name(file.name), url, how, size, digest, counts(part, file), first=first
    )


def _refusal(
    url: str, file: RemoteFile, wrong: str, entry: ManifestEntry, *, html: bool, learnt: bool
) -> DataError:
    if html:
        return DataError(
            f"{url} gave an HTML page instead of {file.name}; open it in a browser, or use --from."
        )
    if not learnt:
        return ChecksumError(f"{url} is not the published {file.name}: {wrong}; nothing was kept.")
    return ChecksumError(
        f"{url} is not the {file.name} that was learnt at the first download: {wrong}; nothing was kept. If its "
        f"publisher says that it changed, delete its entry, {entry.name}, from {learnt_path()} and type the "
        "same command again."
    )


def _believable(url: str, part: Path, file: RemoteFile) -> None:
    """Look into an archive before its checksum is learnt: a damaged one must not become the measure."""
    try:
        found = counts(part, file)
        if found != file.counts and found:
            raise ChecksumError(
                f"{part} holds {counts_text(found)}; {file.name} holds {counts_text(file.counts)}."
            )
        read_through(part, file)
    except DataError as error:
        discard(part)
        raise type(error)(str(error).replace(str(part), url)) from error

"""Download a file from the first of its addresses that provides it, and verify it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from workbench.data.download.entry import ManifestEntry, RemoteFile
from workbench.data.download.learnt import learnt_path, with_learnt
from workbench.data.download.local_files import count_images, read_through
from workbench.data.download.provenance import FetchedFile, counts_text, difference
from workbench.data.download.transfer import LIMITS, Limits, TooLong, discard, is_html, receive
from workbench.data.files.checksum import checksum
from workbench.errors import ChecksumError, DataError
from workbench.progress import Report


def download_file(
    urls: Sequence[str],
    part: Path,
    file: RemoteFile,
    *,
    entry: ManifestEntry,
    report: Report | None,
    note: Callable[[str], None],
    limits: Limits = LIMITS,
) -> FetchedFile:
    """Download a file to `part` from the first address that provides it, and verify it.

    Args:
        note: told of a failure if there is another address to try.
        limits: what the transfer may cost.

    Raises:
        ChecksumError: the file is wrong; nothing of it is kept.
        DataError: no address provides the file; the message is about the last one.
    """
    if not urls:
        raise DataError(f"{file.name} of {entry.name} has no address; use --from.")
    known = with_learnt(entry, file)
    for url, next_url in pairwise(urls):
        try:
            return _download(url, part, file, known, entry, report, limits)
        except DataError as error:
            note(f"{error} Trying {next_url} ...")
    try:
        return _download(urls[-1], part, file, known, entry, report, limits)
    except DataError as error:
        if len(urls) == 1:
            raise
        hosts = ", ".join(str(urlsplit(url).hostname) for url in urls)
        raise type(error)(
            f"None of the {len(urls)} addresses of {file.name} provided it ({hosts}). "
            f"The last failure: {error}"
        ) from error


def _download(
    url: str,
    part: Path,
    file: RemoteFile,
    known: RemoteFile,  # the same with its learnt checksum, if there is one
    entry: ManifestEntry,
    report: Report | None,
    limits: Limits,
) -> FetchedFile:
    """Download a file from one address, resume what an earlier transfer left, and verify it."""
    resumed = part.exists()
    digest, wrong = _receive(url, part, known, report, limits)
    if wrong and resumed:  # the beginning may be of another file: start over, once
        discard(part)
        return _download(url, part, file, known, entry, report, limits)
    refusal = _refusal(url, part, file, known, entry, wrong)
    if refusal is not None:
        discard(part)
        raise refusal
    if not known.known:
        _check_before_learning(url, part, file)
    return FetchedFile(
        path=part.with_name(file.name),
        origin=url,
        verified="checksum" if file.known else "learnt",
        size=part.stat().st_size,
        sha256=digest,
        counts=count_images(part, file),
        first=not known.known,
    )


def _receive(
    url: str, part: Path, known: RemoteFile, report: Report | None, limits: Limits
) -> tuple[str, str]:
    """Transfer a file; return its SHA-256, and how it differs from the published file."""
    try:
        receive(url, part, known, report, limits)
        digest = checksum(part)
        return digest, difference(part, known, digest)
    except TooLong as error:
        return "", str(error)
    except OSError:  # a full disk: what arrived would only be in the way
        discard(part)
        raise


def _refusal(
    url: str, part: Path, file: RemoteFile, known: RemoteFile, entry: ManifestEntry, wrong: str
) -> DataError | None:
    """Return why a file must not be kept, or None if it is right or nothing is known about it."""
    if is_html(part) and (wrong or not known.known):
        return DataError(
            f"{url} gave an HTML page instead of {file.name}; open it in a browser, or use --from."
        )
    if not wrong:
        return None
    if file.known or not known.known:
        return ChecksumError(f"{url} is not the published {file.name}: {wrong}; nothing was kept.")
    return ChecksumError(
        f"{url} is not the {file.name} that was learnt at the first download: {wrong}; "
        f"nothing was kept. If the publisher says that the file changed, delete its entry, "
        f"{entry.name}, from {learnt_path()} and run the same command again."
    )


def _check_before_learning(url: str, part: Path, file: RemoteFile) -> None:
    """Look into an archive before its checksum is learnt, so that no damaged one is learnt."""
    try:
        found = count_images(part, file)
        if found and found != file.counts:
            raise ChecksumError(
                f"{part} contains {counts_text(found)}; {file.name} has {counts_text(file.counts)}."
            )
        read_through(part, file)
    except DataError as error:  # name the address, not the part file
        discard(part)
        raise type(error)(str(error).replace(str(part), url)) from error

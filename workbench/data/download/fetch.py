"""Fetch a data set: bring the files of a manifest entry into `<cache>/downloads/NAME`, verified.

Files come from their published addresses, from another address, or from a user's folder or archive.
Their size and checksum are verified before anything opens them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from workbench.data.cache import disk_errors
from workbench.data.download.entry import (
    LOCAL_HOSTS,
    Form,
    ManifestEntry,
    RemoteFile,
    names_of,
    split_address,
)
from workbench.data.download.learnt import learn
from workbench.data.download.local_files import (
    choose_form,
    count_images,
    find_local,
    similar_archives,
    take_local,
)
from workbench.data.download.mirrors import download_file
from workbench.data.download.provenance import (
    PROVENANCE,
    FetchedFile,
    counts_text,
    difference,
    downloads,
    read_provenance,
    remove_provenance,
    write_provenance,
)
from workbench.data.download.transfer import discard
from workbench.data.files.checksum import checksum
from workbench.data.files.scratch import scratch
from workbench.errors import DataError, UsageError
from workbench.locks import locked
from workbench.progress import Report, say_nothing


@dataclass(frozen=True)
class Fetched:
    """The files of a data set in the cache. `str()` gives a report for the user."""

    entry: ManifestEntry
    folder: Path
    files: tuple[FetchedFile, ...]

    @property
    def counts(self) -> dict[str, int]:
        """The numbers of images, folders and parent folders in all files together."""
        total: dict[str, int] = {}
        for file in self.files:
            for word, count in file.counts.items():
                total[word] = total.get(word, 0) + count
        return total

    def __str__(self) -> str:
        lines = [str(file) for file in self.files]
        facts = f"licence {self.entry.licence}; cite {self.entry.citation}"
        if self.counts:
            facts = f"{counts_text(self.counts)}; {facts}"
        lines.append(f"{self.entry.name}: {facts}")
        lines.append(f"stored in {self.folder}")
        return "\n".join(lines)


@dataclass(frozen=True)
class _FetchJob:
    """One call of `fetch`: what to fetch, where from, and whom to tell.

    `source` is the start of a URL, a path that exists, or None for the published addresses.
    """

    entry: ManifestEntry
    source: str | Path | None
    partial: bool
    report: Report | None
    note: Callable[[str], None]

    @property
    def folder(self) -> Path:
        return downloads(self.entry)


def fetch(
    entry: ManifestEntry,
    source: str | os.PathLike[str] | None = None,
    *,
    partial: bool = False,
    report: Report | None = None,
    note: Callable[[str], None] = say_nothing,
) -> Fetched:
    """Bring the files of a manifest entry into the cache and verify them.

    A verified file that is already in the cache is kept. A downloaded file must be the published
    one, or the one learnt at the first download. A local file that is not the published one is
    accepted if it is undamaged and has as many images and folders as published.

    Args:
        entry: the manifest entry.
        source: a folder with the archives or with what they unpack to, an archive, or the start of
            a URL to which the file names are added. If omitted, the published addresses are tried
            in order.
        partial: accept a local archive with fewer images than published.
        report: shows progress, in bytes per file.
        note: told of each address that fails before another one is tried.

    Raises:
        ChecksumError: a file is wrong; nothing of it is kept.
        UsageError: `source` is invalid.
        DataError: anything else. After a transfer that was cut, the next call resumes.
    """
    job = _FetchJob(entry, _check_source(entry, source), partial, report, note)
    folder = job.folder
    with disk_errors(folder), _locked(folder, job.note):
        try:
            with scratch(folder / ".scratch"):  # the disk for temporary files may be small
                files = _fetch_any_form(job)
        except FileNotFoundError as error:
            if folder.is_dir():
                raise
            raise DataError(
                f"{folder} was removed while files were written to it; run the same command again."
            ) from error
    return Fetched(entry, folder, files)


@contextmanager
def _locked(folder: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Make a folder and keep other processes out of it; remove it if nothing was written to it."""
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f".{folder.name}.lock"), note):
        try:
            yield
        finally:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _check_source(entry: ManifestEntry, source: str | os.PathLike[str] | None) -> str | Path | None:
    """Return a path that exists as a Path, and the start of a URL as a str that ends in "/"."""
    if source is None:
        return None
    text = os.fspath(source)
    if "://" in text:
        return _check_url(entry, text)
    path = Path(text).expanduser().resolve()
    if not path.exists():
        raise UsageError(
            f"{text} does not exist. --from takes a folder, an archive or the start of a URL."
        )
    return path


def _check_url(entry: ManifestEntry, url: str) -> str:
    parts = split_address(url)
    local = parts is not None and parts.scheme == "http" and parts.hostname in LOCAL_HOSTS
    if parts is None or (parts.scheme != "https" and not local):
        raise UsageError(
            f"{url} must be an address and must begin with https:// "
            "(http:// works for 127.0.0.1 and localhost)."
        )
    for file in entry.files:  # the address of a file stands for the folder that it is in
        url = url.removesuffix(f"/{quote(file.name)}")
    return url.rstrip("/") + "/"


def _fetch_any_form(job: _FetchJob) -> tuple[FetchedFile, ...]:
    """Fetch the first form that is available, the most complete form in the cache before others."""
    cached = set(read_provenance(job.folder))
    forms = list(job.entry.forms.values())
    if isinstance(job.source, Path):
        form = choose_form(job.entry, job.source)
        _check_no_other_form(job.entry, form, cached)
        return _fetch_form(job, form)

    def files_in_cache(form: Form) -> int:
        return len(cached & set(names_of(form)))

    *others, last = sorted(forms, key=files_in_cache, reverse=True)
    for form in others:
        try:
            return _fetch_form(job, form)
        except DataError as error:
            job.note(str(error))
    return _fetch_form(job, last)


def _check_no_other_form(entry: ManifestEntry, chosen: Form, cached: set[str]) -> None:
    """Raise `DataError` if the cache has a complete form other than the chosen one."""
    for form in entry.forms.values():
        names = names_of(form)
        if form != chosen and cached.issuperset(names):
            wanted = ", ".join(names_of(chosen))
            raise DataError(
                f"{entry.name} is already in the cache as {', '.join(names)}. To use {wanted} "
                f"instead, first run: mlw download {entry.name} --remove"
            )


def _fetch_form(job: _FetchJob, form: Form) -> tuple[FetchedFile, ...]:
    cached = {file.name: _cached_file(job, file) for file in form}
    if job.source is None:
        _check_addresses(job.entry, form, cached)
    return tuple(_fetch_file(job, form, file, cached[file.name]) for file in form)


def _check_addresses(
    entry: ManifestEntry, form: Form, cached: dict[str, FetchedFile | None]
) -> None:
    """Raise `DataError` if a file that is not in the cache has no address."""
    by_hand = [file.name for file in form if not file.urls and cached[file.name] is None]
    if by_hand:
        names = ", ".join(by_hand)
        raise DataError(f"{names} of {entry.name} must be downloaded by hand. {entry.steps}")


def _cached_file(job: _FetchJob, file: RemoteFile) -> FetchedFile | None:
    """Return a file that is in the cache and unchanged since it was verified; otherwise None."""
    path = job.folder / file.name
    known = read_provenance(job.folder).get(file.name)
    if not path.is_file():
        return None
    digest = checksum(path)
    if known is not None:
        if digest == known.sha256:
            return known
        return None
    if not file.known or difference(path, file, digest):
        return None
    # The process that fetched it was killed before it wrote the provenance.
    size = path.stat().st_size
    found = FetchedFile(path, str(path), "checksum", size, digest, count_images(path, file))
    write_provenance(found)
    return found


def _fetch_file(
    job: _FetchJob, form: Form, file: RemoteFile, cached: FetchedFile | None
) -> FetchedFile:
    if cached is not None and job.source is None:
        return cached
    if cached is not None and cached.verified == "checksum":
        _check_same(job, form, file, cached)
        return cached
    if not isinstance(job.source, Path):
        return _download(job, file)
    local = find_local(form, file, job.source)
    if local is not None:
        if cached is not None and _is_copy_of(local, cached, job):
            return cached
        return _take(job, local, file)
    if cached is not None:  # --from gives one archive; the others were fetched earlier
        return cached
    if job.entry.access == "by hand" and file.urls:  # only the other files must be given
        return _download(job, file)
    raise DataError(_missing_text(job, form, file, job.source))


def _check_same(job: _FetchJob, form: Form, file: RemoteFile, cached: FetchedFile) -> None:
    """Say that the published file, which is here, is used and not the one that the user gives.

    Raises:
        DataError: the user gives another file.
    """
    name = job.entry.name
    kept = f"{file.name} of {name} is here already, with the published checksum"
    replace = f"run: mlw download {name} --remove, and then the same command again"
    local = None
    if isinstance(job.source, Path):
        local = find_local(form, file, job.source)
        if local is None:
            return
        if local.is_file() and checksum(local) == cached.sha256:
            job.note(f"{kept}; {local} is the same file")
            return
        if local.is_file():
            raise DataError(f"{kept}, and {local} is another file. To replace it, {replace}")
    job.note(f"{kept}, and is used; {local or job.source} is not read. To replace it, {replace}")


def _is_copy_of(local: Path, cached: FetchedFile, job: _FetchJob) -> bool:
    """Say that a user's file was taken earlier, if it is the same, so it is not copied again."""
    if cached.verified == "part" and not job.partial:  # it is asked for again, and so refused
        return False
    if not local.is_file() or checksum(local) != cached.sha256:
        return False
    job.note(f"{cached.path.name} of {job.entry.name} is here already; {local} is the same file")
    return True


def _take(job: _FetchJob, local: Path, file: RemoteFile) -> FetchedFile:
    """Take a file that the user has."""
    part = _part(job, file)
    fetched = take_local(local, part, file, entry=job.entry, partial=job.partial, report=job.report)
    return _keep(job, part, fetched)


def _download(job: _FetchJob, file: RemoteFile) -> FetchedFile:
    """Download from the user's address, otherwise from the published ones."""
    urls = file.urls
    if isinstance(job.source, str):
        urls = (job.source + quote(file.name),)
    part = _part(job, file)
    try:
        fetched = download_file(urls, part, file, entry=job.entry, report=job.report, note=job.note)
    except DataError as error:
        if isinstance(job.source, str) or not job.entry.steps:
            raise
        raise type(error)(f"{error} {job.entry.steps}") from error
    return _keep(job, part, fetched)


def _part(job: _FetchJob, file: RemoteFile) -> Path:
    return job.folder / f"{file.name}.part"


def _keep(job: _FetchJob, part: Path, fetched: FetchedFile) -> FetchedFile:
    """Give a verified part file its name, and write its provenance."""
    if fetched.first:
        learn(job.entry, fetched)  # first, so that no file is ever in place without its checksum
    os.replace(part, fetched.path)
    discard(part)
    write_provenance(fetched)
    return fetched


def discard_unusable(fetched: Fetched) -> list[str]:
    """Remove files that were taken just now and are not known to be the published ones.

    Called when no data set can be made of them. Returns their names.
    """
    removed = []
    for file in fetched.files:
        if file.new and file.verified in ("part", "count", "given"):
            file.path.unlink(missing_ok=True)
            remove_provenance(file)
            removed.append(file.path.name)
    if not read_provenance(fetched.folder):
        (fetched.folder / PROVENANCE).unlink(missing_ok=True)
    with suppress(OSError):  # other files are in it
        fetched.folder.rmdir()
    return removed


def _missing_text(job: _FetchJob, form: Form, file: RemoteFile, source: Path) -> str:
    name = job.entry.name
    names = ", ".join(names_of(form))
    if source.is_file():
        return f"{name} also needs {file.name}; use --from with a folder that has {names}."
    text = f"{source} has neither {file.name} nor a folder {file.stem}; {name} consists of {names}."
    similar = similar_archives(job.entry, source)
    if not similar:
        return text
    words = ["mlw download", name, "--from", shlex.quote(str(source / similar[0]))]
    if job.partial:
        words.append("--partial")
    found = " and ".join(similar)
    return f"{text} It has {found}. If that is {name}, name the file: {' '.join(words)}"

"""Data sets' files: from `datasets.toml` to verified archives in `<cache>/downloads/NAME`.

`fetch` transfers what an entry of the manifest names, or takes it from a folder, an archive or another
address; size and checksum are verified before anything is opened. What it did is recorded in
`provenance.toml` beside the files. `open_dataset` is how the rest of the workbench gets at images.
"""

from __future__ import annotations

import os
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from workbench.archives import Archive
from workbench.errors import ChecksumError, DataError, UsageError
from workbench.fetching import CHUNK, LOCAL, Progress, TooLong, is_html, receive
from workbench.images import Dataset, Table, cache_folder, checksum, disk_errors, prepare
from workbench.manifest import Entry, RemoteFile, entry_of

RECORD = "provenance.toml"
BY_COUNT = "the checksum is not the published one; content checked by count"


@dataclass(frozen=True)
class FetchedFile:
    """A file in the cache: where it is, where it came from, and how it was verified."""

    path: Path
    origin: str  # a URL or a path
    verified: Literal["checksum", "count"]
    size: int
    sha256: str
    counts: dict[str, int]  # found in the archive, not copied from the manifest
    new: bool = True  # False: it was here already

    def __str__(self) -> str:
        how = "checksum verified" if self.verified == "checksum" else BY_COUNT
        found = f" ({_phrase(self.counts)})" if self.counts else ""
        return f"{self.path.name}: {self.size / 1e6:.1f} MB from {self.origin}; {how}{found}"


@dataclass(frozen=True)
class Fetched:
    """What `fetch` leaves in the cache; `str()` of it is what a user wants to read."""

    entry: Entry
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
        facts = [_phrase(self.counts), f"licence {self.entry.licence}", f"cite {self.entry.citation}"]
        lines = [*map(str, self.files), f"{self.entry.name}: {'; '.join(fact for fact in facts if fact)}"]
        return "\n".join([*lines, f"in {self.folder}"])


def _phrase(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {word}" for word, count in counts.items())


# --- opening what is there


def open_dataset(name: str, dataset: Dataset) -> dict[str, Table]:
    """Return the splits of a data set as memory-mapped tables, prepared on first use.

    `name` is what the user calls it: it goes into the prepared folder's name and into messages. A split
    without classes is absent. Raises `DataError` when the files are not downloaded or damaged.
    """
    if not dataset.manifest:
        return prepare(name, dataset, {}, {})
    files = downloaded(entry_of(dataset), name)
    paths = {file.path.name: file.path for file in files}
    return prepare(name, dataset, paths, {file.path.name: file.sha256 for file in files})


def downloaded(entry: Entry, name: str = "") -> tuple[FetchedFile, ...]:
    """Return the entry's files in the cache. Raises `DataError` with the command to type if one is missing."""
    name = name or entry.name
    folder = _folder(entry)
    records = _read_records(folder)
    missing = [file.name for file in entry.files if file.name not in records or not (folder / file.name).is_file()]
    if len(missing) == len(entry.files):
        raise DataError(f"{name} is not downloaded; type: mlw download {name}")
    if missing:
        raise DataError(f"{name} lacks {', '.join(missing)} in {folder}; type: mlw download {name}")
    files = tuple(records[file.name] for file in entry.files)
    for file in files:
        if (size := file.path.stat().st_size) != file.size:
            raise DataError(f"{file.path} has {size:,} bytes, not {file.size:,}; type: mlw download {name}")
    return files


# --- fetching


def fetch(entry: Entry, source: str | os.PathLike[str] | None = None, *, progress: Progress | None = None) -> Fetched:
    """Bring the files of an entry into the cache, verified, and return what is there.

    `source` is a folder that holds the archives (or what they unpack to), an archive, or the beginning of
    a URL to which the file names are added; without it the published URLs are used. A file that is here
    and verified is kept. What came over the net must be the published file; a local one that is not is
    taken if it is whole and its images and folders are as many as published, and is marked "count".

    Raises `ChecksumError` for a wrong file (nothing of it is kept), `UsageError` for a source that cannot
    be meant, and `DataError` for anything else; after a transfer that was cut, the next call goes on.
    """
    origin = _source(entry, source)
    folder = _folder(entry)
    from filelock import FileLock

    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{entry.name}.lock")):
            try:
                files = tuple(_fetch_file(entry, file, folder, origin, progress) for file in entry.files)
            finally:
                if not any(folder.iterdir()):
                    folder.rmdir()
    return Fetched(entry, folder, files)


def _folder(entry: Entry) -> Path:
    return cache_folder() / "downloads" / entry.name


def _source(entry: Entry, source: str | os.PathLike[str] | None) -> str | Path | None:
    """Tell a URL prefix (str) from a path that exists (Path), and refuse the rest."""
    if source is None:
        return None
    text = os.fspath(source)
    if "://" not in text:
        path = Path(text).expanduser().absolute()
        if not path.exists():
            raise UsageError(f"{text} does not exist; --from takes a folder, an archive or the beginning of a URL.")
        names = [file.name for file in entry.files]
        if path.is_file() and path.name not in names and len(names) > 1:  # which one could it be?
            raise UsageError(f"{path} is none of the files of {entry.name}: {', '.join(names)}.")
        return path
    parts = urlsplit(text)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL):
        raise UsageError(f"{text} must begin with https:// (http:// is for 127.0.0.1 and localhost).")
    for file in entry.files:  # the address of the file itself means the folder that it lies in
        text = text.removesuffix(f"/{file.name}")
    return text.rstrip("/") + "/"


def _fetch_file(
    entry: Entry, file: RemoteFile, folder: Path, origin: str | Path | None, progress: Progress | None
) -> FetchedFile:
    here = _kept(file, folder)
    if here is not None and (origin is None or here.verified == "checksum"):
        return here
    part = folder / f"{file.name}.part"
    if isinstance(origin, Path):
        local = _local(entry, file, origin)
        if local is None and here is not None:  # --from one archive, the other was fetched before
            return here
        if local is None:
            raise DataError(_not_there(entry, file, origin))
        found = _take(local, part, file, progress)
    else:
        url = file.url if origin is None else origin + quote(file.name)
        found = _transfer(url, part, file, progress)
    os.replace(part, folder / file.name)
    fetched = FetchedFile(folder / file.name, **found)
    _write_record(folder, fetched)
    return fetched


def _kept(file: RemoteFile, folder: Path) -> FetchedFile | None:
    """The file that is here already, its bytes compared with its record; None if there is none as good."""
    path = folder / file.name
    record = _read_records(folder).get(file.name)
    if not path.is_file():
        return None
    digest = checksum(path)
    if record is not None and digest == record.sha256:
        return record
    if record is None and not _difference(path, file, digest):  # killed between renaming and writing the record
        found = FetchedFile(path, **_found(path, file.url, "checksum", digest, _counts(path, file)))
        _write_record(folder, found)
        return found
    return None


def _local(entry: Entry, file: RemoteFile, origin: Path) -> Path | None:
    """Where a folder or archive given by the user has the file, packed or unpacked."""
    if origin.is_file():
        return origin if origin.name == file.name or len(entry.files) == 1 else None
    candidates = [origin / file.name, origin / file.stem, *([origin] if origin.name == file.stem else [])]
    return next((path for path in candidates if path.exists()), None)


def _not_there(entry: Entry, file: RemoteFile, origin: Path) -> str:
    names = ", ".join(file.name for file in entry.files)
    if origin.is_file():
        return f"{entry.name} also needs {file.name}; give --from a folder that holds {names}."
    return f"{origin} holds neither {file.name} nor a folder {file.stem}; {entry.name} consists of {names}."


def _take(local: Path, part: Path, file: RemoteFile, progress: Progress | None) -> dict[str, Any]:
    """Copy a local archive, or pack a local folder, and verify it; a wrong one leaves nothing behind."""
    try:
        with disk_errors(part.parent):
            _pack(local, part, file.stem) if local.is_dir() else _copy(local, part, file.name, progress)
        digest = checksum(part)
        if wrong := _difference(part, file, digest):
            return _found(part, str(local), "count", digest, _counted(part, local, file, wrong))
        return _found(part, str(local), "checksum", digest, _counts(part, file))
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _found(part: Path, origin: str, verified: str, digest: str, counts: dict[str, int]) -> dict[str, Any]:
    """What a `FetchedFile` is made of, but for the path that it will have."""
    size = part.stat().st_size
    return {"origin": origin, "verified": verified, "size": size, "sha256": digest, "counts": counts}


def _copy(local: Path, part: Path, name: str, progress: Progress | None) -> None:
    total = local.stat().st_size
    with local.open("rb") as source, part.open("wb") as sink:
        while chunk := source.read(CHUNK):
            sink.write(chunk)
            if progress is not None:
                progress(name, sink.tell(), total)


def _pack(folder: Path, part: Path, stem: str) -> None:
    """Pack an unpacked folder into one archive, the same bytes for the same content."""
    with Archive(folder) as source, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as sink:
        for name in source.names:
            sink.writestr(zipfile.ZipInfo(f"{stem}/{name}"), source.read(name))


def _counts(path: Path, file: RemoteFile) -> dict[str, int]:
    """Count what the manifest has counts of."""
    if not file.counts:
        return {}
    with Archive(path) as archive:
        return dict(zip(file.counts, archive.counts(), strict=False))


def _counted(part: Path, local: Path, file: RemoteFile, wrong: str) -> dict[str, int]:
    """Check by content an archive that is not the published one; return its counts."""
    if is_html(part):
        raise DataError(f"{local} is an HTML page, not {file.name}; was a page saved in place of the file?")
    if not file.counts:
        raise ChecksumError(f"{local} is not the published {file.name}: {wrong}.")
    try:
        with Archive(part) as archive:
            found = dict(zip(file.counts, archive.counts(), strict=False))
            if found != file.counts:
                expected = _phrase(file.counts)
                raise DataError(f"{local} holds {_phrase(found)}; {file.name} holds {expected}.")
            archive.test()
    except DataError as error:  # in the user's words: the file given, not its copy
        raise type(error)(str(error).replace(str(part), str(local))) from error
    return found


def _difference(path: Path, file: RemoteFile, digest: str) -> str:
    """Say in what a file with this SHA-256 differs from the published one; nothing if it is that."""
    size = path.stat().st_size
    if file.size and size != file.size:
        return f"{size:,} bytes instead of {file.size:,}"
    if file.sha256:  # the stronger one where both are known
        algorithm, found, expected = "sha256", digest, file.sha256
    else:
        algorithm, found, expected = "md5", checksum(path, "md5"), file.md5
    return "" if found == expected else f"{algorithm} {found[:12]}... instead of {expected[:12]}..."


# --- over the net


def _transfer(url: str, part: Path, file: RemoteFile, progress: Progress | None) -> dict[str, Any]:
    """Transfer a file to `part`, going on where an earlier transfer stopped, and verify it."""
    resumed = part.exists()
    try:
        receive(url, part, file, progress)
        digest = checksum(part)
        wrong = _difference(part, file, digest)
    except TooLong:
        digest, wrong = "", f"more than {file.size:,} bytes"
    except OSError:  # a full disk: what came so far would only be in the way
        part.unlink(missing_ok=True)
        raise
    if wrong and resumed:  # the beginning may be of another file: once more, from the start
        part.unlink()
        return _transfer(url, part, file, progress)
    if wrong:
        html = is_html(part)
        part.unlink()
        if html:
            raise DataError(f"{url} gave an HTML page instead of {file.name}; open it in a browser, or use --from.")
        raise ChecksumError(f"{url} is not the published {file.name}: {wrong}; nothing was kept.")
    return _found(part, url, "checksum", digest, _counts(part, file))


# --- the record beside the files


def _read_records(folder: Path) -> dict[str, FetchedFile]:
    """Read the record; what is not as it must be counts as absent."""
    try:
        with (folder / RECORD).open("rb") as file:
            tables = tomllib.load(file)
        keys = {f.name for f in fields(FetchedFile)} - {"path", "new"}
        return {
            name: FetchedFile(folder / name, **{key: table[key] for key in keys}, new=False)
            for name, table in tables.items()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write_record(folder: Path, fetched: FetchedFile) -> None:
    import tomli_w

    tables = {}
    for name, file in (_read_records(folder) | {fetched.path.name: fetched}).items():
        tables[name] = {key: value for key, value in asdict(file).items() if key not in ("path", "new")}
    part = folder / f"{RECORD}.part"
    part.write_text(tomli_w.dumps(tables), encoding="utf-8")
    os.replace(part, folder / RECORD)

"""What is known of the files in `<cache>/downloads`: the record beside them, and checksums that were learnt.

A file whose publisher gives no checksum is believed at the first transfer; its SHA-256 goes into
`learnt.toml`, which outlives the file, and every later transfer is compared with it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal

from workbench.data.cache import cache_folder
from workbench.data.download.manifest import ManifestEntry, RemoteFile
from workbench.data.files.checksum import checksum
from workbench.errors import DataError

RECORD = "provenance.toml"
LEARNT = "learnt.toml"
BY_COUNT = "content checked by count, not by checksum"
TRANSIENT = ("path", "new", "first")  # of a FetchedFile: not in the record


@dataclass(frozen=True)
class FetchedFile:
    """A file in the cache: where it is, where it came from, and how it was verified.

    `verified` says with what it was compared: the published checksum, the one learnt at the first
    transfer, the published numbers of images and folders, part of these, or nothing, because nothing
    is known of it and the user gave it.
    """

    path: Path
    origin: str  # a URL or a path
    verified: Literal["checksum", "learnt", "count", "part", "given"]
    size: int
    sha256: str
    counts: dict[str, int]  # found in the archive, not copied from the manifest
    part: str = ""  # "4,000 of 27,000 images"
    new: bool = True  # False: it was here already
    first: bool = False  # its checksum was learnt just now

    def __str__(self) -> str:
        how = {
            "checksum": "checksum verified",
            "learnt": "no checksum is published; it is the one learnt at the first download",
            "count": BY_COUNT,
            "part": f"a part: {self.part}",
            "given": "no checksum is published; taken as it was given",
        }[self.verified]
        if self.first:
            how = f"checksum learnt now: sha256 {self.sha256[:12]}..., compared from now on"
        found = f" ({counts_text(self.counts)})" if self.counts else ""
        return f"{self.path.name}: {megabytes(self.size)} from {self.origin}; {how}{found}"


def counts_text(counts: Mapping[str, int]) -> str:
    """Counts as people read them: "19,280 images, 964 characters"."""
    return ", ".join(f"{count:,} {word}" for word, count in counts.items())


def megabytes(size: int) -> str:
    """Bytes as people read them: "0.1 MB", "12.4 MB", "1,234 MB"."""
    return f"{size / 1e6:,.1f} MB" if size < 1e8 else f"{size / 1e6:,.0f} MB"


def part_of(files: Iterable[FetchedFile], published: Iterable[RemoteFile]) -> str:
    """Say what part of the published images is in these files; nothing if it is all of them."""
    files = tuple(files)
    if not any(file.part for file in files):
        return ""
    first = [next(iter(file.counts.items())) for file in published if file.counts]
    found = sum(next(iter(file.counts.values())) for file in files if file.counts)
    return f"{found:,} of {sum(count for _, count in first):,} {first[0][0]}"


def downloads(entry: ManifestEntry | str) -> Path:
    """Return the folder of an entry's files."""
    return cache_folder() / "downloads" / (entry if isinstance(entry, str) else entry.name)


# --- the record beside the files


def read_provenance(folder: Path) -> dict[str, FetchedFile]:
    """Read the record; what is not as it must be counts as absent."""
    try:
        with (folder / RECORD).open("rb") as file:
            tables = tomllib.load(file)
        keys = {f.name for f in fields(FetchedFile)} - set(TRANSIENT)
        return {
            name: FetchedFile(folder / name, **{key: table[key] for key in keys}, new=False)
            for name, table in tables.items()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def write_provenance(fetched: FetchedFile) -> None:
    """Put one file into the record of its folder."""
    folder = fetched.path.parent
    tables = {}
    for name, file in (read_provenance(folder) | {fetched.path.name: fetched}).items():
        tables[name] = {key: value for key, value in asdict(file).items() if key not in TRANSIENT}
    _write(folder / RECORD, tables)


# --- checksums learnt


def with_learnt(entry: ManifestEntry, file: RemoteFile) -> RemoteFile:
    """Return the file with the checksum and size learnt of it, where no checksum is published."""
    if file.known:
        return file
    learnt = _read_learnt().get(entry.name, {}).get(file.name)
    return replace(file, sha256=learnt["sha256"], size=learnt["size"]) if learnt else file


def learn(entry: ManifestEntry, fetched: FetchedFile) -> None:
    """Keep the checksum of a file that came over the net."""
    from filelock import FileLock

    with FileLock(learnt_path().with_name(f".{LEARNT}.lock")):
        tables = _read_learnt()
        about = {
            "sha256": fetched.sha256,
            "size": fetched.size,
            "origin": fetched.origin,
            "on": date.today(),
        }
        tables.setdefault(entry.name, {})[fetched.path.name] = about
        _write(learnt_path(), tables)


def learnt_path() -> Path:
    """Return where learnt checksums are kept."""
    return downloads(LEARNT)


def _read_learnt() -> dict[str, Any]:
    try:
        tables = tomllib.loads(learnt_path().read_text(encoding="utf-8"))
        if all(
            isinstance(file["sha256"], str) and file["size"] > 0
            for t in tables.values()
            for file in t.values()
        ):
            return tables
        fault = "an entry lacks sha256 or size"
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fault = str(error)
    raise DataError(
        f"{learnt_path()}, which holds the checksums learnt so far, cannot be read: {fault}."
    )


def difference(path: Path, file: RemoteFile, digest: str) -> str:
    """Say in what a file with this SHA-256 differs from the published one; nothing if it is that."""
    size = path.stat().st_size
    if file.size and size != file.size:
        return f"{size:,} bytes instead of {file.size:,}"
    if file.sha256:  # the stronger one where both are known
        algorithm, found, expected = "sha256", digest, file.sha256
    elif file.md5:
        algorithm, found, expected = "md5", checksum(path, "md5"), file.md5
    else:
        return ""
    return "" if found == expected else f"{algorithm} {found[:12]}... instead of {expected[:12]}..."


def _write(path: Path, tables: dict[str, Any]) -> None:
    import tomli_w

    part = path.with_name(f"{path.name}.part")
    part.write_text(tomli_w.dumps(tables), encoding="utf-8")
    os.replace(part, path)


def downloaded(entry: ManifestEntry, name: str = "") -> tuple[FetchedFile, ...]:
    """Return the files in the cache of the form that is here.

    Raises `DataError` with the command to type if one is missing or of another size.
    """
    name = name or entry.name
    folder = downloads(entry)
    records = read_provenance(folder)

    def missing(files: tuple[RemoteFile, ...]) -> list[str]:
        return [
            file.name
            for file in files
            if file.name not in records or not (folder / file.name).is_file()
        ]

    form = min(entry.forms.values(), key=lambda files: len(missing(files)) / len(files))
    lacking = missing(form)
    if len(lacking) == len(form):
        raise DataError(f"{name} is not downloaded; type: mlw download {name}")
    if lacking:
        raise DataError(f"{name} lacks {', '.join(lacking)} in {folder}; type: mlw download {name}")
    found = tuple(records[file.name] for file in form)
    for file in found:
        if (size := file.path.stat().st_size) != file.size:
            raise DataError(
                f"{file.path} has {size:,} bytes, not {file.size:,}; type: mlw download {name}"
            )
    return found

"""What is known about the files in `<cache>/downloads`: their provenance, stored beside them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from workbench.data.cache import cache_folder
from workbench.data.download.entry import Form, ManifestEntry, RemoteFile
from workbench.data.files.checksum import checksum
from workbench.errors import DataError
from workbench.storage import write_toml

PROVENANCE = "provenance.toml"
STORED = ("origin", "verified", "size", "sha256", "counts", "part")  # fields of a FetchedFile
BY_COUNT = "content checked by count, not by checksum"
HOW = {
    "checksum": "checksum verified",
    "learnt": "no checksum is published; it matches the one learnt at the first download",
    "count": BY_COUNT,
    "given": "no checksum is published; accepted as given",
}


@dataclass(frozen=True)
class FetchedFile:
    """A file in the cache: where it came from, and how it was verified.

    Attributes:
        path: the file.
        origin: the URL or path that it came from.
        verified: what it was compared with: the published checksum; the checksum learnt at the
            first download; the published counts of images and folders; a part of these; or nothing,
            because nothing is published and the user gave the file.
        size: bytes.
        sha256: its checksum.
        counts: counted in the archive, not copied from the manifest.
        part: what it is a part of: "4,000 of 27,000 images"; "" if it is complete.
        new: whether it was fetched just now.
        first: whether its checksum was learnt just now.
    """

    path: Path
    origin: str
    verified: Literal["checksum", "learnt", "count", "part", "given"]
    size: int
    sha256: str
    counts: dict[str, int]
    part: str = ""
    new: bool = True
    first: bool = False

    def __str__(self) -> str:
        text = f"{self.path.name}: {megabytes(self.size)} from {self.origin}; {self._how()}"
        if self.counts:
            text += f" ({counts_text(self.counts)})"
        return text

    def _how(self) -> str:
        if self.first:
            return (
                f"checksum learnt now: sha256 {self.sha256[:12]}...; later downloads must match it"
            )
        if self.verified == "part":
            return f"a part: {self.part}"
        return HOW[self.verified]


def counts_text(counts: Mapping[str, int]) -> str:
    """Return counts as people read them: "19,280 images, 964 characters"."""
    return ", ".join(f"{count:,} {word}" for word, count in counts.items())


def megabytes(size: int) -> str:
    """Return bytes as people read them: "0.1 MB", "12.4 MB", "1,234 MB"."""
    decimals = 1 if size < 1e8 else 0
    return f"{size / 1e6:,.{decimals}f} MB"


def part_of(files: Iterable[FetchedFile], published: Iterable[RemoteFile]) -> str:
    """Say which part of the published images is in these files; return "" if they are complete."""
    files = tuple(files)
    if not any(file.part for file in files):
        return ""
    found = sum(_images(file.counts) for file in files)
    total = 0
    word = ""
    for file in published:
        total += _images(file.counts)
        word = word or next(iter(file.counts), "")
    return f"{found:,} of {total:,} {word}"


def unpublished(files: Iterable[FetchedFile]) -> str:
    """Say that files are not known to be the published ones; return "" if they are."""
    found = {file.verified for file in files}
    if "count" in found:
        return BY_COUNT
    if "given" in found:
        return HOW["given"]
    return ""


def _images(counts: Mapping[str, int]) -> int:
    """Return the number of images: the first of the counts."""
    return next(iter(counts.values()), 0)


def downloads_folder() -> Path:
    """Return the folder with a folder for each manifest entry."""
    return cache_folder() / "downloads"


def downloads(entry: ManifestEntry) -> Path:
    """Return the folder of an entry's files."""
    return downloads_folder() / entry.name


def read_provenance(folder: Path) -> dict[str, FetchedFile]:
    """Return the files that a folder's provenance describes, by name; none if it is damaged."""
    found = {}
    try:
        with (folder / PROVENANCE).open("rb") as stream:
            tables = tomllib.load(stream)
        for name, table in tables.items():
            facts = {key: table[key] for key in STORED}
            found[name] = FetchedFile(folder / name, **facts, new=False)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found


def write_provenance(fetched: FetchedFile) -> None:
    """Add one file to the provenance of its folder, or replace what it said of the file."""
    folder = fetched.path.parent
    files = read_provenance(folder)
    files[fetched.path.name] = fetched
    _write(folder, files)


def remove_provenance(fetched: FetchedFile) -> None:
    """Forget one file of a folder."""
    folder = fetched.path.parent
    files = read_provenance(folder)
    files.pop(fetched.path.name, None)
    _write(folder, files)


def _write(folder: Path, files: Mapping[str, FetchedFile]) -> None:
    tables = {}
    for name, file in files.items():
        tables[name] = {key: getattr(file, key) for key in STORED}
    write_toml(folder / PROVENANCE, tables)


def difference(path: Path, file: RemoteFile, digest: str) -> str:
    """Say how a file with this SHA-256 differs from the published one; return "" if it does not."""
    size = path.stat().st_size
    if file.size and size != file.size:
        return f"{size:,} bytes instead of {file.size:,}"
    if file.sha256:  # the stronger checksum if both are published
        return _mismatch("sha256", digest, file.sha256)
    if file.md5:
        return _mismatch("md5", checksum(path, "md5"), file.md5)
    return ""


def _mismatch(algorithm: str, found: str, expected: str) -> str:
    if found == expected:
        return ""
    return f"{algorithm} {found[:12]}... instead of {expected[:12]}..."


def downloaded(entry: ManifestEntry, name: str = "") -> tuple[FetchedFile, ...]:
    """Return the cached files of the most complete form of a data set.

    Args:
        entry: the manifest entry.
        name: what the user calls the data set; if omitted, the entry's name.

    Raises:
        DataError: a file is missing or has another size; the message says which command to run.
    """
    name = name or entry.name
    folder = downloads(entry)
    files = read_provenance(folder)

    def share_missing(form: Form) -> float:
        return len(_missing(form, folder, files)) / len(form)

    form = min(entry.forms.values(), key=share_missing)
    absent = _missing(form, folder, files)
    if len(absent) == len(form):
        raise DataError(f"{name} is not downloaded; run: mlw download {name}")
    if absent:
        raise DataError(f"{name} lacks {', '.join(absent)} in {folder}; run: mlw download {name}")
    found = tuple(files[file.name] for file in form)
    for file in found:
        _check_size(file, name)
    return found


def _missing(form: Form, folder: Path, files: Mapping[str, FetchedFile]) -> list[str]:
    """Return the names of the files of a form that are not in the cache."""
    missing = []
    for file in form:
        if file.name not in files or not (folder / file.name).is_file():
            missing.append(file.name)
    return missing


def _check_size(file: FetchedFile, name: str) -> None:
    size = file.path.stat().st_size
    if size != file.size:
        raise DataError(
            f"{file.path} has {size:,} bytes instead of {file.size:,}; run: mlw download {name}"
        )

"""What a publisher of a small data set has: archives, and what a manifest says about them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from workbench.data.download.entry import ManifestEntry, RemoteFile

COUNTS = {"images": 12, "characters": 6, "alphabets": 2}


def drawings(seed: int = 0) -> dict[str, bytes]:
    """Return two drawings each of the three characters of two alphabets, by path as in Omniglot."""
    random = np.random.default_rng(seed)
    files = {}
    for alphabet in ("Greek", "Latin"):
        for number in range(1, 4):
            for drawer in (1, 2):
                path = f"{alphabet}/character{number:02d}/{number:04d}_{drawer:02d}.png"
                files[path] = _png(random.random((20, 20)) > 0.1)
    return files


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """Zip files below a folder with the archive's name; return the path."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{path.stem}/{name}", content)
    return path


def entry_for(*paths: Path) -> ManifestEntry:
    """Return what a manifest would say about these files, with addresses that nobody has."""
    files = tuple(_remote_file(path) for path in paths)
    return ManifestEntry("tiny", "https://example.invalid", "CC0", "Nobody, 2020", files)


def _remote_file(path: Path) -> RemoteFile:
    content = path.read_bytes()
    return RemoteFile(
        path.name,
        (f"https://example.invalid/{path.name}",),
        len(content),
        md5=hashlib.md5(content).hexdigest(),
        sha256=hashlib.sha256(content).hexdigest(),
        counts=dict(COUNTS),
    )


def changed(entry: ManifestEntry, **facts: object) -> ManifestEntry:
    """Return the entry with other facts about its first file."""
    first, *others = entry.files
    return replace(entry, files=(replace(first, **facts), *others))


def unknown(entry: ManifestEntry, url: str) -> ManifestEntry:
    """Return the entry as it is if only an address of its first file is published."""
    address = f"{url}{entry.files[0].name}"
    return changed(entry, urls=(address,), size=0, md5="", sha256="", counts={})


def left_behind(cache: Path) -> list[str]:
    """Return the names of all files below the cache except locks."""
    return sorted(p.name for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock")

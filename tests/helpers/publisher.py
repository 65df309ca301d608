"""A publisher of a small data set, on this machine: fixtures for the tests of fetching."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from local_server import serve
from PIL import Image

from workbench.data.download.manifest import ManifestEntry, RemoteFile

COUNTS = {"images": 12, "characters": 6, "alphabets": 2}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def drawings(seed: int = 0) -> dict[str, bytes]:
    """Two alphabets of three characters of two one-bit drawings, by path in Lake's layout."""
    random = np.random.default_rng(seed)
    files = {}
    for alphabet in ("Greek", "Latin"):
        for number in range(1, 4):
            for drawer in (1, 2):
                stream = io.BytesIO()
                Image.fromarray(random.random((20, 20)) > 0.1).save(stream, "PNG")
                files[f"{alphabet}/character{number:02d}/{number:04d}_{drawer:02d}.png"] = (
                    stream.getvalue()
                )
    return files


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """Zip files below a folder of the archive's name."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{path.stem}/{name}", content)
    return path


@pytest.fixture
def published(tmp_path):
    """A folder that serves as the publisher's, with one archive."""
    folder = tmp_path / "published"
    folder.mkdir()
    write_zip(folder / "tiny.zip", drawings())
    return folder


@pytest.fixture
def entry(published):
    """Its manifest entry, with an address that nobody has."""
    return entry_for(published / "tiny.zip")


def entry_for(*paths: Path) -> ManifestEntry:
    """What a manifest would say of these files."""
    files = []
    for path in paths:
        content = path.read_bytes()
        sums = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "md5": hashlib.md5(content).hexdigest(),
        }
        url = f"https://example.invalid/{path.name}"
        files.append(RemoteFile(path.name, (url,), len(content), counts=dict(COUNTS), **sums))
    return ManifestEntry("tiny", "https://example.invalid", "CC0", "Nobody, 2020", tuple(files))


def changed(entry: ManifestEntry, **facts: object) -> ManifestEntry:
    """The entry with other facts of its first file."""
    return replace(entry, files=(replace(entry.files[0], **facts), *entry.files[1:]))


def unknown(entry: ManifestEntry, url: str) -> ManifestEntry:
    """The entry as it is where nothing is published but an address."""
    return changed(
        entry, urls=(f"{url}{entry.files[0].name}",), size=0, md5="", sha256="", counts={}
    )


@pytest.fixture
def server(published):
    """The publisher's server, which can misbehave."""
    with serve(published) as running:
        yield running


def left_behind(cache: Path) -> list[str]:
    """Everything under the cache but locks and folders."""
    return sorted(p.name for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock")

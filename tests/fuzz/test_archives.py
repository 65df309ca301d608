"""Damaged archives: each is read, or refused in one sentence; nothing lands beside the cache."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from archive_kinds import COMPRESS, png, tar_bytes
from fuzzing import mutate, seeds

from workbench.data.files.archive import Archive
from workbench.data.image_folder.choice import LayoutChoice
from workbench.data.image_folder.register import add_folder
from workbench.errors import WorkbenchError

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(60)]

MEMORY = 64 * 2**20  # bytes; the archives have less than 100,000


def members() -> list[tuple[str, bytes]]:
    random = np.random.default_rng(0)
    found = []
    for split in ("train", "test"):
        for number in range(2):
            for drawing in range(3):
                pixels = random.integers(0, 256, (12, 12, 3), np.uint8)
                found.append((f"{split}/class{split}{number}/{drawing}.png", png(pixels)))
    return [*found, ("labels.txt", b"a few words")]


def zip_bytes(files: list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


FILES = members()
ORIGINALS = {
    "zip": zip_bytes(FILES),
    "stored zip": zip_bytes(FILES, zipfile.ZIP_STORED),
    "tar": tar_bytes(*FILES),
    **{f"tar.{suffix}": pack(tar_bytes(*FILES)) for suffix, pack in COMPRESS.items()},
    "zip in zip": zip_bytes([("inner.zip", zip_bytes(FILES)), *FILES[:2]]),
    "tar.gz in zip": zip_bytes([("inner.tar.gz", COMPRESS["gz"](tar_bytes(*FILES)))]),
    "zip in tar": tar_bytes(("inner.zip", zip_bytes(FILES)), *FILES[:2]),
}
KINDS = list(ORIGINALS)


def damaged(seed: int) -> bytes:
    kind = KINDS[seed % len(KINDS)]
    if " in " in kind and seed % 2:  # damage inside of what is whole outside
        inner = zip_bytes(FILES)
        return zip_bytes([("inner.zip", mutate(inner, seed))])
    return mutate(ORIGINALS[kind], seed)


def read_all(archive: Archive) -> None:
    for name in archive.names:
        assert not name.startswith("/")
        assert ".." not in name.split("/")
        if name.startswith("inner."):
            with archive.inner(name) as inner:
                read_all(inner)
        elif name.endswith(".png"):
            image = archive.image(name, size=8)
            assert image.shape == (3, 8, 8)
        else:
            archive.read(name)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, and a cache beside it."""
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def refused(call) -> str:
    """Return the sentence of a refusal, "" if there is none; everything else is a failure."""
    try:
        call()
        sentence = ""
    except WorkbenchError as error:
        sentence = str(error) or "no words"
    assert "\n" not in sentence
    assert sentence != "no words"
    return sentence


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_that_is_whole_is_read(place, kind):
    path = Path("images.archive")
    path.write_bytes(ORIGINALS[kind])
    with Archive(path) as archive:
        read_all(archive)


@pytest.mark.parametrize("seed", seeds(few=20, full=400))
def test_a_damaged_archive(place, seed):
    path = Path("images.zip")
    path.write_bytes(damaged(seed))

    def read() -> None:
        with Archive(path) as archive:
            read_all(archive)

    tracemalloc.start()
    try:
        refused(read)
        refused(lambda: add_folder("damaged", str(path), LayoutChoice()))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < MEMORY
    assert [each.name for each in Path().iterdir()] == ["images.zip"]
    assert {each.name for each in place.iterdir()} <= {"work", "cache"}
    assert not list((place / "cache").glob(".temporary/*"))


def test_most_damage_is_noticed(place):
    path = Path("images.zip")
    noticed = 0
    for seed in range(60):
        path.write_bytes(damaged(seed))

        def read() -> None:
            with Archive(path) as archive:
                read_all(archive)

        noticed += bool(refused(read))
    assert noticed >= 40

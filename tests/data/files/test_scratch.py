"""Compressed tars: where they are decompressed, how far, and what is left behind."""

from __future__ import annotations

import errno
import io
import tempfile
from pathlib import Path

import pytest
from archive_kinds import (
    COMPRESS,
    write_tar,
)

from workbench.data.files import scratch as scratch_module
from workbench.data.files.archive import Archive
from workbench.data.files.scratch import scratch
from workbench.errors import DataError


def test_scratch_is_shared_and_removed(tmp_path, monkeypatch):
    path = write_tar(tmp_path / "x.tar.gz", ("a.png", b"1"))
    times = []
    real = scratch_module._copy
    monkeypatch.setattr(scratch_module, "_copy", lambda *how: times.append(1) or real(*how))
    with scratch(tmp_path / "scratch"):
        for _ in range(3):
            with Archive(path) as archive:
                assert archive.read("a.png") == b"1"
        assert len(times) == 1
        assert len(list((tmp_path / "scratch").iterdir())) == 1
    assert sorted(tmp_path.iterdir()) == [path]
    with pytest.raises(ZeroDivisionError), scratch(tmp_path / "scratch"):
        raise ZeroDivisionError
    assert sorted(tmp_path.iterdir()) == [path]


def test_scratch_keeps_no_more_than_its_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch_module, "SCRATCH_LIMIT", 25_000)  # two tars of 10,240 bytes
    paths = [write_tar(tmp_path / f"{i}.tar.gz", ("a.png", bytes([i]))) for i in range(5)]
    with scratch(tmp_path / "scratch"):
        opened = [Archive(path) for path in paths]
        assert len(list((tmp_path / "scratch").iterdir())) == 2
        for i, archive in enumerate(opened):
            assert archive.read("a.png") == bytes([i])  # what is open stays readable
            archive.close()
        with Archive(paths[0]) as archive:
            assert archive.read("a.png") == b"\0"


def test_nothing_is_left_behind_without_scratch(tmp_path, monkeypatch):
    """The copy lies in the cache, not in the folder for temporary files, which may be small."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))
    path = write_tar(tmp_path / "x.tar.gz", ("a.png", b"1"))
    with Archive(path) as archive:
        assert archive.read("a.png") == b"1"
        opened = [Path(file).resolve().parent for file in Path("/proc/self/fd").iterdir()]
        if opened:
            assert tmp_path / "cache" / ".temporary" in opened
    assert list((tmp_path / "cache" / ".temporary").iterdir()) == []


@pytest.mark.parametrize("own", [True, False])
def test_disk_full_while_decompressing(tmp_path, monkeypatch, own):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    real = scratch_module._copy

    def fill(source, sink, *how):
        sink.close()
        return real(source, Full(), *how)

    monkeypatch.setattr(scratch_module, "_copy", fill)
    path = write_tar(tmp_path / "x.tar.gz", ("a.png", b"1"))
    message = r"The disk that holds .* is full; .*x\.tar\.gz must be decompressed there"
    if own:
        with scratch(tmp_path / "scratch"), pytest.raises(DataError, match=message):
            Archive(path)
    else:
        with pytest.raises(DataError, match=message):
            Archive(path)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_compressed_bomb_is_never_written_out(tmp_path, monkeypatch, kind):
    """The file on disk stays below the limit, whatever the size of the whole would be."""
    written = []
    real = scratch_module._copy

    def watched(source, sink, label, limit):
        try:
            return real(source, sink, label, limit)
        finally:
            written.append(limit)

    monkeypatch.setattr(scratch_module, "_copy", watched)
    path = tmp_path / f"x.tar.{kind}"
    path.write_bytes(COMPRESS[kind](bytes(2**26)))
    with scratch(tmp_path / "scratch"):
        with pytest.raises(DataError, match="would expand to more than"):
            Archive(path)
        assert written == [max(200 * path.stat().st_size, 2**20)]
        assert sum(file.stat().st_size for file in (tmp_path / "scratch").iterdir()) <= written[0]

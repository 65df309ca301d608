"""Everything that can go wrong between a publisher and the cache."""

# ruff: noqa: F401, F811 - fixtures are imported, and asked for by name

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from local_server import serve
from publisher import cache, changed, entry, entry_for, left_behind, published, server, unknown

from workbench.data.download import local_files as local
from workbench.data.download import transfer as fetching
from workbench.data.download.fetch import fetch
from workbench.data.download.provenance import downloaded
from workbench.data.download.transfer import may_follow
from workbench.data.opening import open_dataset
from workbench.errors import ChecksumError, DataError, UsageError


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_transfer_cut_half_way_ends_right_next_time(
    cache, entry, server, monkeypatch, ranges, length
):
    monkeypatch.setattr(fetching, "CHUNK", 100)
    size = entry.files[0].size
    half = 1700  # a multiple of what is read at a time, so that no byte is lost
    server.ranges, server.length, server.cut = ranges, length, half
    with pytest.raises(
        DataError, match=f"stopped at 1,700 of {size:,} bytes; type the same command again"
    ):
        fetch(entry, server.url)
    with pytest.raises(DataError, match="is not downloaded; type: mlw download tiny"):
        downloaded(entry)
    server.cut = 0
    fetched = fetch(entry, server.url)
    assert fetched.files[0].verified == "checksum"
    assert left_behind(cache) == ["provenance.toml", "tiny.zip"]
    assert server.requests == [("/tiny.zip", ""), ("/tiny.zip", f"bytes={half}-")]


@pytest.mark.parametrize("remains", [b"something else", b"x" * 10**6])
@pytest.mark.parametrize("ranges", [True, False])
def test_remains_of_another_file_are_replaced(cache, entry, server, ranges, remains):
    server.ranges = ranges
    folder = cache / "downloads" / "tiny"
    folder.mkdir(parents=True)
    (folder / "tiny.zip.part").write_bytes(remains)
    assert fetch(entry, server.url).files[0].verified == "checksum"


def test_complete_but_unverified_remains_need_no_second_transfer(cache, entry, published, server):
    folder = cache / "downloads" / "tiny"
    folder.mkdir(parents=True)
    (folder / "tiny.zip.part").write_bytes((published / "tiny.zip").read_bytes())
    assert fetch(entry, server.url).files[0].verified == "checksum"
    assert server.requests == [("/tiny.zip", f"bytes={entry.files[0].size}-")]


def test_one_byte_changed_is_refused(cache, entry, server):
    server.flip = 1000
    with pytest.raises(
        ChecksumError,
        match=r"is not the published tiny.zip: sha256 .* instead of .*; nothing was kept",
    ):
        fetch(entry, server.url)
    assert left_behind(cache) == []
    assert not (cache / "downloads" / "tiny").exists()


def test_md5_alone_is_enough_to_refuse(cache, entry, server):
    entry = changed(entry, sha256="")
    server.flip = 1000
    with pytest.raises(ChecksumError, match="md5"):
        fetch(entry, server.url)
    server.flip = -1
    assert fetch(entry, server.url).files[0].verified == "checksum"


def test_longer_file_is_refused_without_reading_on(cache, entry, published, server):
    with (published / "tiny.zip").open("ab") as file:
        file.write(bytes(10**6))
    with pytest.raises(ChecksumError, match="more than"):
        fetch(entry, server.url)
    assert left_behind(cache) == []


def test_html_page_is_named(cache, entry, server):
    server.html = True
    with pytest.raises(DataError, match=r"gave an HTML page instead of tiny.zip"):
        fetch(entry, server.url)
    assert left_behind(cache) == []


def test_absent_on_server(cache, entry, server):
    with pytest.raises(DataError, match="404 Not Found; use --from"):
        fetch(entry, server.url + "nowhere/")
    assert left_behind(cache) == []


def test_nobody_answers(cache, entry):
    with pytest.raises(DataError, match=r"http://127.0.0.1:9/tiny.zip cannot be reached"):
        fetch(entry, "http://127.0.0.1:9")
    assert left_behind(cache) == []


@pytest.mark.parametrize(
    "source", ["http://example.invalid/", "ftp://127.0.0.1/", "file:///tmp", "no/such/folder"]
)
def test_source_that_cannot_be_meant(cache, entry, source):
    with pytest.raises(UsageError, match=r"must begin with https://|does not exist"):
        fetch(entry, source)


def test_killed_before_the_record_was_written(cache, entry, published, server):
    path = fetch(entry, published).files[0].path
    (path.parent / "provenance.toml").unlink()
    fetch(entry, server.url)
    assert server.requests == []
    assert downloaded(entry)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to be a full disk")
@pytest.mark.parametrize("over", ["folder", "net"])
def test_full_disk(cache, entry, published, server, over):
    part = cache / "downloads" / "tiny" / "tiny.zip.part"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(
        DataError, match=r"The disk that holds .* is full; free some space or set MLW_CACHE"
    ):
        fetch(entry, published if over == "folder" else server.url)
    assert left_behind(cache) == []


def test_cache_that_cannot_be_a_folder(tmp_path, entry, published, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(
        DataError, match=r"cannot be written \(Not a directory\); set MLW_CACHE to another folder"
    ):
        fetch(entry, published)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is unwritable to root"
)
def test_unwritable_folder(cache, entry, published):
    cache.mkdir(mode=0o500)
    with pytest.raises(DataError, match=r"cannot be written \(Permission denied\)"):
        fetch(entry, published)


def test_two_processes_at_once_transfer_once(cache, entry, published, server):
    server.delay = 0.5
    facts = (entry.files[0].size, entry.files[0].sha256)
    code = f"""
from workbench.data.download.fetch import fetch
from workbench.data.download.manifest import Entry, RemoteFile
file = RemoteFile("tiny.zip", ({server.url + "tiny.zip"!r},), {facts[0]}, sha256={facts[1]!r})
print(fetch(Entry("tiny", "", "", "", (file,))).files[0].verified)
"""
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [run.communicate()[0].strip() for run in runs] == ["checksum", "checksum"]
    assert len(server.requests) == 1
    assert left_behind(cache) == ["provenance.toml", "tiny.zip"]


# --- where a server sends one


def test_a_redirect_without_end(cache, entry, server):
    server.redirect = server.url + "tiny.zip"
    with pytest.raises(DataError, match=r"leads from one address to the next without end"):
        fetch(entry, server.url)
    assert left_behind(cache) == []


@pytest.mark.parametrize(
    "target", ["http://example.invalid/tiny.zip", "ftp://127.0.0.1/tiny.zip", "file:///etc/passwd"]
)
def test_a_redirect_to_where_nothing_is_fetched_from(cache, entry, server, target):
    server.redirect = target
    with pytest.raises(
        DataError, match=rf"leads to {target}, which is not https, and is not followed"
    ):
        fetch(entry, server.url)
    assert len(server.requests) == 1
    assert left_behind(cache) == []


def test_a_redirect_on_this_machine_is_followed(cache, entry, published, server):
    with serve(published) as other:
        server.redirect = other.url + "tiny.zip"
        (file,) = fetch(entry, server.url).files
    assert (file.verified, file.origin) == ("checksum", server.url + "tiny.zip")


@pytest.mark.parametrize(
    ("start", "target", "followed"),
    [
        ("https://a/x", "https://b/y", True),
        ("https://a/x", "http://a/x", False),
        ("https://a/x", "http://127.0.0.1/x", False),
        ("http://a/x", "https://a/x", True),
        ("http://a/x", "http://b/x", True),  # published over http, told by its checksum
        ("http://a/x", "http://localhost/x", False),
        ("https://a/x", "file:///x", False),
    ],
)
def test_from_https_nobody_is_led_to_http(start, target, followed):
    assert may_follow(start, target) is followed


# --- what happens meanwhile


def test_a_cache_that_is_removed_while_a_transfer_runs(cache, entry, server):
    def progress(name, done, total):
        shutil.rmtree(cache, ignore_errors=True)

    with pytest.raises(
        DataError, match=r"downloads/tiny was removed while it was written; type the same"
    ):
        fetch(entry, server.url, progress=progress)
    assert fetch(entry, server.url).files[0].verified == "checksum"


def test_tables_outlive_the_cache(tmp_path, cache):
    from workbench.data.catalog import find_dataset

    tables = open_dataset("glyphs", find_dataset("glyphs").dataset)
    total = int(tables["test"].images.sum())
    shutil.rmtree(cache)
    assert int(tables["test"].images.sum()) == total


def test_a_local_file_that_changes_while_it_is_copied(cache, entry, published):
    path = published / "tiny.zip"

    def progress(name, done, total):
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(
        DataError, match=rf"{path} changed while it was read; wait until nothing writes to it"
    ):
        fetch(entry, published, progress=progress)
    assert left_behind(cache) == []


def test_a_folder_that_changes_while_it_is_packed(cache, entry, published, tmp_path, monkeypatch):
    with zipfile.ZipFile(published / "tiny.zip") as archive:
        archive.extractall(tmp_path)
    images = sorted((tmp_path / "tiny").rglob("*.png"))
    read = local.Archive.read

    def then_change(self, name):
        content = read(self, name)
        images[-1].write_bytes(b"another")
        return content

    monkeypatch.setattr(local.Archive, "read", then_change)
    with pytest.raises(DataError, match=rf"{images[-1]} changed while it was read"):
        fetch(entry, tmp_path)
    assert left_behind(cache) == []


def test_two_processes_at_once_learn_one_checksum(cache, published, server):
    server.delay = 0.5
    code = f"""
from workbench.data.download.fetch import fetch
from workbench.data.download.manifest import Entry, RemoteFile
print(fetch(Entry("tiny", "", "", "", (RemoteFile("tiny.zip", ({server.url + "tiny.zip"!r},)),))).files[0].first)
"""
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sorted(run.communicate()[0].strip() for run in runs) == ["False", "True"]
    assert len(server.requests) == 1


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True
    )
    if made.returncode:
        pytest.skip("no small file system can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("over", ["folder", "net", "net, unknown"])
def test_no_space_left(small_disk, entry, published, server, monkeypatch, over):
    monkeypatch.setenv("MLW_CACHE", str(small_disk))
    (published / "tiny.zip").write_bytes(os.urandom(2**20))
    sizable = entry_for(published / "tiny.zip")
    if "unknown" in over:
        sizable = unknown(sizable, server.url)
    with pytest.raises(
        DataError, match=rf"The disk that holds {small_disk}/.* is full; free some space or"
    ):
        fetch(sizable, published if over == "folder" else server.url)
    assert left_behind(small_disk) == []
    assert sum(path.stat().st_size for path in small_disk.rglob("*") if path.is_file()) == 0

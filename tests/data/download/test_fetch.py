"""Fetching a data set: sources, forms, files downloaded by hand, and faults of the disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from publisher import changed, drawings, entry_for, left_behind, unknown, write_zip

from workbench.data.download.entry import ManifestEntry
from workbench.data.download.fetch import discard_unusable, fetch
from workbench.data.download.provenance import downloaded
from workbench.errors import DataError, UsageError

# --- sources


def test_a_second_call_transfers_nothing(cache, entry, server):
    fetch(entry, server.url)
    again = fetch(entry, server.url)
    assert len(server.requests) == 1
    assert not again.files[0].new


def test_manifest_url_is_the_default(cache, entry, server):
    entry = changed(entry, urls=(server.url + "tiny.zip",))
    assert fetch(entry).files[0].origin == server.url + "tiny.zip"


def test_url_of_the_file_itself(cache, entry, server):
    assert fetch(entry, server.url + "tiny.zip").files[0].origin == server.url + "tiny.zip"


@pytest.mark.parametrize(
    "source", ["http://example.invalid/", "ftp://127.0.0.1/", "file:///tmp", "no/such/folder"]
)
def test_invalid_sources(cache, entry, source):
    with pytest.raises(UsageError, match=r"must begin with https://|does not exist"):
        fetch(entry, source)


# --- a source when the files are here already


def test_the_same_file_again_says_so(cache, entry, published, tmp_path):
    fetch(entry, published / "tiny.zip")
    copy = shutil.copy(published / "tiny.zip", tmp_path / "tiny.zip")
    notes = []
    assert not fetch(entry, copy, note=notes.append).files[0].new
    assert notes == [
        f"tiny.zip of tiny is here already, with the published checksum; {copy} is the same file"
    ]


def test_a_repacked_file_again_is_not_copied_again(cache, entry, tmp_path):
    write_zip(tmp_path / "tiny.zip", dict(reversed(drawings().items())))
    fetch(entry, tmp_path)
    notes = []
    again = fetch(entry, tmp_path, partial=True, note=notes.append).files[0]
    assert (again.new, again.verified) == (False, "count")
    assert notes == [f"tiny.zip of tiny is here already; {tmp_path}/tiny.zip is the same file"]
    other = write_zip(tmp_path / "tiny.zip", drawings(seed=1))
    taken = fetch(entry, other, note=notes.append).files[0]
    assert taken.new
    assert len(notes) == 1


def test_a_part_again_still_needs_the_flag(cache, entry, tmp_path):
    files = drawings()
    del files["Latin/character03/0003_02.png"]
    write_zip(tmp_path / "tiny.zip", files)
    fetch(entry, tmp_path, partial=True)
    assert not fetch(entry, tmp_path, partial=True).files[0].new
    with pytest.raises(DataError, match="add --partial to use it as a part"):
        fetch(entry, tmp_path)


def test_another_file_is_not_ignored(cache, entry, published, tmp_path):
    fetch(entry, published / "tiny.zip")
    other = write_zip(tmp_path / "tiny.zip", drawings(seed=1))
    with pytest.raises(
        DataError,
        match=r"here already, with the published checksum, and .*/tiny.zip is another file. To "
        r"replace it, run: mlw download tiny --remove, and then the same command again",
    ):
        fetch(entry, other)


@pytest.mark.parametrize("kind", ["folder", "address"])
def test_a_source_that_is_not_read_is_named(cache, entry, published, server, tmp_path, kind):
    fetch(entry, published / "tiny.zip")
    (tmp_path / "unpacked" / "tiny").mkdir(parents=True)
    source = tmp_path / "unpacked" if kind == "folder" else server.url
    notes = []
    assert not fetch(entry, source, note=notes.append).files[0].new
    (note,) = notes
    assert "is used; " in note
    assert "is not read. To replace it, run: mlw download tiny --remove" in note


def test_what_is_not_known_to_be_published_is_discarded(cache, entry, published, tmp_path):
    other = write_zip(tmp_path / "tiny.zip", drawings(seed=1))
    fetched = fetch(entry, other)
    assert fetched.files[0].verified == "count"
    assert discard_unusable(fetched) == ["tiny.zip"]
    assert left_behind(cache) == []
    assert discard_unusable(fetch(entry, published / "tiny.zip")) == []


# --- by hand


def test_by_hand_prints_the_steps(cache, entry, published):
    entry = replace(
        changed(entry, urls=()),
        access="by hand",
        steps="Ask for it. Then run: mlw download tiny --from FILE",
    )
    with pytest.raises(
        DataError,
        match=r"^tiny.zip of tiny must be downloaded by hand. Ask for it. Then run: mlw download",
    ):
        fetch(entry)
    assert left_behind(cache) == []
    assert fetch(entry, published / "tiny.zip").files[0].verified == "checksum"
    assert not fetch(entry).files[0].new  # it is here: there is nothing to do by hand


def test_the_other_files_of_a_set_by_hand_are_downloaded(cache, published, server):
    write_zip(published / "more.zip", drawings(seed=1))
    entry = entry_for(published / "tiny.zip", published / "more.zip")
    by_hand, other = entry.files
    files = (replace(by_hand, urls=()), replace(other, urls=(server.url + "more.zip",)))
    fetched = fetch(
        replace(entry, files=files, access="by hand", steps="Ask."), published / "tiny.zip"
    )
    assert [file.origin for file in fetched.files] == [
        str(published / "tiny.zip"),
        server.url + "more.zip",
    ]


# --- forms


@pytest.fixture
def two_forms(published, server):
    """A set that may be had as one archive, or as two."""
    for seed, name in enumerate(("a.zip", "b.zip"), 1):
        write_zip(published / name, drawings(seed))
    one, *two = entry_for(published / "tiny.zip", published / "a.zip", published / "b.zip").files
    files = [replace(one, form="whole"), *(replace(file, form="halves") for file in two)]
    return ManifestEntry(
        "tiny", "", "", "", tuple(replace(file, urls=(server.url + file.name,)) for file in files)
    )


def test_the_first_available_form_is_fetched(cache, two_forms, published, server):
    assert [file.path.name for file in fetch(two_forms).files] == ["tiny.zip"]
    (published / "tiny.zip").unlink()
    assert [file.path.name for file in fetch(two_forms).files] == [
        "tiny.zip"
    ]  # kept, though it is gone there
    assert len(server.requests) == 1


def test_the_next_form_is_fetched_if_the_first_fails(cache, two_forms, published):
    (published / "tiny.zip").unlink()
    notes = []
    assert [file.path.name for file in fetch(two_forms, note=notes.append).files] == [
        "a.zip",
        "b.zip",
    ]
    assert "404" in notes[0]
    assert [file.path.name for file in downloaded(two_forms)] == ["a.zip", "b.zip"]


def test_from_takes_the_form_that_a_folder_has(cache, two_forms, published, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("a.zip", "b.zip"):
        (published / name).rename(folder / name)
    assert [file.path.name for file in fetch(two_forms, folder).files] == ["a.zip", "b.zip"]


def test_a_file_with_another_name_is_taken_for_the_form_of_one_file(
    cache, two_forms, published, tmp_path
):
    (published / "tiny.zip").rename(tmp_path / "as-saved.zip")
    assert [file.path.name for file in fetch(two_forms, tmp_path / "as-saved.zip").files] == [
        "tiny.zip"
    ]


def test_a_second_form_is_not_put_beside_the_first(cache, two_forms, published):
    fetch(two_forms, published / "tiny.zip")
    (published / "tiny.zip").unlink()
    with pytest.raises(
        DataError,
        match=r"tiny is already in the cache as tiny.zip. To use a.zip, b.zip .* tiny --remove",
    ):
        fetch(two_forms, published)


# --- processes, and the disk


def test_killed_before_the_provenance_was_written(cache, entry, published, server):
    path = fetch(entry, published).files[0].path
    (path.parent / "provenance.toml").unlink()
    fetch(entry, server.url)
    assert server.requests == []
    assert downloaded(entry)


def test_two_processes_at_once_transfer_once(cache, entry, published, server):
    server.delay = 0.5
    facts = (entry.files[0].size, entry.files[0].sha256)
    code = f"""
from workbench.data.download.fetch import fetch
from workbench.data.download.entry import ManifestEntry, RemoteFile
file = RemoteFile("tiny.zip", ({server.url + "tiny.zip"!r},), {facts[0]}, sha256={facts[1]!r})
print(fetch(ManifestEntry("tiny", "", "", "", (file,))).files[0].verified)
"""
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [run.communicate()[0].strip() for run in runs] == ["checksum", "checksum"]
    assert len(server.requests) == 1
    assert left_behind(cache) == ["provenance.toml", "tiny.zip"]


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


def test_a_cache_that_cannot_be_a_folder(tmp_path, entry, published, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(
        DataError, match=r"cannot be written \(Not a directory\); set MLW_CACHE to another folder"
    ):
        fetch(entry, published)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is unwritable to root"
)
def test_an_unwritable_folder(cache, entry, published):
    cache.mkdir(mode=0o500)
    with pytest.raises(DataError, match=r"cannot be written \(Permission denied\)"):
        fetch(entry, published)


def test_a_cache_that_is_removed_while_a_transfer_runs(cache, entry, server):
    def remove(progress):
        shutil.rmtree(cache, ignore_errors=True)

    with pytest.raises(
        DataError, match=r"downloads/tiny was removed while files were written to it; run the same"
    ):
        fetch(entry, server.url, report=remove)
    assert fetch(entry, server.url).files[0].verified == "checksum"

"""Checksums that are learnt because no publisher gives them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from datetime import date

import pytest
from publisher import COUNTS, changed, drawings, left_behind, unknown, write_zip

from workbench.data.download.fetch import fetch
from workbench.errors import ChecksumError, DataError


def test_an_unpublished_checksum_is_learnt(cache, entry, server):
    bare = unknown(entry, server.url)
    (file,) = (fetched := fetch(bare)).files
    assert (file.verified, file.first) == ("learnt", True)
    digest = entry.files[0].sha256[:12]
    text = f"checksum learnt now: sha256 {digest}...; later downloads must match it"
    assert text in str(fetched)
    learnt = tomllib.loads((cache / "downloads" / "learnt.toml").read_text())["tiny"]["tiny.zip"]
    assert learnt == {
        "sha256": entry.files[0].sha256,
        "size": entry.files[0].size,
        "origin": server.url + "tiny.zip",
        "on": date.today(),
    }
    assert "learnt now" not in str(fetch(bare))


def test_a_later_download_must_match(cache, entry, published, server):
    bare = unknown(entry, server.url)
    path = fetch(bare).files[0].path
    path.unlink()
    server.flip = 1000
    expected = entry.files[0].sha256[:12]
    with pytest.raises(
        ChecksumError,
        match=rf"not the tiny.zip that was learnt .*: sha256 \w+... instead of {expected}...",
    ) as error:
        fetch(bare)
    assert str(cache / "downloads" / "learnt.toml") in str(error.value)
    assert "tiny.zip" not in left_behind(cache)
    server.flip = -1
    (file,) = fetch(bare).files
    assert (file.verified, file.first) == ("learnt", False)


def test_a_local_file_must_match(cache, entry, published, server, tmp_path):
    bare = unknown(entry, server.url)
    fetch(bare).files[0].path.unlink()
    write_zip(tmp_path / "tiny.zip", drawings(seed=1))
    with pytest.raises(ChecksumError, match=r"is not the learnt tiny.zip"):
        fetch(bare, tmp_path)
    assert fetch(bare, published).files[0].verified == "learnt"


def test_nothing_is_learnt_from_a_local_file(cache, entry, published, server):
    bare = unknown(entry, server.url)
    (file,) = (fetched := fetch(bare, published)).files
    assert file.verified == "given"
    assert "no checksum is published; accepted as given" in str(fetched)
    assert "learnt.toml" not in left_behind(cache)


def test_a_damaged_archive_is_not_learnt(cache, entry, published, server):
    content = (published / "tiny.zip").read_bytes()
    server.flip = content.index(b"IDAT") + 8
    with pytest.raises(DataError, match=r"127.0.0.1:\d+/tiny.zip is damaged"):
        fetch(unknown(entry, server.url))
    assert left_behind(cache) == []


def test_an_html_page_is_not_learnt(cache, entry, server):
    server.html = True
    with pytest.raises(DataError, match=r"gave an HTML page instead of tiny.zip"):
        fetch(unknown(entry, server.url))
    assert left_behind(cache) == []


def test_published_counts_must_match(cache, entry, published, server):
    bare = changed(unknown(entry, server.url), counts=COUNTS | {"images": 13})
    with pytest.raises(DataError, match=r"contains 12 images, 6 .*; tiny.zip has 13 images"):
        fetch(bare)
    assert left_behind(cache) == []


def test_a_damaged_list_is_not_taken_for_an_empty_one(cache, entry, server):
    fetch(unknown(entry, server.url))
    (cache / "downloads" / "learnt.toml").write_text("[tiny]\n'tiny.zip' = 3\n")
    fetch(entry, server.url)  # its checksum is published
    (cache / "downloads" / "tiny" / "tiny.zip").unlink()
    with pytest.raises(
        DataError, match=r"learnt.toml, the list of checksums learnt so far, cannot be read"
    ):
        fetch(unknown(entry, server.url))


def test_two_processes_at_once_learn_one_checksum(cache, published, server):
    server.delay = 0.5
    code = f"""
from workbench.data.download.fetch import fetch
from workbench.data.download.entry import ManifestEntry, RemoteFile
file = RemoteFile("tiny.zip", ({server.url + "tiny.zip"!r},))
print(fetch(ManifestEntry("tiny", "", "", "", (file,))).files[0].first)
"""
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert sorted(run.communicate()[0].strip() for run in runs) == ["False", "True"]
    assert len(server.requests) == 1

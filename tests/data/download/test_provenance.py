"""What is stored about files in the cache, and what a user reads of it."""

from __future__ import annotations

import tomllib

import pytest
from publisher import COUNTS, drawings, entry_for, left_behind, write_zip

from workbench.data.download.entry import RemoteFile
from workbench.data.download.fetch import fetch
from workbench.data.download.provenance import (
    counts_text,
    difference,
    downloaded,
    megabytes,
    part_of,
    read_provenance,
    unpublished,
)
from workbench.data.files.checksum import checksum
from workbench.errors import DataError
from workbench.progress import Progress


def test_a_download_is_verified_and_its_provenance_stored(cache, entry, server):
    seen = []
    fetched = fetch(entry, server.url, report=seen.append)
    (file,) = fetched.files
    size = entry.files[0].size
    assert (file.verified, file.new, file.size, file.counts) == ("checksum", True, size, COUNTS)
    assert file.origin == server.url + "tiny.zip"
    assert seen[-1] == Progress("tiny.zip", size, size, "bytes")
    assert left_behind(cache) == ["provenance.toml", "tiny.zip"]
    stored = tomllib.loads((fetched.folder / "provenance.toml").read_text())["tiny.zip"]
    assert stored == {
        "origin": server.url + "tiny.zip",
        "verified": "checksum",
        "size": size,
        "sha256": entry.files[0].sha256,
        "counts": COUNTS,
        "part": "",
    }


def test_report_says_what_a_user_wants_to_know(cache, entry, server):
    text = str(fetch(entry, server.url))
    for part in (
        "checksum verified",
        "12 images, 6 characters, 2 alphabets",
        "CC0",
        "Nobody, 2020",
        str(cache),
    ):
        assert part in text


def test_a_file_that_is_damaged_later_is_fetched_again(cache, entry, server):
    path = fetch(entry, server.url).files[0].path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"has .* bytes instead of .*; run: mlw download tiny"):
        downloaded(entry)
    assert fetch(entry, server.url).files[0].new
    assert downloaded(entry)[0].path == path


def test_the_parts_of_several_files_are_one_part(cache, published, subset, tmp_path):
    write_zip(published / "more.zip", drawings(seed=1))
    entry = entry_for(published / "tiny.zip", published / "more.zip")
    (published / "more.zip").rename(subset.parent / "more.zip")
    fetched = fetch(entry, subset.parent, partial=True)
    assert part_of(fetched.files, entry.files) == "22 of 24 images"


def test_the_whole_is_no_part(cache, entry, published, tmp_path):
    write_zip(tmp_path / "tiny.zip", dict(reversed(drawings().items())))
    packed = fetch(entry, tmp_path / "tiny.zip", partial=True).files
    assert part_of(packed, entry.files) == ""
    assert unpublished(packed) == "content checked by count, not by checksum"
    whole = fetch(entry, published, partial=True).files
    assert whole[0].verified == "checksum"
    assert (part_of(whole, entry.files), unpublished(whole)) == ("", "")


def test_a_damaged_provenance_counts_as_absent(cache, entry, published):
    folder = fetch(entry, published).folder
    assert list(read_provenance(folder)) == ["tiny.zip"]
    (folder / "provenance.toml").write_text("[tiny]\norigin = 3\n")
    assert read_provenance(folder) == {}


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ""),
        ({"size": 3}, ""),
        ({"size": 4}, "3 bytes instead of 4"),
        ({"md5": "0" * 32}, "md5 900150983cd2... instead of 000000000000..."),
        (
            {"sha256": "0" * 64, "md5": "0" * 32},
            "sha256 ba7816bf8f01... instead of 000000000000...",
        ),
    ],
)
def test_how_a_file_differs_from_the_published_one(tmp_path, facts, expected):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert difference(path, RemoteFile("file", **facts), checksum(path)) == expected


def test_numbers_as_people_read_them():
    assert counts_text({"images": 19280, "characters": 964}) == "19,280 images, 964 characters"
    assert [megabytes(size) for size in (50_000, 12_400_000, 1_234_000_000)] == [
        "0.1 MB",
        "12.4 MB",
        "1,234 MB",
    ]

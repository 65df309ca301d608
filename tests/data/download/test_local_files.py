"""Files that a user has already: from folders and archives, whole, packed anew, or in part."""

# ruff: noqa: F401, F811 - fixtures are imported, and asked for by name

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from publisher import (
    COUNTS,
    cache,
    changed,
    drawings,
    entry,
    entry_for,
    left_behind,
    published,
    server,
    write_zip,
)

from workbench.data.download.fetch import fetch
from workbench.data.download.provenance import BY_COUNT, downloaded, part_of
from workbench.errors import ChecksumError, DataError, UsageError


def test_folder_with_published_archive(cache, entry, published):
    (file,) = fetch(entry, published).files
    assert (file.verified, file.origin) == ("checksum", str(published / "tiny.zip"))


def test_archive_of_another_name(cache, entry, published):
    (published / "tiny.zip").rename(published / "renamed.zip")
    assert fetch(entry, published / "renamed.zip").files[0].path.name == "tiny.zip"


def test_archive_packed_anew_is_counted(cache, entry, tmp_path):
    write_zip(tmp_path / "tiny.zip", dict(reversed(drawings().items())))
    fetched = fetch(entry, tmp_path)
    assert fetched.files[0].verified == "count"
    assert fetched.counts == COUNTS
    assert BY_COUNT in str(fetched)
    assert (
        downloaded(entry)[0].sha256
        == hashlib.sha256((tmp_path / "tiny.zip").read_bytes()).hexdigest()
    )


@pytest.mark.parametrize("inside", [True, False], ids=["its parent", "itself"])
def test_unpacked_folder_is_packed_the_same_each_time(cache, entry, tmp_path, inside):
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(write_zip(tmp_path / "tiny.zip", drawings())) as archive:
        archive.extractall(folder)
    sums = {fetch(entry, folder if inside else folder / "tiny").files[0].sha256 for _ in range(2)}
    assert len(sums) == 1
    assert downloaded(entry)[0].verified == "count"


def test_too_few_images_are_refused(cache, entry, tmp_path):
    files = drawings()
    del files["Latin/character03/0003_02.png"]
    write_zip(tmp_path / "tiny.zip", files)
    with pytest.raises(
        DataError, match=r"holds 11 images, 6 characters, 2 alphabets; tiny.zip holds 12 images"
    ):
        fetch(entry, tmp_path)
    assert left_behind(cache) == []


def test_local_archive_with_a_damaged_image_is_refused(cache, entry, published):
    content = bytearray((published / "tiny.zip").read_bytes())
    content[content.index(b"IDAT") + 8] ^= 1
    (published / "tiny.zip").write_bytes(content)
    with pytest.raises(DataError, match=rf"in {published}/tiny.zip is damaged: Bad CRC-32"):
        fetch(entry, published)
    assert left_behind(cache) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"PK junk", "not a zip archive"),
        (b"<html>no</html>", "is an HTML page"),
    ],
)
def test_local_file_that_is_no_archive(cache, entry, tmp_path, content, message):
    (tmp_path / "tiny.zip").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        fetch(entry, tmp_path)
    assert str(tmp_path / "tiny.zip") in str(
        error.value
    )  # the user's file, not its copy in the cache
    assert left_behind(cache) == []


def test_local_file_without_counts_must_be_the_published_one(cache, entry, tmp_path):
    write_zip(tmp_path / "tiny.zip", drawings(seed=1))
    with pytest.raises(ChecksumError, match=r"is not the published tiny.zip"):
        fetch(changed(entry, counts={}), tmp_path)


def test_folder_without_the_files(cache, entry, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DataError, match=r"holds neither tiny.zip nor a folder tiny; tiny consists of tiny.zip"
    ):
        fetch(entry, tmp_path / "empty")


def test_two_archives_one_after_the_other(cache, published):
    write_zip(published / "more.zip", drawings(seed=1))
    entry = entry_for(published / "tiny.zip", published / "more.zip")
    with pytest.raises(
        DataError,
        match=r"tiny also needs more.zip; give --from a folder that holds tiny.zip, more.zip",
    ):
        fetch(entry, published / "tiny.zip")
    with pytest.raises(
        DataError, match=r"my-tiny lacks more.zip in .*; type: mlw download my-tiny"
    ):
        downloaded(entry, "my-tiny")
    fetched = fetch(entry, published / "more.zip")
    assert fetched.counts == {"images": 24, "characters": 12, "alphabets": 4}
    assert [file.new for file in fetched.files] == [False, True]
    with pytest.raises(UsageError, match=r"is none of the files of tiny: tiny.zip, more.zip"):
        fetch(entry, Path(__file__))


# --- parts


@pytest.fixture
def subset(tmp_path):
    """The archive without a character."""
    folder = tmp_path / "subset"
    folder.mkdir()
    files = {
        name: content for name, content in drawings().items() if "Latin/character03" not in name
    }
    return write_zip(folder / "tiny.zip", files)


def test_a_part_is_refused_and_the_way_to_take_it_is_named(cache, entry, subset):
    with pytest.raises(
        DataError,
        match=r"holds 10 images, .*; tiny.zip holds 12 images, .*; add --partial to use it",
    ):
        fetch(entry, subset)
    assert left_behind(cache) == []


def test_a_part_is_recorded_as_one(cache, entry, subset):
    (file,) = (fetched := fetch(entry, subset, partial=True)).files
    assert (file.verified, file.part) == ("part", "10 of 12 images")
    assert "a part: 10 of 12 images" in str(fetched)
    assert downloaded(entry)[0].part == "10 of 12 images"
    assert part_of(downloaded(entry), entry.files) == "10 of 12 images"
    assert fetch(entry).files[0].part  # kept: nothing is transferred


def test_the_parts_of_several_files_are_one_part(cache, published, subset, tmp_path):
    write_zip(published / "more.zip", drawings(seed=1))
    entry = entry_for(published / "tiny.zip", published / "more.zip")
    (published / "more.zip").rename(subset.parent / "more.zip")
    fetched = fetch(entry, subset.parent, partial=True)
    assert part_of(fetched.files, entry.files) == "22 of 24 images"


def test_the_whole_is_no_part(cache, entry, published, tmp_path):
    assert fetch(entry, published, partial=True).files[0].verified == "checksum"
    write_zip(tmp_path / "tiny.zip", dict(reversed(drawings().items())))
    assert part_of(fetch(entry, tmp_path / "tiny.zip", partial=True).files, entry.files) == ""


def test_more_images_than_published_are_no_part(cache, entry, tmp_path):
    extra = drawings() | {"Latin/character03/more.png": drawings()["Latin/character03/0003_01.png"]}
    write_zip(tmp_path / "tiny.zip", extra)
    with pytest.raises(
        DataError,
        match=r"holds 13 images, .*; tiny.zip holds 12 images, 6 characters, 2 alphabets\.$",
    ):
        fetch(entry, tmp_path, partial=True)


def test_no_images_are_no_part(cache, entry, tmp_path):
    write_zip(tmp_path / "tiny.zip", {"readme.txt": b"none"})
    with pytest.raises(DataError, match=r"holds 0 images"):
        fetch(entry, tmp_path, partial=True)

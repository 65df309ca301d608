"""Files that a user has: from folders and archives, whole, repacked, or in part."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from places import SHARED, needs_published
from publisher import COUNTS, changed, drawings, entry_for, left_behind, write_zip

from workbench.data.download import local_files
from workbench.data.download.fetch import fetch
from workbench.data.download.manifest import find_entry
from workbench.data.download.provenance import BY_COUNT, downloaded, part_of
from workbench.errors import ChecksumError, DataError, UsageError


def test_a_folder_with_the_published_archive(cache, entry, published):
    (file,) = fetch(entry, published).files
    assert (file.verified, file.origin) == ("checksum", str(published / "tiny.zip"))


def test_an_archive_with_another_name(cache, entry, published):
    (published / "tiny.zip").rename(published / "renamed.zip")
    assert fetch(entry, published / "renamed.zip").files[0].path.name == "tiny.zip"


def test_an_archive_that_is_named_alike_is_to_be_named(cache, entry, published):
    (published / "tiny.zip").rename(published / "Ti-ny subset.zip")
    (published / "other.zip").write_bytes(b"")
    path = f"'{published}/Ti-ny subset.zip'"
    with pytest.raises(DataError) as caught:
        fetch(entry, published, partial=True)
    assert str(caught.value).endswith(
        "tiny consists of tiny.zip. It has Ti-ny subset.zip. If that is tiny, name the file: "
        f"mlw download tiny --from {path} --partial"
    )
    with pytest.raises(DataError, match=r"Ti-ny subset.zip'$"):
        fetch(entry, published)


def test_a_repacked_archive_is_checked_by_count(cache, entry, tmp_path):
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
        DataError, match=r"contains 11 images, 6 characters, 2 alphabets; tiny.zip has 12 images"
    ):
        fetch(entry, tmp_path)
    assert left_behind(cache) == []


def test_an_archive_with_a_damaged_image_is_refused(cache, entry, published):
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
        (b"PK junk", "not a zip or tar archive"),
        (b"<html>no</html>", "is an HTML page"),
    ],
)
def test_a_file_that_is_not_an_archive(cache, entry, tmp_path, content, message):
    (tmp_path / "tiny.zip").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        fetch(entry, tmp_path)
    assert str(tmp_path / "tiny.zip") in str(
        error.value
    )  # the user's file, not its copy in the cache
    assert left_behind(cache) == []


def test_a_file_without_counts_must_be_the_published_one(cache, entry, tmp_path):
    write_zip(tmp_path / "tiny.zip", drawings(seed=1))
    with pytest.raises(ChecksumError, match=r"is not the published tiny.zip"):
        fetch(changed(entry, counts={}), tmp_path)


def test_a_folder_without_the_files(cache, entry, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        DataError, match=r"has neither tiny.zip nor a folder tiny; tiny consists of tiny.zip"
    ):
        fetch(entry, tmp_path / "empty")


def test_two_archives_one_after_the_other(cache, published):
    write_zip(published / "more.zip", drawings(seed=1))
    entry = entry_for(published / "tiny.zip", published / "more.zip")
    with pytest.raises(
        DataError,
        match=r"tiny also needs more.zip; use --from with a folder that has tiny.zip, more.zip",
    ):
        fetch(entry, published / "tiny.zip")
    with pytest.raises(DataError, match=r"my-tiny lacks more.zip in .*; run: mlw download my-tiny"):
        downloaded(entry, "my-tiny")
    fetched = fetch(entry, published / "more.zip")
    assert fetched.counts == {"images": 24, "characters": 12, "alphabets": 4}
    assert [file.new for file in fetched.files] == [False, True]
    with pytest.raises(UsageError, match=r"is none of the files of tiny: tiny.zip, more.zip"):
        fetch(entry, Path(__file__))


real = needs_published(
    "images_background_small2.zip", "images_background.zip", "images_evaluation.zip"
)


@real
def test_the_official_second_small_set(cache):
    (file,) = fetch(find_entry("omniglot_small2"), SHARED).files
    assert file.verified == "checksum"
    assert file.counts == {"images": 3120, "characters": 156, "alphabets": 5}


@real
def test_all_of_omniglot_from_a_folder(cache):
    fetched = fetch(find_entry("omniglot"), SHARED)
    assert fetched.counts == {"images": 32_460, "characters": 1_623, "alphabets": 50}
    assert BY_COUNT in str(fetched)


# --- parts


def test_a_part_is_refused_with_a_hint(cache, entry, subset):
    with pytest.raises(
        DataError,
        match=r"contains 10 images, .*; tiny.zip has 12 images, .*; add --partial to use it",
    ):
        fetch(entry, subset)
    assert left_behind(cache) == []


def test_a_part_is_accepted_if_asked_for(cache, entry, subset):
    (file,) = (fetched := fetch(entry, subset, partial=True)).files
    assert (file.verified, file.part) == ("part", "10 of 12 images")
    assert "a part: 10 of 12 images" in str(fetched)
    assert downloaded(entry)[0].part == "10 of 12 images"
    assert part_of(downloaded(entry), entry.files) == "10 of 12 images"
    assert fetch(entry).files[0].part  # kept: nothing is transferred


def test_more_images_than_published_are_no_part(cache, entry, tmp_path):
    extra = drawings() | {"Latin/character03/more.png": drawings()["Latin/character03/0003_01.png"]}
    write_zip(tmp_path / "tiny.zip", extra)
    with pytest.raises(
        DataError,
        match=r"contains 13 images, .*; tiny.zip has 12 images, 6 characters, 2 alphabets\.$",
    ):
        fetch(entry, tmp_path, partial=True)


def test_no_images_are_no_part(cache, entry, tmp_path):
    write_zip(tmp_path / "tiny.zip", {"readme.txt": b"none"})
    with pytest.raises(DataError, match=r"contains 0 images"):
        fetch(entry, tmp_path, partial=True)


# --- files that change meanwhile


def test_a_local_file_that_changes_while_it_is_copied(cache, entry, published):
    path = published / "tiny.zip"

    def grow(progress):
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(
        DataError, match=rf"{path} changed while it was read; wait until nothing writes to it"
    ):
        fetch(entry, published, report=grow)
    assert left_behind(cache) == []


def test_a_folder_that_changes_while_it_is_packed(cache, entry, published, tmp_path, monkeypatch):
    with zipfile.ZipFile(published / "tiny.zip") as archive:
        archive.extractall(tmp_path)
    images = sorted((tmp_path / "tiny").rglob("*.png"))
    read = local_files.Archive.read

    def then_change(self, name):
        content = read(self, name)
        images[-1].write_bytes(b"another")
        return content

    monkeypatch.setattr(local_files.Archive, "read", then_change)
    with pytest.raises(DataError, match=rf"{images[-1]} changed while it was read"):
        fetch(entry, tmp_path)
    assert left_behind(cache) == []

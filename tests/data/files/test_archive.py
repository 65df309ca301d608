"""Archives of every kind: the same view of each, whole, damaged, or changed while it is read."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import pytest
from archive_kinds import (
    COMPRESS,
    KINDS,
    TARS,
    entry,
    one_line,
    png,
    tar_bytes,
    write,
    write_zip,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.data.files import archive as archives
from workbench.data.files.archive import Archive
from workbench.data.files.members import SYSTEM_NAMES, SYSTEM_SUFFIXES
from workbench.errors import DataError

few = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


# --- the same view of every kind


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_looks_the_same(tmp_path, kind):
    members = [
        ("b/2.png", b"two"),
        ("a/1.PNG", b"one"),
        ("a/notes.txt", b"n"),
        ("__MACOSX/a/1.png", b""),
        (".x", b""),
    ]
    with Archive(write(kind, tmp_path, *members)) as archive:
        assert archive.names == ("a/1.PNG", "a/notes.txt", "b/2.png")
        assert list(archive.images()) == ["a/1.PNG", "b/2.png"]
        assert archive.read("b/2.png") == b"two"
        assert archive.counts() == (2, 2, 1)
        archive.test()
        for nothing in ("c.png", ".x", "a", "../x.zip", ""):
            with pytest.raises(DataError, match="contains no "):
                archive.read(nothing)
            with pytest.raises(DataError, match="contains no "):
                archive.open(nothing)


ANY_TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\\0", exclude_categories=["Cs"]),
    min_size=1,
    max_size=9,
).filter(lambda part: not part.startswith(".") and part[1:2] != ":")
OF_A_SYSTEM = st.sampled_from(["__MACOSX", "Thumbs.db", "@eaDir", "$RECYCLE.BIN", "a.lrdata"])
PART = ANY_TEXT | OF_A_SYSTEM
NAME = st.lists(PART, min_size=1, max_size=3).map("/".join)


def is_of_a_system(name: str) -> bool:
    """Return whether a part of the name is one that systems use, so that it is passed over."""
    parts = name.lower().split("/")
    return any(part in SYSTEM_NAMES or part.endswith(SYSTEM_SUFFIXES) for part in parts)


def no_file_is_a_folder(names: dict[str, bytes]) -> bool:
    return not any(other.startswith(f"{name}/") for name in names for other in names)


@settings(few, max_examples=50)
@given(
    st.dictionaries(NAME, st.binary(max_size=2000), min_size=1, max_size=6).filter(
        no_file_is_a_folder
    )
)
def test_any_names_and_bytes_survive_in_every_kind_but_those_of_systems(content):
    content["seen.txt"] = b"an archive without any file is refused"
    seen = {name: given for name, given in content.items() if not is_of_a_system(name)}
    for kind in KINDS:
        with (
            tempfile.TemporaryDirectory() as folder,
            Archive(write(kind, Path(folder), *content.items())) as archive,
        ):
            assert archive.names == tuple(sorted(seen))
            assert {name: archive.read(name) for name in archive.names} == seen
            for name in archive.names:
                with archive.open(name) as member:
                    assert member.read() == seen[name]
            archive.test()


@pytest.mark.parametrize("kind", ["zip", *TARS])
def test_the_kind_is_told_by_content_not_by_name(tmp_path, kind):
    path = write(kind, tmp_path, ("a.png", b"1")).rename(tmp_path / "data.bin")
    with Archive(path) as archive:
        assert archive.read("a.png") == b"1"


@pytest.mark.parametrize("kind", KINDS)
def test_open_member_is_a_seekable_stream(tmp_path, kind):
    array = np.arange(300_000)
    stream = io.BytesIO()
    np.save(stream, array)
    path = write(kind, tmp_path, ("a.npy", stream.getvalue()))
    with Archive(path) as archive, archive.open("a.npy") as member:
        assert (np.load(member) == array).all()
        assert member.seek(0) == 0
        assert member.read(6) == b"\x93NUMPY"
        assert member.seek(-3, os.SEEK_END) == member.tell() == len(stream.getvalue()) - 3
        assert member.read() == stream.getvalue()[-3:]
        member.seek(1)
        member.seek(2, os.SEEK_CUR)
        assert member.read(3) == b"MPY"


@pytest.mark.parametrize("outer", KINDS)
@pytest.mark.parametrize("inside", ["zip", *TARS])
def test_archive_inside_an_archive(tmp_path, outer, inside):
    (tmp_path / "inner").mkdir()
    path = write(inside, tmp_path / "inner", ("a/1.png", b"one"), ("b/2.png", os.urandom(5000)))
    place = write(
        outer, tmp_path, ("n01440764.tar", path.read_bytes()), ("n01443537.tar", path.read_bytes())
    )
    with Archive(place) as archive:
        for name in archive.names:
            with archive.inner(name) as inner, archive.inner(name) as again:
                assert inner.names == again.names == ("a/1.png", "b/2.png")
                assert inner.read("a/1.png") == b"one"
                assert inner.read("b/2.png") == again.read("b/2.png")
                inner.test()
            assert archive.read(name) == path.read_bytes()  # the outer one is still open
        with pytest.raises(DataError, match="contains no other"):
            archive.inner("other")


# --- damage


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"PK\x03\x04 and so on", "is not a zip or tar archive, or it is damaged"),
        (b"PK\x05\x06" + bytes(18), "contains no files"),
        (bytes(10240), "contains no files"),
        (tar_bytes((entry("folder", tarfile.DIRTYPE), b"")), "contains no files"),
        (b"\x1f\x8b\x08", "is damaged or cut off"),
        *(
            (pack(b"content"), "is compressed, but its content is not a tar archive")
            for pack in COMPRESS.values()
        ),
    ],
)
def test_file_that_is_no_archive(tmp_path, content, message):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(DataError, match=message):
        Archive(tmp_path / "x.zip")


def test_an_absent_or_empty_archive(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        Archive(tmp_path / "x.zip")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="contains no files"):
        Archive(tmp_path / "folder")


@pytest.mark.parametrize("kind", ["zip", *TARS])
def test_cut_off_anywhere(tmp_path, kind):
    """A tar has no checksum, and each beginning of it could be one: it must have an end mark."""
    whole = write(kind, tmp_path, *((f"{i}.png", os.urandom(700)) for i in range(4)))
    content = whole.read_bytes()
    last = 4 * (512 + 1024) if kind == "tar" else len(content) - 1
    lengths = {*range(0, last, 512), *range(0, last, 397), 1, 511, 513, last}
    for length in sorted(lengths):
        whole.write_bytes(content[:length])
        with pytest.raises(DataError) as caught:
            Archive(whole)
        one_line(caught.value)


@pytest.mark.parametrize("kind", ["zip", *TARS])
@few
@given(data=st.data())
def test_damage_anywhere_gives_one_line(tmp_path, kind, data):
    """Cut or change an archive at random: it is read right, or `DataError` is raised."""
    members = [("a/1.png", png(np.zeros((4, 4), np.uint8))), ("ä/2.png", b"x" * 50)]
    path = write(kind, tmp_path, *members)
    whole = path.read_bytes()
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)), label="length")])
    for position in data.draw(
        st.lists(st.integers(0, max(len(broken) - 1, 0)), max_size=3), label="positions"
    ):
        if broken:
            broken[position] = data.draw(st.integers(0, 255), label="byte")
    path.write_bytes(broken)
    try:
        with Archive(path) as archive:
            contents = [archive.read(name) for name in archive.names]
    except DataError as error:
        one_line(error)
    else:
        if kind != "tar":  # a tar has no checksums
            assert set(contents) <= {b"", *(content for _, content in members)}


# --- limits


@pytest.mark.parametrize("kind", ["zip", *TARS[1:]])
def test_absurd_expansion_is_refused(tmp_path, kind):
    path = write(kind, tmp_path, ("bomb.png", bytes(2**24)))
    with pytest.raises(
        DataError, match=r"would expand to (16,777,216|more than [0-9,]+) bytes; it is refused"
    ):
        Archive(path)


@pytest.mark.parametrize("outer", ["zip", "tar"])
def test_bombs_in_archives_share_the_outer_limit(tmp_path, outer):
    """No layer alone expands by more than is allowed; all together do."""
    layer = gzip.compress(tar_bytes(("a", bytes(2**22))))  # 4 MiB in 4 kB
    for _ in range(3):
        layer = gzip.compress(tar_bytes(("a.tar.gz", layer)))
    path = write(outer, tmp_path, ("a.tar.gz", layer))
    assert 200 * path.stat().st_size < 2**22

    def deeper(archive: Archive) -> None:
        with archive:
            if archive.names == ("a.tar.gz",):
                deeper(archive.inner("a.tar.gz"))

    with pytest.raises(DataError, match="would expand to more than"):
        deeper(Archive(path))


def test_more_than_is_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "READ_LIMIT", 99)
    with Archive(write_zip(tmp_path / "x.zip", ("a", os.urandom(100)))) as archive:
        with pytest.raises(
            DataError, match="has 100 bytes, more than the 99 that can be read at once"
        ):
            archive.read("a")
        with archive.open("a") as member:
            assert len(member.read()) == 100


# --- changes while an archive is open


@pytest.mark.parametrize("kind", ["zip", *TARS])
def test_archive_that_changes_while_it_is_read(tmp_path, kind):
    path = write(kind, tmp_path, ("a.png", b"1"), ("b.png", b"2"))
    archive = Archive(path)
    archive.read("a.png")
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(DataError, match="changed while it was read"):
        archive.close()
    archive.close()  # raised once


def test_a_change_is_reported_rather_than_the_damage_it_did(tmp_path):
    path = write_zip(tmp_path / "x.zip", ("a.png", os.urandom(99_999)))

    def read_and_write() -> None:
        with Archive(path) as archive:
            path.write_bytes(bytes(1000))
            archive.read("a.png")

    with pytest.raises(DataError, match="changed while it was read"):
        read_and_write()


def test_an_interrupt_is_not_replaced_by_a_message(tmp_path):
    path = write_zip(tmp_path / "x.zip", ("a.png", b"1"))

    def stop() -> None:
        with Archive(path):
            path.write_bytes(bytes(1000))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()


# --- many images at once


@pytest.mark.parametrize("kind", KINDS)
def test_stack_keeps_the_order(tmp_path, kind):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 9, 9, 3), np.uint8)
    path = write(kind, tmp_path, *((f"{i}.png", png(image)) for i, image in enumerate(pixels)))
    order = np.random.default_rng(1).permutation(50)
    with Archive(path) as archive:
        stack = archive.stack([f"{i}.png" for i in order], size=9)
        assert stack.dtype == np.uint8
        assert (stack == pixels[order].transpose(0, 3, 1, 2)).all()
        assert archive.stack([], size=9).shape == (0, 3, 9, 9)
        assert archive.stack(["3.png"] * 3, size=5, channels=1).shape == (3, 1, 5, 5)
        crops = [(0, 0, 5, 5), None]
        both = archive.stack(["1.png", "1.png"], size=5, crops=crops)
        assert (both[0] == archive.image("1.png", size=5, crop=crops[0])).all()
        assert (both[1] == archive.image("1.png", size=5)).all()


def test_stack_names_the_image_that_fails(tmp_path):
    members = [(f"{i:02}.png", png(np.full((3, 3), i, np.uint8))) for i in range(60)]
    members[33] = members[33][0], b"nothing"
    with Archive(write_zip(tmp_path / "x.zip", *members)) as archive:
        with pytest.raises(
            DataError, match=r"^33\.png in .*x\.zip is not an image that can be decoded"
        ):
            archive.stack(archive.names, size=3)
        with pytest.raises(DataError, match=r"contains no 99\.png"):
            archive.stack(["99.png"], size=3)

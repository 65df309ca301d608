"""Archives that are hostile or damaged, and decoding."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from workbench import archives
from workbench.archives import Archive, decode
from workbench.errors import DataError
from workbench.images import checksum

few = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write_zip(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def sentence(error: Exception) -> None:
    assert "\n" not in str(error)


# --- archives


def test_zip_and_folder_look_the_same(tmp_path):
    members = [("b/2.png", b"two"), ("a/1.PNG", b"one"), ("a/notes.txt", b"n"), ("__MACOSX/a/1.png", b""), (".x", b"")]
    path = write_zip(tmp_path / "x.zip", *members)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "x")
    for place in (path, tmp_path / "x"):
        with Archive(place) as archive:
            assert archive.names == ("a/1.PNG", "a/notes.txt", "b/2.png")
            assert list(archive.images()) == ["a/1.PNG", "b/2.png"]
            assert archive.read("b/2.png") == b"two"
            assert archive.counts() == (2, 2, 1)
            archive.test()
            with pytest.raises(DataError, match=r"holds no c\.png|c\.png .* is damaged: .*No such file"):
                archive.read("c.png")
    assert checksum(tmp_path / "x") == checksum(tmp_path / "x")
    (tmp_path / "x" / "a" / "1.PNG").write_bytes(b"other")
    assert checksum(tmp_path / "x") != checksum(path)


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("/etc/passwd", "would lie outside"),
        ("a/../../b", "would lie outside"),
        ("C:/windows", "would lie outside"),
        ("a\\..\\b", "would lie outside"),
        (link("a"), "holds the link 'a'"),
    ],
)
def test_hostile_member_is_refused(tmp_path, member, message):
    path = write_zip(tmp_path / "x.zip", ("fine.png", b"fine"), (member, b"/etc"))
    with pytest.raises(DataError, match=message):
        Archive(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_member_twice_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds 'a' twice"):
        Archive(write_zip(tmp_path / "x.zip", ("a", b"1"), ("a", b"2")))


def test_encrypted_member_is_refused(tmp_path):
    content = bytearray(write_zip(tmp_path / "x.zip", ("a", b"1")).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(DataError, match="'a', which is encrypted"):
        Archive(tmp_path / "x.zip")


def test_absurd_expansion_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"\(\d+,\d+ bytes\) would expand to 16,777,216 bytes"):
        Archive(write_zip(tmp_path / "x.zip", ("bomb.png", bytes(2**24))))


def test_giant_member_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 99)
    with pytest.raises(DataError, match="'a' of 100 bytes, more than 99"):
        Archive(write_zip(tmp_path / "x.zip", ("a", os.urandom(100))))


def test_member_longer_than_declared_is_refused(tmp_path):
    content = bytearray(write_zip(tmp_path / "x.zip", ("a", os.urandom(100))).read_bytes())
    content[content.index(b"PK\x01\x02") + 24] = 50  # its size in the table of contents
    (tmp_path / "x.zip").write_bytes(content)
    with Archive(tmp_path / "x.zip") as archive, pytest.raises(DataError, match=r"a in .*x.zip is damaged"):
        archive.read("a")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"PK\x03\x04 and so on", "is not a zip archive, or it is damaged"),
        (b"PK\x05\x06" + bytes(18), "holds no files"),
    ],
)
def test_file_that_is_no_archive(tmp_path, content, message):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(DataError, match=message):
        Archive(tmp_path / "x.zip")


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="cannot be read: No such file"):
        Archive(tmp_path / "x.zip")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="holds no files"):
        Archive(tmp_path / "folder")


def test_link_in_a_folder_is_refused(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "link").symlink_to("/etc")
    with pytest.raises(DataError, match="link is a link"):
        Archive(tmp_path / "x")


@few
@given(data=st.data())
def test_damage_anywhere_is_one_sentence(tmp_path, data):
    """Cut or change a zip at random: what can still be read is right, all else is a `DataError`."""
    members = [("a/1.png", png(np.zeros((4, 4), np.uint8))), ("ä/2.png", b"x" * 50)]
    whole = write_zip(tmp_path / "x.zip", *members).read_bytes()
    broken = bytearray(whole[: data.draw(st.integers(0, len(whole)), label="length")])
    for position in data.draw(st.lists(st.integers(0, max(len(broken) - 1, 0)), max_size=3), label="positions"):
        if broken:
            broken[position] = data.draw(st.integers(0, 255), label="byte")
    (tmp_path / "x.zip").write_bytes(broken)
    try:
        with Archive(tmp_path / "x.zip") as archive:
            contents = [archive.read(name) for name in archive.names]
    except DataError as error:
        sentence(error)
    else:
        assert set(contents) <= {content for _, content in members} | {b""}


# --- decoding


@few
@given(arrays(np.uint8, (5, 7, 3)))
def test_decode_gives_the_pixels(pixels):
    assert (decode(png(pixels)) == pixels.transpose(2, 0, 1)).all()


def test_decode_grey_of_one_bit_is_antialiased():
    stripes = np.arange(56) % 2 > np.zeros((56, 1))
    grey = decode(png(stripes), size=28, channels=1)
    assert grey.shape == (1, 28, 28)
    assert 100 < grey.mean() < 155  # neither stripe was picked alone
    assert decode(png(stripes), channels=1).shape == (1, 56, 56)


def test_decode_what_is_no_image(monkeypatch):
    with pytest.raises(DataError, match="x is not an image that can be decoded"):
        decode(b"text", name="x")
    whole = png(np.zeros((50, 50), np.uint8))
    with pytest.raises(DataError, match="the image is not an image that can be decoded"):
        decode(whole[: len(whole) // 2])
    monkeypatch.setattr(archives, "PIXEL_LIMIT", 2499)
    with pytest.raises(DataError, match="50 x 50 pixels, too many"):
        decode(whole)


@few
@given(st.integers(0, 200), st.integers(0, 255))
def test_decode_damaged_image_is_one_sentence(position, byte):
    content = bytearray(png(np.arange(400, dtype=np.uint8).reshape(20, 20)))
    content[position % len(content)] = byte
    try:
        decode(bytes(content), size=8)
    except DataError as error:
        sentence(error)

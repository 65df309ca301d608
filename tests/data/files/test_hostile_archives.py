"""Archives that were made to do harm: names, links, members that are no files, and bombs."""

from __future__ import annotations

import gzip
import os
import stat
import struct
import tarfile
import zipfile

import pytest
from archive_kinds import (
    COMPRESS,
    TARS,
    entry,
    link,
    sentence,
    special,
    tar_bytes,
    write,
    write_tar,
    write_zip,
)

from workbench.data.files import archive as archives
from workbench.data.files.archive import Archive, scratch
from workbench.errors import DataError

# --- names, links and members that are no files


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/etc/passwd", "would lie outside"),
        ("a/../../b", "would lie outside"),
        ("C:/windows", "would lie outside"),
        ("a\\..\\b", "would lie outside"),
        ("..", "would lie outside"),
    ],
)
@pytest.mark.parametrize("kind", ["zip", *TARS])
def test_hostile_name_is_refused(tmp_path, kind, name, message):
    with pytest.raises(DataError, match=message) as caught:
        Archive(write(kind, tmp_path, ("fine.png", b"fine"), (name, b"/etc")))
    sentence(caught.value)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (link("a"), "holds the link 'a'"),
        (special("a", stat.S_IFIFO), "'a', neither a file nor a folder"),
        (special("a", stat.S_IFBLK), "'a', neither a file nor a folder"),
    ],
)
def test_special_member_of_a_zip_is_refused(tmp_path, member, message):
    with pytest.raises(DataError, match=message):
        Archive(write_zip(tmp_path / "x.zip", ("fine.png", b"fine"), (member, b"/etc")))


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (entry("a", tarfile.SYMTYPE, "/etc"), "holds the link 'a'"),
        (entry("a", tarfile.SYMTYPE, "fine.png"), "holds the link 'a'"),
        (entry("a", tarfile.LNKTYPE, "fine.png"), "holds the link 'a'"),
        (entry("a", tarfile.CHRTYPE), "'a', neither a file nor a folder"),
        (entry("a", tarfile.BLKTYPE), "'a', neither a file nor a folder"),
        (entry("a", tarfile.FIFOTYPE), "'a', neither a file nor a folder"),
        (entry("a", tarfile.GNUTYPE_SPARSE), "damaged|neither"),
        (entry("a", b"Z"), "damaged|neither a file nor a folder"),
    ],
)
@pytest.mark.parametrize("kind", TARS)
def test_special_member_of_a_tar_is_refused(tmp_path, kind, member, message):
    with pytest.raises(DataError, match=message):
        Archive(write_tar(tmp_path / f"x.{kind}", ("fine.png", b"fine"), (member, b"")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", *TARS])
@pytest.mark.parametrize("again", ["b/a", "./b/a", "b//a", "b/./a"])
def test_member_twice_is_refused(tmp_path, kind, again):
    with pytest.raises(DataError, match="holds 'b/a' twice"):
        Archive(write(kind, tmp_path, ("b/a", b"1"), (again, b"2")))


def test_encrypted_member_is_refused(tmp_path):
    content = bytearray(write_zip(tmp_path / "x.zip", ("a", b"1")).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(DataError, match="'a', which is encrypted"):
        Archive(tmp_path / "x.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip_methods_without_a_bound_are_refused(tmp_path, method):
    with pytest.raises(
        DataError, match=f"'a', compressed by method {method}, neither stored nor deflated"
    ):
        Archive(write_zip(tmp_path / "x.zip", ("a", bytes(9999)), method=method))


def test_name_that_is_no_text_is_refused(tmp_path):
    with pytest.raises(DataError, match="is not UTF-8; rename it"):
        Archive(write_tar(tmp_path / "x.tar", ("\udce4.png", b"1"), layout=tarfile.GNU_FORMAT))


# --- bombs


@pytest.mark.parametrize("kind", ["zip", *TARS[1:]])
def test_absurd_expansion_is_refused(tmp_path, kind):
    path = write(kind, tmp_path, ("bomb.png", bytes(2**24)))
    with pytest.raises(
        DataError, match=r"would expand to (16,777,216|more than [0-9,]+) bytes; it is refused"
    ):
        Archive(path)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_compressed_bomb_is_never_written_out(tmp_path, monkeypatch, kind):
    """What is written stays below the limit, whatever the archive would become."""
    written = []
    real = archives._copied

    def watched(source, sink, label, limit):
        try:
            return real(source, sink, label, limit)
        finally:
            written.append(limit)

    monkeypatch.setattr(archives, "_copied", watched)
    path = tmp_path / f"x.tar.{kind}"
    path.write_bytes(COMPRESS[kind](bytes(2**26)))
    with scratch(tmp_path / "scratch"):
        with pytest.raises(DataError, match="would expand to more than"):
            Archive(path)
        assert written == [max(200 * path.stat().st_size, 2**20)]
        assert sum(file.stat().st_size for file in (tmp_path / "scratch").iterdir()) <= written[0]


@pytest.mark.parametrize("outer", ["zip", "tar"])
def test_bombs_in_archives_share_the_outer_limit(tmp_path, outer):
    """Each layer expands by less than any would be refused for; all together do not."""
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


def test_members_that_share_their_bytes_are_refused(tmp_path):
    """The classic bomb without nesting: many entries of the table of contents name one member."""
    path = write_zip(tmp_path / "x.zip", ("0", bytes(2**20)))
    content = path.read_bytes()
    at = content.index(b"PK\x01\x02")
    (length,) = struct.unpack("<H", content[at + 28 : at + 30])
    one = bytearray(content[at : at + 46 + length])
    entries = [one[:46] + f"{i}".encode() for i in range(10)]
    table = b"".join(entries)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 10, 10, len(table), at, 0)
    path.write_bytes(content[:at] + table + end)
    with pytest.raises(DataError, match="would expand to 10,485,760 bytes"):
        Archive(path)


@pytest.mark.parametrize("declared", [0, 50])
def test_member_longer_than_declared_is_refused(tmp_path, declared):
    content = bytearray(write_zip(tmp_path / "x.zip", ("a", os.urandom(100))).read_bytes())
    content[content.index(b"PK\x01\x02") + 24] = declared  # its size in the table of contents
    (tmp_path / "x.zip").write_bytes(content)
    with Archive(tmp_path / "x.zip") as archive:
        with pytest.raises(DataError, match=r"a in .*x.zip is damaged"):
            archive.read("a")
        with pytest.raises(DataError, match=r"a in .*x.zip is damaged"):
            archive.test()


def test_undeclared_expansion_takes_no_memory(tmp_path):
    """A member that says 100 bytes and would become 300 MB is read for no more than it says."""
    import tracemalloc

    content = bytearray(write_zip(tmp_path / "x.zip", ("a", bytes(3 * 10**8))).read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = struct.pack("<I", 100)
    (tmp_path / "x.zip").write_bytes(content)
    with Archive(tmp_path / "x.zip") as archive:
        tracemalloc.start()
        with pytest.raises(DataError, match="is damaged"):
            archive.read("a")
        with pytest.raises(DataError, match="is damaged"), archive.open("a") as member:
            member.read()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 10**7


def test_more_than_is_read_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "READ_LIMIT", 99)
    with Archive(write_zip(tmp_path / "x.zip", ("a", os.urandom(100)))) as archive:
        with pytest.raises(DataError, match="has 100 bytes, more than 99 at once"):
            archive.read("a")
        with archive.open("a") as member:
            assert len(member.read()) == 100

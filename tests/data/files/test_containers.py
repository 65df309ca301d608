"""Zips, tars and folders: everything that they declare is checked."""

from __future__ import annotations

import os
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from archive_kinds import (
    TARS,
    entry,
    link,
    special,
    write,
    write_tar,
    write_zip,
)

from workbench.data.files.archive import Archive
from workbench.errors import DataError

# --- zips


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (link("a"), "contains the link 'a'"),
        (special("a", stat.S_IFIFO), "'a', neither a file nor a folder"),
        (special("a", stat.S_IFBLK), "'a', neither a file nor a folder"),
    ],
)
def test_special_member_of_a_zip_is_refused(tmp_path, member, message):
    with pytest.raises(DataError, match=message):
        Archive(write_zip(tmp_path / "x.zip", ("fine.png", b"fine"), (member, b"/etc")))


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
    """A member that declares 100 bytes and would expand to 300 MB is not expanded further."""
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


# --- tars


@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    "name", ["./a/./b.png", "long" * 20 + "/" + "name" * 20 + ".png", "ä ö/ü 1.png"]
)
def test_tars_of_every_format(tmp_path, layout, name):
    with Archive(write_tar(tmp_path / "x.tar", (name, b"content"), layout=layout)) as archive:
        assert archive.names == (name.replace("./", ""),)
        assert archive.read(archive.names[0]) == b"content"


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (entry("a", tarfile.SYMTYPE, "/etc"), "contains the link 'a'"),
        (entry("a", tarfile.SYMTYPE, "fine.png"), "contains the link 'a'"),
        (entry("a", tarfile.LNKTYPE, "fine.png"), "contains the link 'a'"),
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


# --- folders


def test_links_in_a_folder_are_followed(tmp_path):
    """Hubs and version control lay files out so."""
    store = write("folder", tmp_path, ("a.png", b"1"), ("deep/b.png", b"2")).rename(tmp_path / "s")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "one.png").symlink_to(store / "a.png")
    (tmp_path / "x" / "many").symlink_to(Path("..") / "s" / "deep")
    (tmp_path / "x" / "again").symlink_to(tmp_path / "x" / "many")
    with Archive(tmp_path / "x") as archive:
        assert archive.names == ("again/b.png", "many/b.png", "one.png")
        assert [archive.read(name) for name in archive.names] == [b"2", b"2", b"1"]


def test_links_to_a_folder_above_are_left_out(tmp_path):
    path = write("folder", tmp_path, ("a/b/one.png", b"1"))
    (path / "a" / "b" / "up").symlink_to(path)
    (path / "a" / "b" / "here").symlink_to(path / "a" / "b")
    with Archive(path) as archive:
        assert archive.names == ("a/b/one.png",)


def test_a_link_to_nothing_says_so(tmp_path):
    path = write("folder", tmp_path, ("a.png", b"1"))
    (path / "b.png").symlink_to("gone.png")
    with pytest.raises(
        DataError, match=r"link 'b.png', and gone.png, .* is not there; fetch that file or remove"
    ):
        Archive(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_in_a_folder_is_refused(tmp_path):
    (tmp_path / "x").mkdir()
    os.mkfifo(tmp_path / "x" / "pipe")
    with pytest.raises(DataError, match="'pipe', neither a file nor a folder"):
        Archive(tmp_path / "x")


def test_hidden_folders_are_ignored(tmp_path):
    path = write("folder", tmp_path, ("a.png", b"1"), (".git/config", b""))
    (path / ".git" / "link").symlink_to("/etc")
    with Archive(path) as archive:
        assert archive.names == ("a.png",)


@pytest.mark.parametrize("how", ["longer", "same size", "link"])
def test_folder_that_changes_while_it_is_read(tmp_path, how):
    path = write("folder", tmp_path, ("a.png", b"1"), ("b.png", b"2"))
    with Archive(path) as archive:
        if how == "link":
            (tmp_path / "secret").write_bytes(b"2")
            (path / "b.png").unlink()
            (path / "b.png").symlink_to(tmp_path / "secret")
        else:
            (path / "b.png").write_bytes(b"22" if how == "longer" else b"3")
            os.utime(path / "b.png", (1, 1))
        assert archive.read("a.png") == b"1"
        with pytest.raises(DataError, match=r"b\.png changed while it was read"):
            archive.read("b.png")


def test_file_removed_from_a_folder(tmp_path):
    path = write("folder", tmp_path, ("a.png", b"1"))
    with Archive(path) as archive:
        (path / "a.png").unlink()
        with pytest.raises(DataError, match=r"a\.png in .* is damaged: .*No such file"):
            archive.read("a.png")

"""Names that are refused, wherever they are."""

from __future__ import annotations

import tarfile

import pytest
from archive_kinds import (
    TARS,
    one_line,
    write,
    write_tar,
)

from workbench.data.files.archive import Archive
from workbench.errors import DataError


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/etc/passwd", "lies outside of it"),
        ("a/../../b", "lies outside of it"),
        ("C:/windows", "lies outside of it"),
        ("a\\..\\b", "lies outside of it"),
        ("..", "lies outside of it"),
        ("\\\\server\\a", "lies outside of it"),
        ("class\\a.png", "it has a backslash, which some programs for Windows write"),
    ],
)
@pytest.mark.parametrize("kind", ["zip", *TARS])
def test_hostile_name_is_refused(tmp_path, kind, name, message):
    with pytest.raises(DataError, match=message) as caught:
        Archive(write(kind, tmp_path, ("fine.png", b"fine"), (name, b"/etc")))
    one_line(caught.value)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_backslash_in_a_folder_is_renamed_not_unpacked(tmp_path):
    (tmp_path / "class\\a.png").write_bytes(b"1")
    with pytest.raises(DataError, match=r"it has a backslash; rename it\.$"):
        Archive(tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", *TARS])
@pytest.mark.parametrize("again", ["b/a", "./b/a", "b//a", "b/./a"])
def test_member_twice_is_refused(tmp_path, kind, again):
    with pytest.raises(DataError, match="contains 'b/a' twice"):
        Archive(write(kind, tmp_path, ("b/a", b"1"), (again, b"2")))


def test_a_name_that_is_not_utf_8_is_refused(tmp_path):
    with pytest.raises(DataError, match="is not UTF-8; rename it"):
        Archive(write_tar(tmp_path / "x.tar", ("\udce4.png", b"1"), layout=tarfile.GNU_FORMAT))

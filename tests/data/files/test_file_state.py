"""Files that change while they are read."""

from __future__ import annotations

import os

import pytest

from workbench.data.files.file_state import refuse_changes
from workbench.errors import DataError


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(b"content")
    return paths


def test_unchanged_files_are_accepted(files):
    with refuse_changes(*files):
        files[0].read_bytes()


def append(path):
    path.write_bytes(b"content and more")


def overwrite(path):
    path.write_bytes(b"CONTENT")
    os.utime(path, (1, 1))


def replace(path):
    status = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"CONTENT")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [append, overwrite, replace])
def test_a_changed_file_is_refused(files, change):
    message = r"b changed while it was read; wait until nothing writes to it and run the same"
    with pytest.raises(DataError, match=message), refuse_changes(*files):
        change(files[1])


def test_another_error_comes_first(files):
    def change_and_fail() -> None:
        with refuse_changes(*files):
            append(files[0])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()

"""Checksums of files and folders."""

from __future__ import annotations

import hashlib

import pytest
from archive_kinds import (
    write,
)

from workbench.data.files.checksum import checksum


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_checksum_of_a_file(tmp_path, algorithm):
    (tmp_path / "file").write_bytes(b"content")
    expected = hashlib.new(algorithm, b"content").hexdigest()
    assert checksum(tmp_path / "file", algorithm) == expected


def test_checksum_of_a_folder_is_of_names_and_contents(tmp_path):
    path = write("folder", tmp_path, ("a/1.PNG", b"one"), ("b", b"two"))
    before = checksum(path)
    assert before == checksum(path)
    (path / "a" / "1.PNG").write_bytes(b"other")
    assert checksum(path) != before

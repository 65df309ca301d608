"""Checksums of files."""

from __future__ import annotations

import hashlib

import pytest

from workbench.data.files.checksum import checksum


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_checksum_of_a_file(tmp_path, algorithm):
    (tmp_path / "file").write_bytes(b"content")
    expected = hashlib.new(algorithm, b"content").hexdigest()
    assert checksum(tmp_path / "file", algorithm) == expected

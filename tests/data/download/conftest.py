"""A publisher of one small archive."""

from __future__ import annotations

import pytest
from local_server import serve
from publisher import drawings, entry_for, write_zip


@pytest.fixture
def published(tmp_path):
    """The publisher's folder, with one archive."""
    folder = tmp_path / "published"
    folder.mkdir()
    write_zip(folder / "tiny.zip", drawings())
    return folder


@pytest.fixture
def entry(published):
    """The manifest entry of the archive, with an address that nobody has."""
    return entry_for(published / "tiny.zip")


@pytest.fixture
def server(published):
    """The publisher's server, which can misbehave."""
    with serve(published) as running:
        yield running


@pytest.fixture
def subset(tmp_path):
    """The archive without one of its characters."""
    folder = tmp_path / "subset"
    folder.mkdir()
    files = {}
    for name, content in drawings().items():
        if "Latin/character03" not in name:
            files[name] = content
    return write_zip(folder / "tiny.zip", files)

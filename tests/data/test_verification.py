"""Verification of what is in the cache."""

from __future__ import annotations

import pytest
from given_classes import Given, some
from publisher import drawings, entry_for, write_zip

from workbench.data import inventory
from workbench.data.download.fetch import fetch
from workbench.data.image_folder.register import add_folder
from workbench.data.prepared import prepare
from workbench.data.verification import verify
from workbench.errors import DataError


@pytest.fixture
def tiny(cache, tmp_path, monkeypatch):
    """A data set that is downloaded and prepared; returns the prepared folder."""
    (tmp_path / "published").mkdir()
    archive = write_zip(tmp_path / "published" / "tiny.zip", drawings())
    entry = entry_for(archive)
    monkeypatch.setattr(inventory, "_entries", lambda: {"tiny": entry})
    fetch(entry, archive)
    prepare("tiny", Given({"test": [some("a")]}), {})
    (folder,) = (cache / "prepared").glob("tiny-*")
    return folder


def flip(path):
    """Change the last byte of a file."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_each_unchanged_file_is_noted(tiny):
    notes = []
    verify("tiny", notes.append)
    assert notes == ["tiny.zip is unchanged", f"the prepared folder {tiny.name} is unchanged"]


def test_all_faults_are_named(cache, tiny):
    flip(cache / "downloads" / "tiny" / "tiny.zip")
    flip(tiny / "test.npy")
    notes = []
    with pytest.raises(DataError) as caught:
        verify("tiny", notes.append)
    assert notes == []
    file, folder = str(caught.value).split("; the ")
    assert file.startswith("tiny: tiny.zip is damaged (sha256 ")
    assert file.endswith("); run: mlw download tiny")
    fault = "is damaged; delete that folder and run: mlw download tiny"
    assert folder == f"prepared folder {tiny} {fault}"


def test_a_missing_file(cache, tiny):
    (cache / "downloads" / "tiny" / "tiny.zip").unlink()
    with pytest.raises(DataError, match=r"tiny.zip is missing; run: mlw download tiny$"):
        verify("tiny")


def test_a_prepared_folder_that_cannot_be_read(tiny):
    (tiny / "index.json").write_text('{"name": "tiny"}')
    with pytest.raises(DataError, match=f"the prepared folder {tiny} is damaged"):
        verify("tiny")


def test_a_data_set_that_is_not_in_the_cache(tiny):
    with pytest.raises(DataError, match="other is neither downloaded nor prepared; run: mlw"):
        verify("other")


def test_images_of_the_user(cache, tmp_path):
    from archive_kinds import png

    for number in range(4):
        path = tmp_path / "birds" / f"class {number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(some("a").images[0, 0] + number))
    add_folder("birds", tmp_path / "birds")
    notes = []
    verify("birds", notes.append)
    assert notes == [f"{tmp_path / 'birds'} is unchanged"]
    flip(path)
    with pytest.raises(DataError, match=rf"{tmp_path / 'birds'} differs from its record: "):
        verify("birds")

"""The manifest that is shipped, and what a wrong one is told."""

from __future__ import annotations

import pytest

from workbench.errors import DataError
from workbench.images import Dataset
from workbench.manifest import entry_of, find_entry, read_manifest


def test_shipped_manifest_is_complete():
    entry = find_entry("omniglot")
    assert [file.name for file in entry.files] == ["images_background.zip", "images_evaluation.zip"]
    assert sum(file.counts["images"] for file in entry.files) == 32_460
    for name in ("omniglot", "omniglot_small1", "omniglot_small2"):
        entry = find_entry(name)
        assert all([entry.licence, entry.citation, entry.homepage])
        for file in entry.files:
            assert file.size > 0
            assert (len(file.md5), len(file.sha256), len(file.counts)) == (32, 64, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sise = 3", "unknown key sise; there are: url, name, size"),
        ('size = "3"', "size must be of type int, not '3'"),
        ('name = "../x.zip"', "name must be a plain file name"),
        ('url = "ftp://x/y.zip"', "url must begin with https"),
        ('md5 = ""', "x.zip has neither md5 nor sha256"),
        ("counts = {images = 1.5}", "counts must be up to three whole numbers"),
    ],
)
def test_manifest_errors_name_entry_and_key(tmp_path, change, message):
    lines = {"url": 'url = "https://x/x.zip"', "name": 'name = "x.zip"', "md5": 'md5 = "00"'}
    lines[change.split()[0]] = change
    text = '[x]\nhomepage = ""\nlicence = ""\ncitation = ""\n[[x.file]]\n' + "\n".join(lines.values())
    (tmp_path / "datasets.toml").write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_manifest(tmp_path / "datasets.toml")
    assert "[x" in str(error.value)


def test_manifest_that_lacks_a_key_or_is_none(tmp_path):
    path = tmp_path / "datasets.toml"
    path.write_text("[x]\nlicence = ''\ncitation = ''\nfile = []")
    with pytest.raises(DataError, match="lacks the key homepage"):
        read_manifest(path)
    path.write_text("x = 1")
    with pytest.raises(DataError, match=r"\[x\] of .* must be a table"):
        read_manifest(path)
    path.write_text("[x")
    with pytest.raises(DataError, match="cannot be read"):
        read_manifest(path)


def test_no_entry():
    with pytest.raises(DataError, match=r"There is no entry \[nothing\] in .*datasets.toml"):
        find_entry("nothing")


def test_data_set_without_files_needs_no_download():
    class Drawn(Dataset):
        def classes(self, split, files):
            yield from ()

    with pytest.raises(DataError, match="needs no download"):
        entry_of(Drawn)

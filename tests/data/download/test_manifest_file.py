"""Reading a `datasets.toml`, and the errors in one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from workbench.data.download.entry import ManifestEntry
from workbench.data.download.manifest_file import read_manifest
from workbench.errors import DataError

MD5 = "0" * 32
SHA256 = "0" * 64


def read(tmp_path: Path, *lines: str, top: str = "") -> ManifestEntry:
    """Write a manifest with one file, from the lines of its table, and return the entry."""
    text = f'[x]\nhomepage = ""\nlicence = ""\ncitation = ""\n{top}\n[[x.file]]\n'
    (tmp_path / "datasets.toml").write_text(text + "\n".join(lines))
    return read_manifest(tmp_path / "datasets.toml")["x"]


def test_unknown_facts_may_be_absent(tmp_path):
    (file,) = read(tmp_path, 'url = "https://x/x.zip"', 'name = "x.zip"').files
    assert (file.urls, file.size, file.known, file.form) == (("https://x/x.zip",), 0, False, "")


def test_mirrors_come_after_the_url(tmp_path):
    lines = (
        'url = "https://x/1"',
        'mirrors = ["https://y/2", "http://z/3"]',
        'name = "x.zip"',
        f'md5 = "{MD5}"',
    )
    assert read(tmp_path, *lines).files[0].urls == ("https://x/1", "https://y/2", "http://z/3")


def test_each_of_several_names_is_a_file(tmp_path):
    entry = read(
        tmp_path,
        'url = "https://x/{name}?raw"',
        'names = ["The Eiffel Tower.npy", "b.npy"]',
        'form = "npy"',
    )
    assert [(file.name, file.urls, file.form) for file in entry.files] == [
        ("The Eiffel Tower.npy", ("https://x/The%20Eiffel%20Tower.npy?raw",), "npy"),
        ("b.npy", ("https://x/b.npy?raw",), "npy"),
    ]


def test_a_file_by_hand_has_no_url(tmp_path):
    entry = read(
        tmp_path,
        'name = "x.tar"',
        top='access = "by hand"\nsteps = "Ask. mlw download x --from FILE"',
    )
    assert (entry.access, entry.files[0].urls) == ("by hand", ())


def test_a_manifest_is_parsed_once_and_again_if_it_changes(tmp_path):
    first = read(tmp_path, 'url = "https://x/x.zip"', 'name = "x.zip"')
    path = tmp_path / "datasets.toml"
    assert read_manifest(path)["x"] is first
    read(tmp_path, 'url = "https://x/y.zip"', 'name = "y.zip"')
    os.utime(path, ns=(0, 0))  # as if both versions had been written at different times
    (file,) = read_manifest(path)["x"].files
    assert file.name == "y.zip"


# --- errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sise = 3", "unknown key sise; known keys: url, mirrors, name, names, size"),
        ('size = "3"', "size must be of type int, not '3'"),
        ("size = -1", r"size of x.zip must be a number of bytes, not -1"),
        ('name = "../x.zip"', "name must be a plain file name"),
        ('name = ".x"', "name must be a plain file name"),
        ('names = ["y.zip"]', "needs one of the keys name and names"),
        ('url = "ftp://x/y.zip"', "url must begin with https"),
        ('url = "file:///etc/passwd"', "url must begin with https"),
        ('url = "http://[::1/y.zip"', "url must begin with https"),
        ('url = "https://x:port/y.zip"', "url must begin with https"),
        ('url = "y.zip"', "url must begin with https"),
        ('url = "https:///y.zip"', "url must begin with https"),
        ('url = "http://x/y.zip"', "url 'http://x/y.zip' is http, which needs md5 or sha256"),
        ('mirrors = ["http://x/y.zip"]', "url 'http://x/y.zip' is http, which needs md5 or sha256"),
        ("mirrors = [3]", "mirrors must be a list of addresses"),
        ('md5 = "00"', r"md5 of x.zip must be 32 hexadecimal digits, not '00'"),
        (f'sha256 = "{SHA256[1:]}G"', r"sha256 of x.zip must be 64 hexadecimal digits"),
        ("counts = {images = 1.5}", "counts must be up to three whole numbers"),
        ("counts = {a = 1, b = 1, c = 1, d = 1}", "counts must be up to three whole numbers"),
        ('name = "x.pkl"\ncounts = {images = 1}', r"only an archive .* has counts, not x.pkl"),
        (
            'name = "x.zip"\n[[x.file]]\nname = "x.zip"\nurl = "https://x/x"',
            r"more than one file has the name 'x.zip'",
        ),
    ],
)
def test_errors_name_the_entry_and_the_key(tmp_path, change, message):
    lines = {"url": 'url = "https://x/x.zip"', "name": 'name = "x.zip"'}
    lines[change.split()[0]] = change
    with pytest.raises(DataError, match=message) as error:
        read(tmp_path, *lines.values())
    assert "[x" in str(error.value)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ['names = ["a", "b"]', 'url = "https://x/y"'],
            r"url must contain \{name\} because names lists 2 files",
        ),
        (
            ['names = ["a", "b"]', 'url = "https://x/{name}"', "size = 3"],
            "size describes one file; use it with name, not",
        ),
        (["names = []"], "names must be a list of file names"),
        (['names = ["a", 3]'], "names must be a list of file names"),
        (['url = "https://x/y"'], "needs one of the keys name and names"),
        (['name = "x.zip"'], r"x.zip has no url, so the entry needs the key steps"),
    ],
)
def test_names_and_addresses_must_fit(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, *lines)


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ('access = "maybe"', "access must be one of direct, hub, by hand, not 'maybe'"),
        ('access = "by hand"', "access is 'by hand', so the entry needs the key steps"),
        ('acces = "hub"', "unknown key acces; known keys: homepage, licence"),
    ],
)
def test_invalid_access(tmp_path, top, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, 'url = "https://x/x.zip"', 'name = "x.zip"', top=top)


def test_overlaps_must_be_true_or_false(tmp_path):
    with pytest.raises(DataError, match="each value of overlaps must be true or false, not 'yes'"):
        read(tmp_path, 'name = "f"', 'url = "https://x/f"', top='overlaps = { imagenet = "yes" }')
    with pytest.raises(DataError, match="overlaps must be of type dict"):
        read(tmp_path, 'name = "f"', 'url = "https://x/f"', top='overlaps = ["imagenet"]')


def test_invalid_files(tmp_path):
    path = tmp_path / "datasets.toml"
    path.write_text("[x]\nlicence = ''\ncitation = ''\nfile = []")
    with pytest.raises(DataError, match="lacks the key homepage"):
        read_manifest(path)
    path.write_text("[x]\nhomepage = ''\nlicence = ''\ncitation = ''\nfile = []")
    with pytest.raises(DataError, match=r"needs at least one \[\[x.file\]\]"):
        read_manifest(path)
    path.write_text("['a/b']\nhomepage = ''")
    with pytest.raises(DataError, match="a name consists of letters, digits, - and _"):
        read_manifest(path)
    path.write_text("x = 1")
    with pytest.raises(DataError, match=r"\[x\] of .* must be a table"):
        read_manifest(path)
    path.write_text("[x")
    with pytest.raises(DataError, match="cannot be read"):
        read_manifest(path)

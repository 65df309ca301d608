"""The manifest that is shipped, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import ROOT

from workbench.data.dataset import Dataset
from workbench.data.download.manifest import (
    MANIFEST,
    ManifestEntry,
    entry_of,
    find_entry,
    overlap,
    overlaps_of,
    read_manifest,
    suffix_of,
)
from workbench.errors import DataError

SHIPPED = read_manifest(ROOT / MANIFEST)
MD5, SHA256 = "0" * 32, "0" * 64


def read(tmp_path: Path, *lines: str, top: str = "") -> ManifestEntry:
    """The entry of a manifest with one file, from the lines of its table."""
    text = f'[x]\nhomepage = ""\nlicence = ""\ncitation = ""\n{top}\n[[x.file]]\n'
    (tmp_path / "datasets.toml").write_text(text + "\n".join(lines))
    return read_manifest(tmp_path / "datasets.toml")["x"]


def test_shipped_omniglot_is_complete():
    entry = find_entry("omniglot")
    assert [file.name for file in entry.files] == ["images_background.zip", "images_evaluation.zip"]
    assert sum(file.counts["images"] for file in entry.files) == 32_460
    for name in ("omniglot", "omniglot_small1", "omniglot_small2"):
        for file in find_entry(name).files:
            assert file.size > 0
            assert (len(file.md5), len(file.sha256), len(file.counts)) == (32, 64, 3)


@pytest.mark.parametrize("entry", SHIPPED.values(), ids=list(SHIPPED))
def test_every_shipped_entry_says_whose_it_is_and_how_it_is_had(entry):
    assert all([entry.licence, entry.citation, entry.homepage.startswith("http")])
    assert entry.steps or all(file.urls for file in entry.files)
    if entry.steps:
        assert f"mlw download {entry.name}" in entry.steps


def test_what_is_not_known_may_be_absent(tmp_path):
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


def test_names_stand_for_a_file_each(tmp_path):
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


def test_forms_share_what_has_no_form(tmp_path):
    lines = ['url = "https://x/1"', 'name = "a.tar"', 'form = "tar"']
    lines += ["[[x.file]]", 'url = "https://x/2"', 'name = "b.pkl"', 'form = "pickle"']
    lines += ["[[x.file]]", 'url = "https://x/3"', 'name = "labels.csv"']
    forms = read(tmp_path, *lines).forms
    assert {form: [file.name for file in files] for form, files in forms.items()} == {
        "tar": ["a.tar", "labels.csv"],
        "pickle": ["b.pkl", "labels.csv"],
    }


def test_a_file_by_hand_has_no_url(tmp_path):
    entry = read(
        tmp_path,
        'name = "x.tar"',
        top='access = "by hand"\nsteps = "Ask. mlw download x --from FILE"',
    )
    assert (entry.access, entry.files[0].urls) == ("by hand", ())


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.b.tar.gz", ".tar.gz"), ("a.TGZ", ".TGZ"), ("a.zip", ".zip"), ("a.pkl", ".pkl"), ("a", "")],
)
def test_suffixes(name, suffix):
    assert suffix_of(name) == suffix


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sise = 3", "unknown key sise; there are: url, mirrors, name, names, size"),
        ('size = "3"', "size must be of type int, not '3'"),
        ("size = -1", r"size of x.zip must be a number of bytes, not -1"),
        ('name = "../x.zip"', "name must be a plain file name"),
        ('name = ".x"', "name must be a plain file name"),
        ('names = ["y.zip"]', "must have one of the keys name and names"),
        ('url = "ftp://x/y.zip"', "url must begin with https"),
        ('url = "file:///etc/passwd"', "url must begin with https"),
        ('url = "https:///y.zip"', "url must begin with https"),
        ('url = "http://x/y.zip"', "url 'http://x/y.zip' is http, which needs md5 or sha256"),
        ('mirrors = ["http://x/y.zip"]', "url 'http://x/y.zip' is http, which needs md5 or sha256"),
        ("mirrors = [3]", "mirrors must be a list of addresses"),
        ('md5 = "00"', r"md5 of x.zip must be 32 hexadecimal digits, not '00'"),
        (f'sha256 = "{SHA256[1:]}G"', r"sha256 of x.zip must be 64 hexadecimal digits"),
        ("counts = {images = 1.5}", "counts must be up to three whole numbers"),
        ("counts = {a = 1, b = 1, c = 1, d = 1}", "counts must be up to three whole numbers"),
        ('name = "x.pkl"\ncounts = {images = 1}', r"counts are of an archive .*, not of x.pkl"),
        (
            'name = "x.zip"\n[[x.file]]\nname = "x.zip"\nurl = "https://x/x"',
            r"the name 'x.zip' is given to more than one",
        ),
    ],
)
def test_manifest_errors_name_entry_and_key(tmp_path, change, message):
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
            r"url must hold \{name\} where names has 2 names",
        ),
        (
            ['names = ["a", "b"]', 'url = "https://x/{name}"', "size = 3"],
            "size is of one file; give it with name, not",
        ),
        (["names = []"], "names must be a list of file names"),
        (['names = ["a", 3]'], "names must be a list of file names"),
        (['url = "https://x/y"'], "must have one of the keys name and names"),
        (['name = "x.zip"'], r"x.zip has no url, so the entry must have the key steps"),
    ],
)
def test_names_and_addresses_that_do_not_fit(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, *lines)


@pytest.mark.parametrize(
    ("top", "message"),
    [
        ('access = "maybe"', "access must be one of direct, hub, by hand, not 'maybe'"),
        ('access = "by hand"', "access is 'by hand', so it must have the key steps"),
        ('acces = "hub"', "unknown key acces; there are: homepage, licence"),
    ],
)
def test_access_that_cannot_be(tmp_path, top, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, 'url = "https://x/x.zip"', 'name = "x.zip"', top=top)


def test_manifest_that_lacks_a_key_or_is_none(tmp_path):
    path = tmp_path / "datasets.toml"
    path.write_text("[x]\nlicence = ''\ncitation = ''\nfile = []")
    with pytest.raises(DataError, match="lacks the key homepage"):
        read_manifest(path)
    path.write_text("[x]\nhomepage = ''\nlicence = ''\ncitation = ''\nfile = []")
    with pytest.raises(DataError, match=r"file must be at least one \[\[x.file\]\]"):
        read_manifest(path)
    path.write_text("['a/b']\nhomepage = ''")
    with pytest.raises(DataError, match="a name is made of letters, digits, - and _"):
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


# --- what a data set shares with data that weights come from


@pytest.mark.parametrize("entry", SHIPPED.values(), ids=list(SHIPPED))
def test_every_shipped_entry_says_whether_it_overlaps_imagenet(entry):
    assert "imagenet" in entry.overlaps
    assert set(entry.overlaps) <= {"imagenet", *SHIPPED}
    # what is said of two sets is said of both
    assert all(SHIPPED[other].overlaps[entry.name] for other in entry.overlaps if other in SHIPPED)


def test_what_descends_from_imagenet_overlaps_it():
    sure = {"miniimagenet", "tieredimagenet", "ilsvrc_2012", "cub"}
    assert sure <= {name for name, entry in SHIPPED.items() if entry.overlaps["imagenet"]}
    assert not any(
        SHIPPED[name].overlaps["imagenet"] for name in ("omniglot", "eurosat", "isic", "chestx")
    )


@pytest.mark.parametrize(
    ("pretrained_on", "answer"),
    [
        ((), "no"),
        (("imagenet",), "yes"),
        (("x",), "yes"),
        (("places",), "no"),
        (("unknown",), "unknown"),
        (("instagram", "imagenet"), "yes"),
        (("imagenet", "instagram"), "yes"),
        (("instagram", "places"), "unknown"),
    ],
)
def test_whether_weights_saw_a_data_set(tmp_path, pretrained_on, answer):
    entry = read(
        tmp_path,
        'name = "f"',
        'url = "https://x/f"',
        top="overlaps = { imagenet = true, places = false }",
    )
    assert overlap({**entry.overlaps, entry.name: True}, pretrained_on) == answer


def test_overlaps_of_data_sets():
    class Made(Dataset):
        def classes(self, split, files):
            yield from ()

    class Birds(Made):
        manifest = "cub"

    assert overlaps_of(Birds) == overlaps_of(Birds()) == {"imagenet": True, "cub": True}
    assert overlaps_of(Made) == {}  # nobody says
    assert overlap(overlaps_of(Made), "imagenet") == "unknown"


def test_overlaps_that_say_neither_true_nor_false(tmp_path):
    with pytest.raises(DataError, match="overlaps says true or false of each name, not 'yes'"):
        read(tmp_path, 'name = "f"', 'url = "https://x/f"', top='overlaps = { imagenet = "yes" }')
    with pytest.raises(DataError, match="overlaps must be of type dict"):
        read(tmp_path, 'name = "f"', 'url = "https://x/f"', top='overlaps = ["imagenet"]')

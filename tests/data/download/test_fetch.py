"""Fetching verified files: over the wire, from mirrors, in forms, by hand, and with checksums that are learnt."""

# ruff: noqa: F401, F811 - fixtures are imported, and asked for by name

from __future__ import annotations

import io
import sys
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from local_server import LocalServer, serve
from places import SHARED
from publisher import (
    COUNTS,
    cache,
    changed,
    drawings,
    entry,
    entry_for,
    left_behind,
    published,
    server,
    unknown,
    write_zip,
)

from workbench.data.dataset import Dataset
from workbench.data.download import transfer as fetching
from workbench.data.download.fetch import fetch
from workbench.data.download.manifest import ManifestEntry, entry_of, find_entry
from workbench.data.download.provenance import BY_COUNT, downloaded
from workbench.data.download.transfer import progress_bar
from workbench.data.opening import open_dataset
from workbench.errors import ChecksumError, DataError

real = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real archives are not in {SHARED}")


def test_url_checksum_verified_and_recorded(cache, entry, server):
    seen = []
    fetched = fetch(entry, server.url, progress=lambda *now: seen.append(now))
    (file,) = fetched.files
    size = entry.files[0].size
    assert (file.verified, file.new, file.size, file.counts) == ("checksum", True, size, COUNTS)
    assert file.origin == server.url + "tiny.zip"
    assert seen[-1] == ("tiny.zip", size, size)
    assert left_behind(cache) == ["provenance.toml", "tiny.zip"]
    record = tomllib.loads((fetched.folder / "provenance.toml").read_text())["tiny.zip"]
    assert record == {
        "origin": server.url + "tiny.zip",
        "verified": "checksum",
        "size": size,
        "sha256": entry.files[0].sha256,
        "counts": COUNTS,
        "part": "",
    }


def test_report_says_what_a_user_wants_to_know(cache, entry, server):
    text = str(fetch(entry, server.url))
    for part in (
        "checksum verified",
        "12 images, 6 characters, 2 alphabets",
        "CC0",
        "Nobody, 2020",
        str(cache),
    ):
        assert part in text


def test_second_call_transfers_nothing(cache, entry, server):
    fetch(entry, server.url)
    again = fetch(entry, server.url)
    assert len(server.requests) == 1
    assert not again.files[0].new


def test_damaged_since_is_fetched_again(cache, entry, server):
    path = fetch(entry, server.url).files[0].path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"has .* bytes, not .*; type: mlw download tiny"):
        downloaded(entry)
    assert fetch(entry, server.url).files[0].new
    assert downloaded(entry)[0].path == path


def test_manifest_url_is_the_default(cache, entry, server):
    entry = changed(entry, urls=(server.url + "tiny.zip",))
    assert fetch(entry).files[0].origin == server.url + "tiny.zip"


def test_url_of_the_file_itself(cache, entry, server):
    assert fetch(entry, server.url + "tiny.zip").files[0].origin == server.url + "tiny.zip"


def test_proxy_is_not_asked_for_this_machine(cache, entry, server, monkeypatch):
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    fetch(entry, server.url)


# --- mirrors


def test_mirrors_are_tried_in_order_and_each_failure_is_told(cache, entry, server):
    dead = ("http://127.0.0.1:9/tiny.zip", server.url + "nowhere/tiny.zip")
    notes = []
    (file,) = fetch(changed(entry, urls=(*dead, server.url + "tiny.zip")), note=notes.append).files
    assert (file.origin, file.verified) == (server.url + "tiny.zip", "checksum")
    assert len(notes) == 2
    assert "127.0.0.1:9/tiny.zip cannot be reached" in notes[0]
    assert "404 Not Found" in notes[1]
    assert notes[1].endswith(f"Trying {server.url}tiny.zip ...")


def test_a_wrong_file_at_the_first_address_is_not_kept_and_the_second_is_tried(
    cache, entry, published, server
):
    (published / "old").mkdir()
    write_zip(published / "old" / "tiny.zip", drawings(seed=1))
    notes = []
    urls = (server.url + "old/tiny.zip", server.url + "tiny.zip")
    (file,) = fetch(changed(entry, urls=urls), note=notes.append).files
    assert file.verified == "checksum"
    assert "is not the published tiny.zip" in notes[0]


def test_when_no_address_answers_the_last_failure_is_the_error_and_all_are_named(
    cache, entry, server
):
    urls = ("http://localhost:9/tiny.zip", server.url + "nowhere/tiny.zip")
    with pytest.raises(
        DataError,
        match=r"None of the 2 addresses of tiny.zip gave it \(localhost, 127.0.0.1\); of the last: .*404",
    ):
        fetch(changed(entry, urls=urls))
    assert left_behind(cache) == []


def test_a_hub_that_refuses_ends_with_the_steps(cache, entry, server):
    entry = replace(
        changed(entry, urls=(server.url + "tiny.zip",)),
        access="hub",
        steps="Log in at the hub, then type: mlw download tiny --from FILE",
    )
    server.html = True
    with pytest.raises(
        DataError, match=r"gave an HTML page instead of tiny.zip; .* Log in .* tiny --from"
    ):
        fetch(entry)
    server.html, server.refuse = False, 429
    with pytest.raises(DataError, match=r"429 Too Many Requests; .* Log in at the hub"):
        fetch(entry)


# --- by hand, and forms


def test_by_hand_prints_the_steps(cache, entry, published):
    entry = replace(
        changed(entry, urls=()),
        access="by hand",
        steps="Ask for it. Then: mlw download tiny --from FILE",
    )
    with pytest.raises(
        DataError,
        match=r"^tiny.zip of tiny can only be had by hand. Ask for it. Then: mlw download",
    ):
        fetch(entry)
    assert left_behind(cache) == []
    assert fetch(entry, published / "tiny.zip").files[0].verified == "checksum"
    assert not fetch(entry).files[0].new  # it is here: there is nothing to do by hand


def test_what_is_not_by_hand_is_fetched_beside_it(cache, published, server):
    write_zip(published / "more.zip", drawings(seed=1))
    entry = entry_for(published / "tiny.zip", published / "more.zip")
    by_hand, other = entry.files
    files = (replace(by_hand, urls=()), replace(other, urls=(server.url + "more.zip",)))
    fetched = fetch(
        replace(entry, files=files, access="by hand", steps="Ask."), published / "tiny.zip"
    )
    assert [file.origin for file in fetched.files] == [
        str(published / "tiny.zip"),
        server.url + "more.zip",
    ]


@pytest.fixture
def two_forms(published, server):
    """A set that may be had as one archive, or as two."""
    for seed, name in enumerate(("a.zip", "b.zip"), 1):
        write_zip(published / name, drawings(seed))
    one, *two = entry_for(published / "tiny.zip", published / "a.zip", published / "b.zip").files
    files = [replace(one, form="whole"), *(replace(file, form="halves") for file in two)]
    return ManifestEntry(
        "tiny", "", "", "", tuple(replace(file, urls=(server.url + file.name,)) for file in files)
    )


def test_the_first_form_that_can_be_had_is_fetched(cache, two_forms, published, server):
    assert [file.path.name for file in fetch(two_forms).files] == ["tiny.zip"]
    (published / "tiny.zip").unlink()
    assert [file.path.name for file in fetch(two_forms).files] == [
        "tiny.zip"
    ]  # kept, though it is gone there
    assert len(server.requests) == 1


def test_another_form_where_the_first_fails(cache, two_forms, published):
    (published / "tiny.zip").unlink()
    notes = []
    assert [file.path.name for file in fetch(two_forms, note=notes.append).files] == [
        "a.zip",
        "b.zip",
    ]
    assert "404" in notes[0]
    assert [file.path.name for file in downloaded(two_forms)] == ["a.zip", "b.zip"]


def test_from_takes_the_form_that_is_there(cache, two_forms, published, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("a.zip", "b.zip"):
        (published / name).rename(folder / name)
    assert [file.path.name for file in fetch(two_forms, folder).files] == ["a.zip", "b.zip"]


def test_one_file_of_another_name_is_taken_for_the_form_of_one_file(
    cache, two_forms, published, tmp_path
):
    (published / "tiny.zip").rename(tmp_path / "as-saved.zip")
    assert [file.path.name for file in fetch(two_forms, tmp_path / "as-saved.zip").files] == [
        "tiny.zip"
    ]


def test_a_second_form_is_not_put_beside_the_first(cache, two_forms, published):
    fetch(two_forms, published / "tiny.zip")
    (published / "tiny.zip").unlink()
    with pytest.raises(
        DataError, match=r"tiny is here as tiny.zip; to take a.zip, b.zip .* tiny --remove"
    ):
        fetch(two_forms, published)


# --- checksums that are learnt


def test_a_missing_checksum_is_learnt_and_said_so(cache, entry, server):
    bare = unknown(entry, server.url)
    (file,) = (fetched := fetch(bare)).files
    assert (file.verified, file.first) == ("learnt", True)
    assert (
        f"checksum learnt now: sha256 {entry.files[0].sha256[:12]}..., compared from now on"
        in str(fetched)
    )
    learnt = tomllib.loads((cache / "downloads" / "learnt.toml").read_text())["tiny"]["tiny.zip"]
    assert learnt == {
        "sha256": entry.files[0].sha256,
        "size": entry.files[0].size,
        "origin": server.url + "tiny.zip",
        "on": date.today(),
    }
    assert "learnt now" not in str(fetch(bare))


def test_a_learnt_checksum_that_then_differs_is_refused_and_both_are_named(
    cache, entry, published, server
):
    bare = unknown(entry, server.url)
    path = fetch(bare).files[0].path
    path.unlink()
    server.flip = 1000
    with pytest.raises(
        ChecksumError,
        match=rf"not the tiny.zip that was learnt .*: sha256 \w+... instead of {entry.files[0].sha256[:12]}...",
    ) as error:
        fetch(bare)
    assert str(cache / "downloads" / "learnt.toml") in str(error.value)
    assert "tiny.zip" not in left_behind(cache)
    server.flip = -1
    (file,) = fetch(bare).files
    assert (file.verified, file.first) == ("learnt", False)


def test_a_learnt_checksum_judges_local_files_too(cache, entry, published, server, tmp_path):
    bare = unknown(entry, server.url)
    fetch(bare).files[0].path.unlink()
    write_zip(tmp_path / "tiny.zip", drawings(seed=1))
    with pytest.raises(ChecksumError, match=r"is not the learnt tiny.zip"):
        fetch(bare, tmp_path)
    assert fetch(bare, published).files[0].verified == "learnt"


def test_nothing_is_learnt_from_a_local_file(cache, entry, published, server):
    bare = unknown(entry, server.url)
    (file,) = (fetched := fetch(bare, published)).files
    assert file.verified == "given"
    assert "no checksum is published; taken as it was given" in str(fetched)
    assert "learnt.toml" not in left_behind(cache)


def test_a_damaged_archive_is_not_learnt(cache, entry, published, server):
    content = (published / "tiny.zip").read_bytes()
    server.flip = content.index(b"IDAT") + 8
    with pytest.raises(DataError, match=r"127.0.0.1:\d+/tiny.zip is damaged"):
        fetch(unknown(entry, server.url))
    assert left_behind(cache) == []


def test_a_page_is_not_learnt(cache, entry, server):
    server.html = True
    with pytest.raises(DataError, match=r"gave an HTML page instead of tiny.zip"):
        fetch(unknown(entry, server.url))
    assert left_behind(cache) == []


def test_published_counts_judge_what_is_learnt(cache, entry, published, server):
    bare = changed(unknown(entry, server.url), counts=COUNTS | {"images": 13})
    with pytest.raises(DataError, match=r"holds 12 images, 6 .*; tiny.zip holds 13 images"):
        fetch(bare)
    assert left_behind(cache) == []


def test_length_unknown_and_no_checksum_cannot_be_told_from_a_cut(cache, entry, server):
    server.length = False
    with pytest.raises(
        DataError, match=r"does not say how long tiny.zip is, and no checksum is known"
    ):
        fetch(unknown(entry, server.url))
    assert left_behind(cache) == []


@pytest.mark.parametrize(
    ("tag", "ranges"), [('"one"', 1), ("", 0)], ids=["same version", "no version"]
)
def test_a_cut_transfer_goes_on_only_if_the_file_is_the_same(
    cache, entry, server, monkeypatch, tag, ranges
):
    monkeypatch.setattr(fetching, "CHUNK", 100)
    server.tag, server.cut = tag, 1700
    bare = unknown(entry, server.url)
    with pytest.raises(DataError, match="stopped at 1,700"):
        fetch(bare)
    server.cut = 0
    assert fetch(bare).files[0].sha256 == entry.files[0].sha256
    assert [asked for _, asked in server.requests] == ["", "bytes=1700-" if ranges else ""]
    assert left_behind(cache) == ["learnt.toml", "provenance.toml", "tiny.zip"]


def test_a_file_that_was_replaced_meanwhile_is_not_mixed(
    cache, entry, published, server, monkeypatch
):
    monkeypatch.setattr(fetching, "CHUNK", 100)
    server.tag, server.cut = '"one"', 1700
    bare = unknown(entry, server.url)
    with pytest.raises(DataError, match="stopped at 1,700"):
        fetch(bare)
    write_zip(published / "tiny.zip", drawings(seed=1))
    server.tag, server.cut = '"two"', 0
    (file,) = fetch(bare).files
    assert file.path.read_bytes() == (published / "tiny.zip").read_bytes()


def test_a_damaged_list_of_learnt_checksums_is_not_taken_for_an_empty_one(cache, entry, server):
    fetch(unknown(entry, server.url))
    (cache / "downloads" / "learnt.toml").write_text("[tiny]\n'tiny.zip' = 3\n")
    fetch(entry, server.url)  # its checksum is published
    (cache / "downloads" / "tiny" / "tiny.zip").unlink()
    with pytest.raises(
        DataError, match=r"learnt.toml, which holds the checksums learnt so far, cannot be read"
    ):
        fetch(unknown(entry, server.url))


# --- a plugin's own manifest, and the bar


PLUGIN = """
from workbench.data.files.archive import Archive
from workbench.data.prepared import Dataset, ImageClass
import numpy as np

class Tiny(Dataset):
    manifest = "tiny"
    def __init__(self, *, size: int = 8):
        self.size = size
    def classes(self, split, files):
        with Archive(files["tiny.zip"]) as archive:
            names = [name for name in archive.images() if split == "train"]
            if names:
                yield ImageClass("all", np.stack([archive.image(name, size=self.size, channels=1) for name in names]))
"""


def test_plugin_with_a_manifest_of_its_own(cache, entry, published, server, tmp_path, monkeypatch):
    package = tmp_path / "site" / "tiny_plugin_of_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PLUGIN)
    file = entry.files[0]
    (package / "datasets.toml").write_text(
        f"""[tiny]\nhomepage = ""\nlicence = "CC0"\ncitation = "Nobody"
[[tiny.file]]\nurl = "{server.url}tiny.zip"\nname = "tiny.zip"\nsize = {file.size}\nmd5 = "{file.md5}"
counts = {{ images = 12 }}"""
    )
    monkeypatch.syspath_prepend(str(package.parent))
    from tiny_plugin_of_test import Tiny

    dataset: Dataset = Tiny(size=10)
    with pytest.raises(DataError, match=r"^mine is not downloaded; type: mlw download mine$"):
        open_dataset("mine", dataset)
    fetched = fetch(entry_of(Tiny))
    assert fetched.counts == {"images": 12}
    tables = open_dataset("mine", dataset)
    assert list(tables) == ["train"]
    assert tables["train"].images.shape == (12, 1, 10, 10)


def test_no_bar_where_nobody_looks(capsys):
    with progress_bar() as progress:
        assert progress is None
    assert capsys.readouterr() == ("", "")


def test_bar_on_a_terminal(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_bar() as progress:
        assert progress is not None
        progress("tiny.zip", 5, 10)
        progress("tiny.zip", 10, 10)
    assert "tiny.zip" in stream.getvalue()


# --- the official bytes


@pytest.fixture
def shared_server():
    with serve(SHARED) as running:
        yield running


@real
def test_official_archive_over_the_wire(cache, shared_server: LocalServer):
    entry = find_entry("omniglot_small1")
    half = 20 * fetching.CHUNK  # of 1,319,022 bytes
    shared_server.cut = half
    with pytest.raises(DataError, match=f"stopped at {half:,} of 1,319,022 bytes"):
        fetch(entry, shared_server.url)
    shared_server.cut, shared_server.flip = 0, half + 1000
    with pytest.raises(ChecksumError, match="nothing was kept"):
        fetch(entry, shared_server.url)
    assert left_behind(cache) == []
    shared_server.flip = -1
    fetched = fetch(entry, shared_server.url)
    assert fetched.files[0].verified == "checksum"
    assert fetched.counts == {"images": 2720, "characters": 136, "alphabets": 5}


@real
def test_second_small_set_is_the_published_one(cache):
    (file,) = fetch(find_entry("omniglot_small2"), SHARED).files
    assert file.verified == "checksum"
    assert file.counts == {"images": 3120, "characters": 156, "alphabets": 5}


@real
def test_all_of_omniglot_from_a_folder(cache):
    fetched = fetch(find_entry("omniglot"), SHARED)
    assert fetched.counts == {"images": 32_460, "characters": 1_623, "alphabets": 50}
    assert BY_COUNT in str(fetched)

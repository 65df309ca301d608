"""Fetching and verifying files: over the wire, from folders and archives, and everything that can go wrong."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from local_server import LocalServer, serve
from PIL import Image

from workbench import fetching
from workbench.download import BY_COUNT, downloaded, fetch, open_dataset
from workbench.errors import ChecksumError, DataError, UsageError
from workbench.fetching import progress_bar
from workbench.images import Dataset
from workbench.manifest import Entry, RemoteFile, entry_of, find_entry

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
real = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real archives are not in {SHARED}")
COUNTS = {"images": 12, "characters": 6, "alphabets": 2}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def drawings(seed: int = 0) -> dict[str, bytes]:
    """Two alphabets of three characters of two one-bit drawings, by path in Lake's layout."""
    random = np.random.default_rng(seed)
    files = {}
    for alphabet in ("Greek", "Latin"):
        for number in range(1, 4):
            for drawer in (1, 2):
                stream = io.BytesIO()
                Image.fromarray(random.random((20, 20)) > 0.1).save(stream, "PNG")
                files[f"{alphabet}/character{number:02d}/{number:04d}_{drawer:02d}.png"] = stream.getvalue()
    return files


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{path.stem}/{name}", content)
    return path


@pytest.fixture
def published(tmp_path):
    """A folder that serves as the publisher's, with one archive."""
    folder = tmp_path / "published"
    folder.mkdir()
    write_zip(folder / "tiny.zip", drawings())
    return folder


@pytest.fixture
def entry(published):
    return entry_for(published / "tiny.zip")


def entry_for(*paths: Path) -> Entry:
    files = []
    for path in paths:
        content = path.read_bytes()
        sums = {"sha256": hashlib.sha256(content).hexdigest(), "md5": hashlib.md5(content).hexdigest()}
        url = f"https://example.invalid/{path.name}"
        files.append(RemoteFile(url, path.name, len(content), counts=dict(COUNTS), **sums))
    return Entry("tiny", "https://example.invalid", "CC0", "Nobody, 2020", tuple(files))


@pytest.fixture
def server(published):
    with serve(published) as running:
        yield running


def left_behind(cache: Path) -> list[str]:
    """Everything under the cache but locks and folders."""
    return sorted(p.name for p in cache.rglob("*") if p.is_file() and p.suffix != ".lock")


# --- over the wire


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
    }


def test_report_says_what_a_user_wants_to_know(cache, entry, server):
    text = str(fetch(entry, server.url))
    for part in ("checksum verified", "12 images, 6 characters, 2 alphabets", "CC0", "Nobody, 2020", str(cache)):
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


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_transfer_cut_half_way_ends_right_next_time(cache, entry, server, monkeypatch, ranges, length):
    monkeypatch.setattr(fetching, "CHUNK", 100)
    size = entry.files[0].size
    half = 1700  # a multiple of what is read at a time, so that no byte is lost
    server.ranges, server.length, server.cut = ranges, length, half
    with pytest.raises(DataError, match=f"stopped at 1,700 of {size:,} bytes; type the same command again"):
        fetch(entry, server.url)
    with pytest.raises(DataError, match="is not downloaded; type: mlw download tiny"):
        downloaded(entry)
    server.cut = 0
    fetched = fetch(entry, server.url)
    assert fetched.files[0].verified == "checksum"
    assert left_behind(cache) == ["provenance.toml", "tiny.zip"]
    assert server.requests == [("/tiny.zip", ""), ("/tiny.zip", f"bytes={half}-")]


@pytest.mark.parametrize("remains", [b"something else", b"x" * 10**6])
@pytest.mark.parametrize("ranges", [True, False])
def test_remains_of_another_file_are_replaced(cache, entry, server, ranges, remains):
    server.ranges = ranges
    folder = cache / "downloads" / "tiny"
    folder.mkdir(parents=True)
    (folder / "tiny.zip.part").write_bytes(remains)
    assert fetch(entry, server.url).files[0].verified == "checksum"


def test_complete_but_unverified_remains_need_no_second_transfer(cache, entry, published, server):
    folder = cache / "downloads" / "tiny"
    folder.mkdir(parents=True)
    (folder / "tiny.zip.part").write_bytes((published / "tiny.zip").read_bytes())
    assert fetch(entry, server.url).files[0].verified == "checksum"
    assert server.requests == [("/tiny.zip", f"bytes={entry.files[0].size}-")]


def test_one_byte_changed_is_refused(cache, entry, server):
    server.flip = 1000
    with pytest.raises(
        ChecksumError, match=r"is not the published tiny.zip: sha256 .* instead of .*; nothing was kept"
    ):
        fetch(entry, server.url)
    assert left_behind(cache) == []
    assert not (cache / "downloads" / "tiny").exists()


def test_md5_alone_is_enough_to_refuse(cache, entry, server):
    entry = replace(entry, files=(replace(entry.files[0], sha256=""),))
    server.flip = 1000
    with pytest.raises(ChecksumError, match="md5"):
        fetch(entry, server.url)
    server.flip = -1
    assert fetch(entry, server.url).files[0].verified == "checksum"


def test_longer_file_is_refused_without_reading_on(cache, entry, published, server):
    with (published / "tiny.zip").open("ab") as file:
        file.write(bytes(10**6))
    with pytest.raises(ChecksumError, match="more than"):
        fetch(entry, server.url)
    assert left_behind(cache) == []


def test_html_page_is_named(cache, entry, server):
    server.html = True
    with pytest.raises(DataError, match=r"gave an HTML page instead of tiny.zip"):
        fetch(entry, server.url)
    assert left_behind(cache) == []


def test_absent_on_server(cache, entry, server):
    with pytest.raises(DataError, match="404 Not Found; use --from"):
        fetch(entry, server.url + "nowhere/")
    assert left_behind(cache) == []


def test_nobody_answers(cache, entry):
    with pytest.raises(DataError, match=r"http://127.0.0.1:9/tiny.zip cannot be reached"):
        fetch(entry, "http://127.0.0.1:9")
    assert left_behind(cache) == []


def test_manifest_url_is_the_default(cache, entry, server):
    entry = replace(entry, files=(replace(entry.files[0], url=server.url + "tiny.zip"),))
    assert fetch(entry).files[0].origin == server.url + "tiny.zip"


def test_url_of_the_file_itself(cache, entry, server):
    assert fetch(entry, server.url + "tiny.zip").files[0].origin == server.url + "tiny.zip"


def test_proxy_is_not_asked_for_this_machine(cache, entry, server, monkeypatch):
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    fetch(entry, server.url)


@pytest.mark.parametrize("source", ["http://example.invalid/", "ftp://127.0.0.1/", "file:///tmp", "no/such/folder"])
def test_source_that_cannot_be_meant(cache, entry, source):
    with pytest.raises(UsageError, match=r"must begin with https://|does not exist"):
        fetch(entry, source)


# --- from folders and archives


def test_folder_with_published_archive(cache, entry, published):
    (file,) = fetch(entry, published).files
    assert (file.verified, file.origin) == ("checksum", str(published / "tiny.zip"))


def test_archive_of_another_name(cache, entry, published):
    (published / "tiny.zip").rename(published / "renamed.zip")
    assert fetch(entry, published / "renamed.zip").files[0].path.name == "tiny.zip"


def test_archive_packed_anew_is_counted(cache, entry, tmp_path):
    write_zip(tmp_path / "tiny.zip", dict(reversed(drawings().items())))
    fetched = fetch(entry, tmp_path)
    assert fetched.files[0].verified == "count"
    assert fetched.counts == COUNTS
    assert BY_COUNT in str(fetched)
    assert downloaded(entry)[0].sha256 == hashlib.sha256((tmp_path / "tiny.zip").read_bytes()).hexdigest()


@pytest.mark.parametrize("inside", [True, False], ids=["its parent", "itself"])
def test_unpacked_folder_is_packed_the_same_each_time(cache, entry, tmp_path, inside):
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(write_zip(tmp_path / "tiny.zip", drawings())) as archive:
        archive.extractall(folder)
    sums = {fetch(entry, folder if inside else folder / "tiny").files[0].sha256 for _ in range(2)}
    assert len(sums) == 1
    assert downloaded(entry)[0].verified == "count"


def test_too_few_images_are_refused(cache, entry, tmp_path):
    files = drawings()
    del files["Latin/character03/0003_02.png"]
    write_zip(tmp_path / "tiny.zip", files)
    with pytest.raises(DataError, match=r"holds 11 images, 6 characters, 2 alphabets; tiny.zip holds 12 images"):
        fetch(entry, tmp_path)
    assert left_behind(cache) == []


def test_local_archive_with_a_damaged_image_is_refused(cache, entry, published):
    content = bytearray((published / "tiny.zip").read_bytes())
    content[content.index(b"IDAT") + 8] ^= 1
    (published / "tiny.zip").write_bytes(content)
    with pytest.raises(DataError, match=rf"in {published}/tiny.zip is damaged: Bad CRC-32"):
        fetch(entry, published)
    assert left_behind(cache) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", r"is empty \(0 bytes\)"), (b"PK junk", "not a zip archive"), (b"<html>no</html>", "is an HTML page")],
)
def test_local_file_that_is_no_archive(cache, entry, tmp_path, content, message):
    (tmp_path / "tiny.zip").write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        fetch(entry, tmp_path)
    assert str(tmp_path / "tiny.zip") in str(error.value)  # the user's file, not its copy in the cache
    assert left_behind(cache) == []


def test_local_file_without_counts_must_be_the_published_one(cache, entry, tmp_path):
    write_zip(tmp_path / "tiny.zip", drawings(seed=1))
    with pytest.raises(ChecksumError, match=r"is not the published tiny.zip"):
        fetch(replace(entry, files=(replace(entry.files[0], counts={}),)), tmp_path)


def test_folder_without_the_files(cache, entry, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds neither tiny.zip nor a folder tiny; tiny consists of tiny.zip"):
        fetch(entry, tmp_path / "empty")


def test_two_archives_one_after_the_other(cache, published):
    write_zip(published / "more.zip", drawings(seed=1))
    entry = entry_for(published / "tiny.zip", published / "more.zip")
    with pytest.raises(
        DataError, match=r"tiny also needs more.zip; give --from a folder that holds tiny.zip, more.zip"
    ):
        fetch(entry, published / "tiny.zip")
    with pytest.raises(DataError, match=r"my-tiny lacks more.zip in .*; type: mlw download my-tiny"):
        downloaded(entry, "my-tiny")
    fetched = fetch(entry, published / "more.zip")
    assert fetched.counts == {"images": 24, "characters": 12, "alphabets": 4}
    assert [file.new for file in fetched.files] == [False, True]
    with pytest.raises(UsageError, match=r"is none of the files of tiny: tiny.zip, more.zip"):
        fetch(entry, Path(__file__))


# --- the disk


def test_killed_before_the_record_was_written(cache, entry, published, server):
    path = fetch(entry, published).files[0].path
    (path.parent / "provenance.toml").unlink()
    fetch(entry, server.url)
    assert server.requests == []
    assert downloaded(entry)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to be a full disk")
@pytest.mark.parametrize("over", ["folder", "net"])
def test_full_disk(cache, entry, published, server, over):
    part = cache / "downloads" / "tiny" / "tiny.zip.part"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"The disk that holds .* is full; free some space or set MLW_CACHE"):
        fetch(entry, published if over == "folder" else server.url)
    assert left_behind(cache) == []


def test_cache_that_cannot_be_a_folder(tmp_path, entry, published, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLW_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\); set MLW_CACHE to another folder"):
        fetch(entry, published)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is unwritable to root")
def test_unwritable_folder(cache, entry, published):
    cache.mkdir(mode=0o500)
    with pytest.raises(DataError, match=r"cannot be written \(Permission denied\)"):
        fetch(entry, published)


def test_two_processes_at_once_transfer_once(cache, entry, published, server):
    server.delay = 0.5
    facts = (entry.files[0].size, entry.files[0].sha256)
    code = f"""
from workbench.download import fetch
from workbench.manifest import Entry, RemoteFile
file = RemoteFile({server.url + "tiny.zip"!r}, "tiny.zip", {facts[0]}, sha256={facts[1]!r})
print(fetch(Entry("tiny", "", "", "", (file,))).files[0].verified)
"""
    runs = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [run.communicate()[0].strip() for run in runs] == ["checksum", "checksum"]
    assert len(server.requests) == 1
    assert left_behind(cache) == ["provenance.toml", "tiny.zip"]


# --- a plugin's own manifest, and the bar


PLUGIN = """
from workbench.archives import Archive
from workbench.images import Dataset, ImageClass
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

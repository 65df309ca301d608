"""Transfers that are cut, redirected, refused, too long, or of another file."""

from __future__ import annotations

import pytest
from local_server import LocalServer, serve
from places import SHARED, needs_published
from publisher import drawings, left_behind, unknown, write_zip

from workbench.data.download import transfer
from workbench.data.download.fetch import fetch
from workbench.data.download.manifest import find_entry
from workbench.data.download.mirrors import download_file
from workbench.data.download.provenance import downloaded
from workbench.data.download.transfer import Limits, free_bytes, may_follow, receive
from workbench.errors import ChecksumError, DataError, UsageError

# --- transfers that are cut, and resumed


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_transfer_is_resumed(cache, entry, server, monkeypatch, ranges, length):
    monkeypatch.setattr(transfer, "CHUNK", 100)
    size = entry.files[0].size
    half = 1700  # a multiple of what is read at a time, so that no byte is lost
    server.ranges, server.length, server.cut = ranges, length, half
    with pytest.raises(
        DataError, match=f"stopped at 1,700 of {size:,} bytes; run the same command again to resume"
    ):
        fetch(entry, server.url)
    with pytest.raises(DataError, match="is not downloaded; run: mlw download tiny"):
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


@pytest.mark.parametrize(
    ("tag", "ranges"), [('"one"', 1), ("", 0)], ids=["same version", "no version"]
)
def test_without_a_checksum_a_transfer_is_resumed_only_if_the_version_is_the_same(
    cache, entry, server, monkeypatch, tag, ranges
):
    monkeypatch.setattr(transfer, "CHUNK", 100)
    server.tag, server.cut = tag, 1700
    bare = unknown(entry, server.url)
    with pytest.raises(DataError, match="stopped at 1,700"):
        fetch(bare)
    server.cut = 0
    assert fetch(bare).files[0].sha256 == entry.files[0].sha256
    assert [asked for _, asked in server.requests] == ["", "bytes=1700-" if ranges else ""]
    assert left_behind(cache) == ["learnt.toml", "provenance.toml", "tiny.zip"]


def test_two_versions_of_a_file_are_not_mixed(cache, entry, published, server, monkeypatch):
    monkeypatch.setattr(transfer, "CHUNK", 100)
    server.tag, server.cut = '"one"', 1700
    bare = unknown(entry, server.url)
    with pytest.raises(DataError, match="stopped at 1,700"):
        fetch(bare)
    write_zip(published / "tiny.zip", drawings(seed=1))
    server.tag, server.cut = '"two"', 0
    (file,) = fetch(bare).files
    assert file.path.read_bytes() == (published / "tiny.zip").read_bytes()


def test_without_length_and_checksum_nobody_can_tell_a_cut(cache, entry, server):
    server.length = False
    with pytest.raises(
        DataError, match=r"does not say how long tiny.zip is, and no checksum is known"
    ):
        fetch(unknown(entry, server.url))
    assert left_behind(cache) == []


real = needs_published("images_background_small1.zip")


@pytest.fixture
def shared_server():
    with serve(SHARED) as running:
        yield running


@real
def test_official_archive_over_the_wire(cache, shared_server: LocalServer):
    entry = find_entry("omniglot_small1")
    half = 20 * transfer.CHUNK  # of 1,319,022 bytes
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


# --- what a server may answer


def test_a_longer_file_is_refused(cache, entry, published, server):
    with (published / "tiny.zip").open("ab") as file:
        file.write(bytes(10**6))
    with pytest.raises(ChecksumError, match="more than"):
        fetch(entry, server.url)
    assert left_behind(cache) == []


def test_an_html_page_is_named(cache, entry, server):
    server.html = True
    with pytest.raises(DataError, match=r"gave an HTML page instead of tiny.zip"):
        fetch(entry, server.url)
    assert left_behind(cache) == []


def test_a_file_that_the_server_does_not_have(cache, entry, server):
    with pytest.raises(DataError, match="404 Not Found; use --from"):
        fetch(entry, server.url + "nowhere/")
    assert left_behind(cache) == []


def test_a_server_that_does_not_answer(cache, entry):
    with pytest.raises(DataError, match=r"http://127.0.0.1:9/tiny.zip cannot be reached"):
        fetch(entry, "http://127.0.0.1:9")
    assert left_behind(cache) == []


def test_no_proxy_is_used_for_this_machine(cache, entry, server, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(entry, server.url).files[0].new
    assert len(server.requests) == 1


# --- redirects


def test_an_endless_redirect(cache, entry, server):
    server.redirect = server.url + "tiny.zip"
    with pytest.raises(DataError, match=r"redirects in an endless loop"):
        fetch(entry, server.url)
    assert left_behind(cache) == []


@pytest.mark.parametrize(
    "target", ["http://example.invalid/tiny.zip", "ftp://127.0.0.1/tiny.zip", "file:///etc/passwd"]
)
def test_a_forbidden_redirect(cache, entry, server, target):
    server.redirect = target
    with pytest.raises(
        DataError, match=rf"redirects to {target}, which is not https, so it was not followed"
    ):
        fetch(entry, server.url)
    assert len(server.requests) == 1
    assert left_behind(cache) == []


def test_a_redirect_on_this_machine_is_followed(cache, entry, published, server):
    with serve(published) as other:
        server.redirect = other.url + "tiny.zip"
        (file,) = fetch(entry, server.url).files
    assert (file.verified, file.origin) == ("checksum", server.url + "tiny.zip")


@pytest.mark.parametrize(
    ("start", "target", "followed"),
    [
        ("https://a/x", "https://b/y", True),
        ("https://a/x", "http://a/x", False),
        ("https://a/x", "http://127.0.0.1/x", False),
        ("http://a/x", "https://a/x", True),
        ("http://a/x", "http://b/x", True),  # published over http, told by its checksum
        ("http://a/x", "http://localhost/x", False),
        ("https://a/x", "file:///x", False),
    ],
)
def test_redirects_never_leave_https(start, target, followed):
    assert may_follow(start, target) is followed


# --- slow and endless servers

PATIENCE = Limits(rate=1000, window=0.3)


def test_a_transfer_that_drips_is_stopped_and_resumed_elsewhere(cache, entry, server, tmp_path):
    file = entry.files[0]
    part = tmp_path / "tiny.zip.part"
    server.drip = 0.05
    with pytest.raises(DataError, match=r"sends fewer than 1,000 bytes per second; the trans"):
        receive(server.url + "tiny.zip", part, file, None, PATIENCE)
    notes = []
    with serve(server.folder) as other:
        urls = [server.url + "tiny.zip", other.url + "tiny.zip"]
        fetched = download_file(
            urls, part, file, entry=entry, report=None, note=notes.append, limits=PATIENCE
        )
    assert (fetched.origin, fetched.verified) == (urls[1], "checksum")
    assert len(notes) == 1
    assert f"Trying {urls[1]} ..." in notes[0]


def test_a_server_whose_head_drips_is_left_for_the_next(cache, entry, server, tmp_path):
    server.slow_head = 0.05
    part = tmp_path / "tiny.zip.part"
    notes = []
    with serve(server.folder) as other:
        urls = [server.url + "tiny.zip", other.url + "tiny.zip"]
        fetched = download_file(
            urls,
            part,
            entry.files[0],
            entry=entry,
            report=None,
            note=notes.append,
            limits=PATIENCE,
        )
    assert (fetched.origin, fetched.verified) == (urls[1], "checksum")
    assert len(notes) == 1
    assert "did not answer within 0 seconds" in notes[0]


def test_an_endless_transfer_of_unknown_size_keeps_nothing(cache, entry, server, tmp_path):
    server.endless = True
    file = unknown(entry, server.url).files[0]
    part = tmp_path / "tiny.zip.part"
    with pytest.raises(ChecksumError, match=r"more than 50,000 bytes; nothing was kept"):
        download_file(
            list(file.urls),
            part,
            file,
            entry=entry,
            report=None,
            note=print,
            limits=Limits(unknown=50_000),
        )
    assert list(tmp_path.glob("tiny*")) == []


def test_by_default_a_file_of_unknown_size_may_fill_half_of_what_is_free(tmp_path):
    assert Limits().unknown == 0
    assert free_bytes(tmp_path / "part") > 0


@pytest.mark.parametrize("stated", ["abc", "-5"])
def test_a_length_that_is_no_number_is_none(cache, entry, server, stated):
    server.stated = stated
    assert fetch(entry, server.url).files[0].verified == "checksum"


@pytest.mark.parametrize(
    "url", ["http://[::1/", "https://[::1/", "https://", "https://x:port/", "https:///x"]
)
def test_an_address_that_is_none_is_one_sentence(cache, entry, url):
    with pytest.raises(UsageError, match=r"must be an address and must begin with https://"):
        fetch(entry, url)


def test_a_redirect_to_no_address_is_one_sentence(cache, entry, server):
    server.redirect = "http://[::1/"
    with pytest.raises(DataError, match=r"redirects to http://\[::1/, which is not https"):
        fetch(entry, server.url)

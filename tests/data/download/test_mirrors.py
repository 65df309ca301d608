"""Several addresses of a file, and the verification of what they provide."""

from __future__ import annotations

from dataclasses import replace

import pytest
from publisher import changed, drawings, left_behind, write_zip

from workbench.data.download.fetch import fetch
from workbench.errors import ChecksumError, DataError


def test_mirrors_are_tried_in_order_and_failures_are_noted(cache, entry, server):
    dead = ("http://127.0.0.1:9/tiny.zip", server.url + "nowhere/tiny.zip")
    notes = []
    (file,) = fetch(changed(entry, urls=(*dead, server.url + "tiny.zip")), note=notes.append).files
    assert (file.origin, file.verified) == (server.url + "tiny.zip", "checksum")
    assert len(notes) == 2
    assert "127.0.0.1:9/tiny.zip cannot be reached" in notes[0]
    assert "404 Not Found" in notes[1]
    assert notes[1].endswith(f"Trying {server.url}tiny.zip ...")


def test_a_wrong_file_is_not_kept_and_the_next_address_is_tried(cache, entry, published, server):
    (published / "old").mkdir()
    write_zip(published / "old" / "tiny.zip", drawings(seed=1))
    notes = []
    urls = (server.url + "old/tiny.zip", server.url + "tiny.zip")
    (file,) = fetch(changed(entry, urls=urls), note=notes.append).files
    assert file.verified == "checksum"
    assert "is not the published tiny.zip" in notes[0]


def test_if_no_address_works_the_last_failure_is_the_error(cache, entry, server):
    urls = ("http://localhost:9/tiny.zip", server.url + "nowhere/tiny.zip")
    with pytest.raises(
        DataError,
        match=r"None of the 2 addresses of .* provided it \(localhost, 127.0.0.1\). The last .*404",
    ):
        fetch(changed(entry, urls=urls))
    assert left_behind(cache) == []


def test_a_hub_that_refuses_ends_with_the_steps(cache, entry, server):
    entry = replace(
        changed(entry, urls=(server.url + "tiny.zip",)),
        access="hub",
        steps="Log in at the hub. Then run: mlw download tiny --from FILE",
    )
    server.html = True
    with pytest.raises(
        DataError, match=r"gave an HTML page instead of tiny.zip; .* Log in .* tiny --from"
    ):
        fetch(entry)
    server.html, server.refuse = False, 429
    with pytest.raises(DataError, match=r"429 Too Many Requests; .* Log in at the hub"):
        fetch(entry)


def test_a_changed_byte_is_refused(cache, entry, server):
    server.flip = 1000
    with pytest.raises(
        ChecksumError,
        match=r"is not the published tiny.zip: sha256 .* instead of .*; nothing was kept",
    ):
        fetch(entry, server.url)
    assert left_behind(cache) == []
    assert not (cache / "downloads" / "tiny").exists()


def test_md5_alone_is_enough_to_refuse(cache, entry, server):
    entry = changed(entry, sha256="")
    server.flip = 1000
    with pytest.raises(ChecksumError, match="md5"):
        fetch(entry, server.url)
    server.flip = -1
    assert fetch(entry, server.url).files[0].verified == "checksum"

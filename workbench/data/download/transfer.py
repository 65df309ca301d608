"""One file over the net: appended to what an earlier transfer left, never more than the file's size.

What came is not verified here; `workbench.download` does that. Where no checksum is known, a transfer
goes on only if the server says that the file is still the one that was begun.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit

from workbench.data.download.manifest import LOCAL, RemoteFile
from workbench.errors import DataError

CHUNK = 2**15  # bytes read at a time; a transfer that is cut loses up to so many
TIMEOUT = 30  # seconds without a byte

Progress = Callable[[str, int, int], None]  # file name, bytes so far, bytes in all (0: not known)


class TooLong(Exception):
    """More bytes come than the file has."""


class _Astray(Exception):
    """A redirect to where nothing is fetched from."""


class _Sink:
    """The file that a transfer writes to: counts, reports, and takes no more than the file's size."""

    def __init__(self, url: str, stream: BinaryIO, file: RemoteFile, progress: Progress | None):
        self.url, self.stream, self.file, self.progress = url, stream, file, progress
        self.start = self.done = stream.seek(0, os.SEEK_END)
        self.promised = 0  # bytes in all that the server says the file has
        self.response: Any = None

    def begin(self, response: Any, **_: object) -> None:
        """Look at a response before its content: is it the rest of the file, or all of it again?"""
        self.response = response
        if response.is_redirect:
            target = urljoin(response.url, response.headers["Location"])
            if not may_follow(response.url, target):
                raise _Astray(target)
            return
        length = int(response.headers.get("Content-Length") or 0)
        rest = response.headers.get("Content-Range", "").startswith(f"bytes {self.start}-")
        if self.done and (
            response.status_code == 200 or (response.status_code == 206 and not rest)
        ):
            self.stream.truncate(0)
            self.done = 0
        if response.status_code in (200, 206) and length:
            self.promised = self.done + length
        if response.status_code == 200 and not self.file.known:
            _keep_version(self.url, Path(self.stream.name), response)

    def write(self, chunk: bytes) -> None:
        self.done += len(chunk)
        if self.file.size and self.done > self.file.size:
            raise TooLong
        self.stream.write(chunk)
        if self.progress is not None:
            self.progress(self.file.name, self.done, self.file.size or self.promised)

    def flush(self) -> None:
        """pooch asks for it after each chunk; closing the file does it."""


def receive(url: str, part: Path, file: RemoteFile, progress: Progress | None) -> None:
    """Append to `part` what it lacks. Raises `DataError` and keeps `part` if the transfer is cut."""
    version = _version(url, part) if part.exists() and not file.known else ""
    if not version and not file.known:
        discard(part)  # nobody could tell whether the rest belongs to it
    with part.open("ab") as stream:
        sink = _Sink(url, stream, file, progress)
        broken = _request(url, sink, version)
    if sink.done == 0:
        discard(part)
    if sink.response is None:
        raise DataError(
            f"{url} cannot be reached ({broken}); use --from with a folder or an archive."
        )
    _judge(url, part, sink, broken)


def _judge(url: str, part: Path, sink: _Sink, broken: str) -> None:
    """Look at how a transfer ended; a `DataError` if not with the whole file."""
    response, file, total = sink.response, sink.file, sink.file.size or sink.promised
    if response.is_redirect:
        raise DataError(
            f"{url} leads {broken}; use --from with a folder, an archive or another URL."
        )
    if response.status_code == 416 and sink.done:
        return  # there is as much as the server has, or more: the caller looks at it
    if response.status_code >= 400:
        status = f"{response.status_code} {response.reason}"
        raise DataError(
            f"{url} cannot be had: {status}; use --from with a folder, an archive or another URL."
        )
    if sink.done and is_html(part):
        return  # the caller says that it is a page
    if broken or sink.done == 0 or sink.done < (sink.promised or file.size):
        raise DataError(
            f"The transfer of {file.name} stopped at {sink.done:,} of {total:,} bytes; type the same command again."
        )
    if not (total or file.known or response.headers.get("Transfer-Encoding") == "chunked"):
        discard(part)
        raise DataError(
            f"{url} does not say how long {file.name} is, and no checksum is known to tell; use --from."
        )


def discard(part: Path) -> None:
    """Remove what a transfer left, and the note of its version."""
    part.unlink(missing_ok=True)
    _version_file(part).unlink(missing_ok=True)


def may_follow(start: str, target: str) -> bool:
    """Whether a redirect may be followed: to https, or from http to http without leaving or entering this machine."""
    before, after = urlsplit(start), urlsplit(target)
    if after.scheme == "https":
        return True
    return before.scheme == after.scheme == "http" and (before.hostname in LOCAL) == (
        after.hostname in LOCAL
    )


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _version(url: str, part: Path) -> str:
    """What the server called the file that an earlier transfer from the same address left a part of."""
    if not _version_file(part).is_file():
        return ""
    address, _, version = _version_file(part).read_text(encoding="utf-8").partition("\n")
    return version if address == url else ""


def _keep_version(url: str, part: Path, response: Any) -> None:
    tag = response.headers.get("ETag", "")
    version = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
    _version_file(part).write_text(f"{url}\n{version}", encoding="utf-8")


def _request(url: str, sink: _Sink, version: str) -> str:
    """Transfer from where the sink is to the end; return what went wrong."""
    from pooch import HTTPDownloader
    from requests import RequestException, TooManyRedirects

    headers = {"Accept-Encoding": "identity"}
    if sink.start:
        headers["Range"] = f"bytes={sink.start}-"
    if version:
        headers["If-Range"] = version
    options: dict[str, Any] = {
        "headers": headers,
        "hooks": {"response": sink.begin},
        "timeout": TIMEOUT,
    }
    if urlsplit(url).hostname in LOCAL:
        options["proxies"] = {
            "http": None,
            "https": None,
            "all": None,
        }  # no proxy reaches this machine
    try:
        HTTPDownloader(chunk_size=CHUNK, **options)(url, sink, None)
    except _Astray as error:
        return f"to {error}, which is not https, and is not followed"
    except TooManyRedirects:
        return "from one address to the next without end"
    except RequestException as error:
        return type(error).__name__
    finally:
        if sink.response is not None:
            sink.response.close()  # or its socket would stay open after an error
    return ""


def is_html(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html", b"<head", b"<!--"))


@contextmanager
def progress_bar() -> Iterator[Progress | None]:
    """Give a `Progress` that draws bars on standard error; None when that is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total or None)
            bars.update(tasks[name], completed=done, total=total or None)

        yield show

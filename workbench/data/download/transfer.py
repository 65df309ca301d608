"""Transfer one file over HTTP, and resume a transfer that was cut.

This module never accepts more bytes than the file has, but it does not verify them: `mirrors` does.
If no checksum is known, a transfer is resumed only if the server says that the file is unchanged.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urljoin

from workbench.data.download.entry import LOCAL_HOSTS, RemoteFile, split_address
from workbench.errors import DataError
from workbench.progress import Progress, Report

CHUNK = 2**15  # bytes per read; a transfer that is cut loses at most this many
TIMEOUT = 30  # seconds without a byte
GRACE = 1.0  # seconds that a stopped transfer has to end
NO_PROXIES = {"http": None, "https": None, "all": None}
PAGE_STARTS = (b"<!doctype html", b"<html", b"<head", b"<!--")


class Limits(NamedTuple):
    """What a transfer may cost."""

    rate: float = 1000  # bytes per second, at least, over a window
    window: float = 60  # seconds
    unknown: int = 0  # bytes of a file whose size nobody knows; 0: half of the free disk


LIMITS = Limits()


class TooLong(Exception):
    """The server sends more bytes than the file has, or than there is room for."""


class _ForbiddenRedirect(Exception):
    """A redirect to an address from which nothing is downloaded."""


class _Stopped(Exception):
    """Nobody waits for the transfer any more."""


class _PartWriter:
    """The part file that a transfer appends to. Counts bytes, reports and limits their number."""

    def __init__(
        self,
        url: str,
        stream: BinaryIO,
        file: RemoteFile,
        report: Report | None,
        limits: Limits,
    ):
        self.url = url
        self.stream = stream
        self.file = file
        self.report = report
        self.start = stream.seek(0, os.SEEK_END)  # bytes from an earlier transfer
        self.done = self.start
        self.promised = 0  # size of the whole file, according to the server
        self.response: Any = None
        self.slow = False  # whether the transfer was stopped for that
        self.stopped = False  # whether nobody waits for more
        self.free = free_bytes(Path(stream.name))
        self.unknown = limits.unknown or self.free // 2

    @property
    def total(self) -> int:
        """The size of the whole file, or 0 if unknown."""
        return self.file.size or self.promised

    def begin(self, response: Any, **_: object) -> None:
        """Look at the head of a response: refuse a redirect, or learn which bytes will follow."""
        self.response = response
        self._go_on()
        if response.is_redirect:
            target = response.headers["Location"]
            if not may_follow(response.url, target):
                raise _ForbiddenRedirect(target)
            return
        length = _whole_number(response.headers.get("Content-Length", ""))
        if not length:
            response.headers.pop("Content-Length", None)  # pooch would stumble over "abc"
        if length > self.free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.done and self._starts_over(response):
            self.stream.truncate(0)
            self.done = 0
        if response.status_code in (200, 206) and length:
            self.promised = self.done + length
        if response.status_code == 200 and not self.file.known:
            _keep_version(self.url, Path(self.stream.name), response)

    def _starts_over(self, response: Any) -> bool:
        """Return whether the server sends the whole file, or not the part that was requested."""
        if response.status_code == 200:
            return True
        content_range = response.headers.get("Content-Range", "")
        return response.status_code == 206 and not content_range.startswith(f"bytes {self.start}-")

    def _go_on(self) -> None:
        if self.stopped:
            raise _Stopped

    def write(self, chunk: bytes) -> None:
        self._go_on()
        self.done += len(chunk)
        most = self.total or self.unknown
        if self.done > most:
            raise TooLong(f"more than {most:,} bytes")
        self.stream.write(chunk)
        if self.report is not None:
            self.report(Progress(self.file.name, self.done, self.total, "bytes"))

    def flush(self) -> None:
        """Do nothing. pooch calls this after each chunk; closing the file flushes it."""


class _Transfer(Thread):
    """A request in a thread of its own: nothing else ends one whose head drips in."""

    def __init__(self, url: str, writer: _PartWriter, version: str):
        super().__init__(daemon=True)  # a server that never ends keeps no process alive
        self._request = (url, writer, version)
        self._writer = writer
        self._error: BaseException | None = None
        self._failure = ""

    def run(self) -> None:
        try:
            self._failure = _request(*self._request)
        except BaseException as error:  # it is raised in the thread that waits
            self._error = error

    def wait(self, limits: Limits) -> str:
        """Wait for the end, or stop a transfer that is too slow; return what went wrong, or ""."""
        try:
            self._watch(limits)
        finally:
            if self.is_alive():
                self._give_up()
        if self._error is not None:
            raise self._error
        return self._failure

    def _watch(self, limits: Limits) -> None:
        before = self._writer.done
        self.join(limits.window)
        while self.is_alive():
            done = self._writer.done
            if done - before < limits.rate * limits.window:
                self._writer.slow = True
                return
            before = done
            self.join(limits.window)

    def _give_up(self) -> None:
        """Stop the thread; one that still waits for a head stops when this comes, and no later."""
        self._writer.stopped = True
        if self._writer.response is not None:
            with suppress(OSError, ValueError):  # it may have ended just now
                self._writer.response.raw.shutdown()  # ends the read that waits in the thread
        self.join(GRACE)


def free_bytes(path: Path) -> int:
    """Return how many bytes the disk of a file has left."""
    return shutil.disk_usage(path.parent).free


def _whole_number(text: str) -> int:
    """Return the number in a header, 0 if there is none."""
    return int(text) if text.isascii() and text.isdigit() else 0


def receive(
    url: str, part: Path, file: RemoteFile, report: Report | None, limits: Limits = LIMITS
) -> None:
    """Append to `part` the bytes that it lacks.

    Raises:
        DataError: the transfer failed or was cut; `part` then keeps what can be resumed.
        TooLong: the server sends more bytes than the file has, or than there is room for.
    """
    version = ""
    if not file.known:
        version = _version(url, part)
        if not version:
            discard(part)  # nobody could tell whether the rest belongs to the same file
    with part.open("ab") as stream:
        writer = _PartWriter(url, stream, file, report, limits)
        transfer = _Transfer(url, writer, version)
        transfer.start()
        failure = transfer.wait(limits)
    if writer.done == 0:
        discard(part)
    if writer.slow and (writer.response is None or writer.response.is_redirect):
        raise DataError(
            f"{url} did not answer within {limits.window:,.0f} seconds; use --from with a folder, "
            "an archive or another URL."
        )
    if writer.response is None:
        raise DataError(
            f"{url} cannot be reached ({failure}); use --from with a folder or an archive."
        )
    _check_response(url, writer, failure)
    _check_length(url, part, writer, failure, limits)


def _check_response(url: str, writer: _PartWriter, failure: str) -> None:
    """Raise `DataError` if the server answered with a redirect or an error."""
    response = writer.response
    if response.is_redirect:
        raise DataError(
            f"{url} redirects {failure}; use --from with a folder, an archive or another URL."
        )
    if response.status_code == 416 and writer.done:
        return  # the part is as long as the file, or longer: the caller verifies it
    if response.status_code >= 400:
        status = f"{response.status_code} {response.reason}"
        raise DataError(
            f"{url} could not be downloaded: {status}; "
            "use --from with a folder, an archive or another URL."
        )


def _check_length(url: str, part: Path, writer: _PartWriter, failure: str, limits: Limits) -> None:
    """Raise `DataError` if the file is not complete, or if nobody can tell."""
    response = writer.response
    file = writer.file
    if response.status_code == 416:
        return
    if writer.done and is_html(part):
        return  # the caller reports the page
    if writer.slow:
        raise DataError(
            f"{url} sends fewer than {limits.rate:,.0f} bytes per second; the transfer of "
            f"{file.name} was stopped at {writer.done:,} bytes. Run the same command again to "
            "resume, or use --from with a folder, an archive or another URL."
        )
    if failure or writer.done == 0 or writer.done < (writer.promised or file.size):
        raise DataError(
            f"The transfer of {file.name} stopped at {writer.done:,} of {writer.total:,} bytes; "
            "run the same command again to resume."
        )
    chunked = response.headers.get("Transfer-Encoding") == "chunked"
    if not writer.total and not file.known and not chunked:
        discard(part)
        raise DataError(
            f"{url} does not say how long {file.name} is, and no checksum is known "
            "that could tell whether it is complete; use --from."
        )


def discard(part: Path) -> None:
    """Remove a part file and the note of its version."""
    part.unlink(missing_ok=True)
    _version_file(part).unlink(missing_ok=True)


def may_follow(start: str, target: str) -> bool:
    """Return whether a redirect may be followed.

    Args:
        start: the address that redirects.
        target: where to, in full or from `start`.

    It may lead to https. From http it may also lead to http, but not from this machine to another
    or the reverse.
    """
    before = split_address(start)
    try:
        after = split_address(urljoin(start, target))
    except ValueError:
        return False
    if before is None or after is None:
        return False
    if after.scheme == "https":
        return True
    if before.scheme != "http" or after.scheme != "http":
        return False
    return (before.hostname in LOCAL_HOSTS) == (after.hostname in LOCAL_HOSTS)


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _version(url: str, part: Path) -> str:
    """Return the server's name for the version of a part that came from the same address."""
    note = _version_file(part)
    if not part.exists() or not note.is_file():
        return ""
    address, _, version = note.read_text(encoding="utf-8").partition("\n")
    if address != url:
        return ""
    return version


def _keep_version(url: str, part: Path, response: Any) -> None:
    """Note which version of a file arrives: a strong ETag, otherwise the date of modification."""
    version = response.headers.get("ETag", "")
    if not version or version.startswith("W/"):
        version = response.headers.get("Last-Modified", "")
    _version_file(part).write_text(f"{url}\n{version}", encoding="utf-8")


def _request(url: str, writer: _PartWriter, version: str) -> str:
    """Request the bytes that the part lacks; return what went wrong, or ""."""
    from pooch import HTTPDownloader
    from requests import RequestException, TooManyRedirects

    headers = {"Accept-Encoding": "identity"}
    if writer.start:
        headers["Range"] = f"bytes={writer.start}-"
    if version:
        headers["If-Range"] = version
    options: dict[str, Any] = {
        "headers": headers,
        "hooks": {"response": writer.begin},
        "timeout": TIMEOUT,
    }
    parts = split_address(url)
    if parts is not None and parts.hostname in LOCAL_HOSTS:
        options["proxies"] = NO_PROXIES  # no proxy reaches this machine
    try:
        HTTPDownloader(chunk_size=CHUNK, **options)(url, writer, None)
    except _ForbiddenRedirect as error:
        return f"to {error}, which is not https, so it was not followed"
    except TooManyRedirects:
        return "in an endless loop"
    except RequestException as error:
        return type(error).__name__
    finally:
        if writer.response is not None:
            writer.response.close()  # otherwise its socket stays open after an error
    return ""


def is_html(path: Path) -> bool:
    """Return whether a file begins like an HTML page."""
    with path.open("rb") as file:
        head = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith(PAGE_STARTS)

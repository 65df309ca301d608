"""An HTTP server for a folder, on 127.0.0.1, that can cut transfers and misbehave otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

PAGE = b"<!DOCTYPE html><html><body>Please log in</body></html>"


@dataclass
class LocalServer:
    """How the server behaves, which may be changed while it runs, and the requests it received.

    Attributes:
        folder: the folder to serve.
        url: the address of the folder.
        ranges: it can send the rest of a file.
        length: it states the length of a response.
        cut: it closes the connection after this many bytes of each response; 0: it does not.
        flip: the position of a byte to change; -1: none.
        html: it answers with a page.
        tag: its name for the version of its files.
        redirect: the address to which it redirects all requests.
        refuse: the status with which it refuses all requests.
        delay: seconds before each response.
        drip: seconds between two bytes of a response; 0: it sends all at once.
        slow_head: seconds between two bytes of the head of a response; 0: it sends it at once.
        endless: it sends the file again and again, without a length.
        stated: what it states as the length of a response, if not the length.
        requests: path and Range header of each request.
    """

    folder: Path
    url: str = ""
    ranges: bool = True
    length: bool = True
    cut: int = 0
    flip: int = -1
    html: bool = False
    tag: str = ""
    redirect: str = ""
    refuse: int = 0
    delay: float = 0.0
    drip: float = 0.0
    slow_head: float = 0.0
    endless: bool = False
    stated: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        self.requests.append((request.path, request.headers.get("Range", "")))
        time.sleep(self.delay)
        path = self.folder / unquote(request.path).strip("/")
        if self.slow_head:
            self._drip_head(request)
        elif self.refuse:
            request.send_error(self.refuse)
        elif self.redirect:
            request.send_response(302)
            request.send_header("Location", self.redirect)
            request.end_headers()
        elif self.html:
            self._send(request, bytearray(PAGE))
        elif path.is_file():
            self._send(request, bytearray(path.read_bytes()))
        else:
            request.send_error(404)

    def _send(self, request: BaseHTTPRequestHandler, content: bytearray) -> None:
        if self.flip >= 0:
            content[self.flip] ^= 1
        start = self._start(request)
        if start and start >= len(content):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.tag:
            request.send_header("ETag", self.tag)
        if self.length and not self.endless:
            request.send_header("Content-Length", self.stated or str(len(content) - start))
        request.end_headers()
        if self.drip or self.endless:
            self._send_slowly(request, content)
            return
        end = start + self.cut if self.cut else len(content)
        request.wfile.write(content[start:end])
        request.close_connection = True

    def _drip_head(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        try:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while self.slow_head:  # until the test ends
                request.wfile.write(b"x")
                time.sleep(self.slow_head)
        except OSError:  # the client has gone
            return

    def _send_slowly(self, request: BaseHTTPRequestHandler, content: bytearray) -> None:
        request.close_connection = True
        try:
            while True:
                pieces = [content]
                if self.drip:
                    pieces = [content[at : at + 1] for at in range(len(content))]
                for piece in pieces:
                    request.wfile.write(piece)
                    time.sleep(self.drip)
                if not self.endless:
                    return
        except OSError:  # the client has gone
            return

    def _start(self, request: BaseHTTPRequestHandler) -> int:
        """Return the position of the first byte to send."""
        wanted = request.headers.get("Range", "")
        version = request.headers.get("If-Range", "")
        if not wanted or not self.ranges:
            return 0
        if version and version != self.tag:  # the client has the beginning of another version
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))


@contextmanager
def serve(folder: Path) -> Iterator[LocalServer]:
    """Serve a folder until the block ends."""
    server = LocalServer(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}/"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.slow_head = 0.0
            http.shutdown()
            thread.join()

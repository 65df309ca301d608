"""An HTTP server on 127.0.0.1 over a folder, which can misbehave: cut a transfer, change a byte, answer in HTML."""

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
    """What the server does, changeable while it runs, and the requests that it met: (path, Range header)."""

    folder: Path
    url: str = ""
    ranges: bool = True  # knows how to go on in the middle
    length: bool = True  # says how long the answer is
    cut: int = 0  # close the connection after so many bytes of each answer
    flip: int = -1  # position of a byte to change
    html: bool = False
    tag: str = ""  # what it calls the version of its files
    redirect: str = ""  # where it sends whoever asks
    refuse: int = 0  # a status to answer with
    delay: float = 0.0  # seconds before each answer
    requests: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range", "")
        self.requests.append((request.path, asked))
        time.sleep(self.delay)
        if self.refuse:
            request.send_error(self.refuse)
            return
        if self.redirect:
            request.send_response(302)
            request.send_header("Location", self.redirect)
            request.end_headers()
            return
        path = self.folder / unquote(request.path).strip("/")
        if not self.html and not path.is_file():
            request.send_error(404)
            return
        content = bytearray(PAGE if self.html else path.read_bytes())
        if self.flip >= 0:
            content[self.flip] ^= 1
        if (expected := request.headers.get("If-Range")) and expected != self.tag:
            asked = ""  # the beginning is of another version: all of it again
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.ranges else 0
        if start and start >= len(content):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.tag:
            request.send_header("ETag", self.tag)
        if self.length:
            request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        request.wfile.write(content[start : start + self.cut] if self.cut else content[start:])
        request.close_connection = True


@contextmanager
def serve(folder: Path) -> Iterator[LocalServer]:
    """Serve a folder until the block ends."""
    server = LocalServer(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.url = f"http://127.0.0.1:{http.server_port}/"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()

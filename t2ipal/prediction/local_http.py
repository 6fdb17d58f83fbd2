"""A server for one person's browser: it listens on this machine alone, and answers nobody else's pages.

Requests need this server's name, against sites that point their own name at this machine; changes need a header that
only its own page can send. A refused request is answered with one line, whatever its body.
"""

from __future__ import annotations

import socket
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from t2ipal.errors import UserError, printable

HOST = "127.0.0.1"
PAUSE = 60
"""Seconds without a byte after which a connection is closed."""
BLOCK = 1 << 20
DRAINED = 320_000_000
"""Bytes of a refused body that are read over, so that its sender gets the answer and not a reset connection."""


class Refused(Exception):
    """A request that is answered with a status and one line."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class LocalServer(ThreadingHTTPServer):
    """The server; `url` is its address.

    Args:
        port: 0 for a free one.
        handler: answers requests.

    Raises:
        UserError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, port: int, handler: type[LocalHandler]) -> None:
        try:
            super().__init__((HOST, port), handler)
        except OSError as error:
            raise _taken(port, error) from error
        self.names = {f"{host}:{self.server_port}" for host in (HOST, "localhost")}
        if self.server_port == 80:  # browsers leave it out
            self.names |= {HOST, "localhost"}

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """One line, and none of a browser that has gone."""
        error = sys.exception()
        if not isinstance(error, OSError):
            _tell(error)


def check_port(port: int) -> None:
    """Check that a port is free, before anything that takes long.

    Raises:
        UserError: it is taken.
    """
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((HOST, port))
            one.listen(1)
        except OSError as error:
            raise _taken(port, error) from error


class LocalHandler(BaseHTTPRequestHandler, ABC):
    """Answers requests by `get`, `post` and `put`, which get the parts of the path and may raise Refused."""

    server: LocalServer
    protocol_version = "HTTP/1.1"
    timeout = PAUSE
    left = 0
    """Bytes of the body that are not read yet."""

    def log_message(self, format: str, *values: Any) -> None:
        """Nothing: files have names of people."""

    @abstractmethod
    def get(self, parts: list[str]) -> None:
        """Answer a request for a path of these parts."""

    @abstractmethod
    def post(self, parts: list[str]) -> None:
        """Answer a request for a path of these parts."""

    @abstractmethod
    def put(self, parts: list[str]) -> None:
        """Answer a request for a path of these parts."""

    def do_GET(self) -> None:
        self._answer(self.get)

    def do_HEAD(self) -> None:
        self._answer(self.get)

    def do_POST(self) -> None:
        self._answer(self.post)

    def do_PUT(self) -> None:
        self._answer(self.put)

    def body(self, most: int) -> bytes:
        """The body of a request.

        Raises:
            Refused: it has more bytes than `most`, or ends early.
        """
        if self.left > most:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {most // 1_000_000} MB")
        length, content = self.left, self.rfile.read(self.left)
        self.left = 0
        if len(content) < length:
            raise Refused(HTTPStatus.BAD_REQUEST, f"ended after {len(content):,} of {length:,} bytes")
        return content

    def send(self, status: HTTPStatus, kind: str, content: bytes, policy: str = "sandbox") -> None:
        """Answer; `policy`: what a page may load."""
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", policy)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _answer(self, work: Callable[[list[str]], None]) -> None:
        self.left = 0
        try:
            self.left = self._length()
            self._check()
            work([unquote(part, errors="replace") for part in urlsplit(self.path).path.strip("/").split("/")])
        except Refused as error:
            self._refuse(error)
        except OSError:  # the browser has gone
            self.close_connection = True
        except Exception as error:
            self._refuse(Refused(HTTPStatus.INTERNAL_SERVER_ERROR, _tell(error)))

    def _length(self) -> int:
        """Bytes of the body."""
        length = self.headers.get("Content-Length", "" if self.command == "PUT" else "0")
        if not (length.isascii() and length.isdigit() and len(length) < 20) or "Transfer-Encoding" in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "no length")
        return int(length)

    def _check(self) -> None:
        if (self.headers.get("Host") or "").lower() not in self.server.names:
            raise Refused(HTTPStatus.FORBIDDEN, f"expected {self.server.url}")
        if self.command not in ("GET", "HEAD") and self.headers.get("X-T2ipal") != "app":
            raise Refused(HTTPStatus.FORBIDDEN, "expected a request of this server's own page")
        if self.left and self.command != "PUT":
            raise Refused(HTTPStatus.BAD_REQUEST, "a body; expected none")

    def _refuse(self, error: Refused) -> None:
        """Answer, read over the body, and close: what comes after it may be no request."""
        self.close_connection = True
        with suppress(OSError):
            self.send(error.status, "text/plain; charset=utf-8", str(error).encode())
            self.wfile.flush()
            left = min(self.left, DRAINED)
            while left > 0 and (block := self.rfile.read(min(left, BLOCK))):
                left -= len(block)


def _tell(error: BaseException | None) -> str:
    """An unexpected error as one line, which is printed too."""
    text = printable(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    print(text, file=sys.stderr, flush=True)
    return text


def _taken(port: int, error: OSError) -> UserError:
    reason = (error.strerror or str(error)).lower()
    return UserError(f"--port: {port}: {reason} (expected a free one, or 0 for any)")

"""A page for one person's browser: photos are dropped on it, and come back as the page of predictions and a table.

It listens on this machine alone, keeps what it gets in a temporary folder, and talks to nobody else. Pages of other
sites cannot use it: requests need this server's name, and changes a header that only its own page can send.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from t2ipal.errors import UserError
from t2ipal.pages.environment import render
from t2ipal.prediction.files import Counts, written
from t2ipal.prediction.gallery import SIDE, Gallery
from t2ipal.prediction.predict import Recogniser

HOST = "127.0.0.1"
PHOTOS = 100
"""Photos of a page at most."""
BYTES = 32_000_000
"""Bytes of a photo at most."""
KEPT = 3
"""Pages that are kept; an earlier one is removed, with its photos, when a new one begins."""
PAUSE = 60
"""Seconds without a byte after which a connection is closed."""
GONE = "these photos are no longer here; drop them again"
PAGE, TABLE = "page.html", "scores.csv"
KINDS = {".html": "text/html; charset=utf-8", ".csv": "text/csv; charset=utf-8", ".jpg": "image/jpeg"}
KINDS |= {".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}
OPEN = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
POLICY = f"{OPEN}; connect-src 'self'; frame-src 'self'"
"""What a page of this server may load."""


class Refused(Exception):
    """A request that is answered with a status and one line."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Batch:
    """The photos of one page.

    Attributes:
        folder: of the page, the table and the photos.
        photos: those that came, in their order.
    """

    folder: Path
    photos: list[Path] = field(default_factory=list)

    def place(self, name: str) -> Path:
        """A new file for a photo of this name, which may be any text."""
        stem, suffix = os.path.splitext(name.replace("/", "_").replace("\0", "_").lstrip(".") or "photo")
        stem, suffix = (part.encode("utf-8", "replace").decode() for part in (stem[:50], suffix[:12]))
        taken = {path.name for path in self.photos}
        names = (f"{stem}{f' ({number})' if number > 1 else ''}{suffix}" for number in range(1, PHOTOS + 2))
        return self.folder / "photos" / next(each for each in names if each not in taken)


class App(ThreadingHTTPServer):
    """The server; `url` is its address.

    Args:
        recogniser: what predicts.
        port: 0 for a free one.
        top: labels of a photo, and heat maps.

    Raises:
        UserError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, recogniser: Recogniser, port: int = 0, top: int = 5) -> None:
        self.recogniser, self.top = recogniser, top
        self.batches: dict[str, Batch] = {}
        self.one_at_a_time, self.changes = threading.Lock(), threading.Lock()
        self.temporary = tempfile.TemporaryDirectory(prefix="t2ipal-app-")
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            self.temporary.cleanup()
            raise UserError(f"--port: {port}: {error.strerror.lower()} (expected a free one, or 0 for any)") from error
        self.names = {f"{host}:{self.server_port}" for host in (HOST, "localhost")}

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    def server_close(self) -> None:
        """Close it, and remove all photos."""
        super().server_close()
        self.temporary.cleanup()

    def begin(self) -> str:
        """A new batch; its name."""
        name = secrets.token_urlsafe(16)
        with self.changes:
            for old in list(self.batches)[: max(0, len(self.batches) + 1 - KEPT)]:
                shutil.rmtree(self.batches.pop(old).folder, ignore_errors=True)
            self.batches[name] = Batch(Path(self.temporary.name) / name)
            (self.batches[name].folder / "photos").mkdir(parents=True)
        return name

    def batch(self, name: str) -> Batch:
        """A batch by its name.

        Raises:
            Refused: it was never there, or is no longer.
        """
        if name not in self.batches:
            raise Refused(HTTPStatus.NOT_FOUND, GONE)
        return self.batches[name]

    def take(self, name: str, photo: str, content: bytes) -> None:
        """Keep a photo.

        Raises:
            Refused: there are too many.
        """
        with self.changes:
            batch = self.batch(name)
            if len(batch.photos) == PHOTOS:
                raise Refused(HTTPStatus.CONFLICT, f"more than {PHOTOS} photos")
            path = batch.place(photo)
            path.write_bytes(content)
            batch.photos.append(path)

    def predict(self, name: str) -> str:
        """Predict the photos of a batch, write its page and its table; what was read, in a line.

        Raises:
            Refused: there are none, or none can be read.
        """
        batch, counts, recogniser = self.batch(name), Counts(), self.recogniser
        if not batch.photos:
            raise Refused(HTTPStatus.CONFLICT, "no photos")
        try:
            with (
                self.one_at_a_time,
                Gallery(batch.folder / PAGE, recogniser.header, len(batch.photos), self.top) as page,
            ):
                predictions = recogniser.predict(batch.photos, thumbnails=SIDE, maps=self.top)
                how = {"table": batch.folder / TABLE, "calibrated": recogniser.calibrated}
                for prediction in written(predictions, recogniser.classes, self.top, **how):
                    counts.add(prediction)
                    page.add(prediction)
                page.write()
        except FileNotFoundError as error:  # a newer batch took its place meanwhile
            raise Refused(HTTPStatus.NOT_FOUND, GONE) from error
        except UserError as error:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, _without(str(error), batch.folder)) from error
        return _without(counts.text(PHOTOS), batch.folder)


def _without(text: str, folder: Path) -> str:
    """A message without the temporary folder."""
    return text.replace(f"{folder / 'photos'}/", "")


class _Handler(BaseHTTPRequestHandler):
    """Paths: /, /batches, /batches/NAME, /batches/NAME/photos/PHOTO, /batches/NAME/{page.html, scores.csv}."""

    server: App
    protocol_version = "HTTP/1.1"
    timeout = PAUSE

    def log_message(self, format: str, *values: Any) -> None:
        """Nothing: photos have names of people."""

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def _answer(self, work: Any) -> None:
        try:
            if self.headers.get("Host") not in self.server.names:
                raise Refused(HTTPStatus.FORBIDDEN, f"expected {self.server.url}")
            if self.command != "GET" and self.headers.get("X-T2ipal") != "app":
                raise Refused(HTTPStatus.FORBIDDEN, "expected a request of this server's own page")
            work([unquote(part, errors="replace") for part in urlsplit(self.path).path.strip("/").split("/")])
        except Refused as error:
            self.close_connection = True  # what comes after an unread body is no request
            self._send(error.status, "text/plain; charset=utf-8", str(error).encode())

    def _get(self, parts: list[str]) -> None:
        if parts == [""]:
            limits = {"photos": PHOTOS, "bytes": BYTES}
            text = render(
                "app.html.j2", title="Recognise photos", classes=self.server.recogniser.classes, limits=limits
            )
            self._send(HTTPStatus.OK, KINDS[".html"], text.encode(), POLICY)
            return
        match parts:
            case ["batches", name, ("page.html" | "scores.csv") as file]:
                path = self.server.batch(name).folder / file
            case ["batches", name, "photos", photo]:
                path = self.server.batch(name).folder / "photos" / photo
                if path not in self.server.batch(name).photos:
                    raise Refused(HTTPStatus.NOT_FOUND, "no such photo")
            case _:
                raise Refused(HTTPStatus.NOT_FOUND, "nothing here")
        if not path.is_file():
            raise Refused(HTTPStatus.NOT_FOUND, "not there yet")
        kind = KINDS.get(path.suffix.lower(), "application/octet-stream")
        policy = POLICY if path.name == PAGE and len(parts) == 3 else "sandbox"
        if policy == "sandbox" and kind == KINDS[".html"]:
            kind = "application/octet-stream"
        self._send(HTTPStatus.OK, kind, path.read_bytes(), policy)

    def _post(self, parts: list[str]) -> None:
        match parts:
            case ["batches"]:
                answer = {"name": self.server.begin()}
            case ["batches", name]:
                answer = {"text": self.server.predict(name), "page": f"/batches/{quote(name)}/{PAGE}",
                          "table": f"/batches/{quote(name)}/{TABLE}"}  # fmt: skip
            case _:
                raise Refused(HTTPStatus.NOT_FOUND, "nothing here")
        self._send(HTTPStatus.OK, "application/json", json.dumps(answer).encode())

    def _put(self, parts: list[str]) -> None:
        match parts:
            case ["batches", name, "photos", photo]:
                length = self.headers.get("Content-Length", "")
                if not length.isascii() or not length.isdigit():
                    raise Refused(HTTPStatus.LENGTH_REQUIRED, "no length")
                if int(length) > BYTES:
                    raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {BYTES // 1_000_000} MB")
                self.server.batch(name)
                self.server.take(name, photo, self.rfile.read(int(length)))
                self._send(HTTPStatus.NO_CONTENT, "", b"")
            case _:
                raise Refused(HTTPStatus.NOT_FOUND, "nothing here")

    def _send(self, status: HTTPStatus, kind: str, content: bytes, policy: str = "sandbox") -> None:
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
        self.wfile.write(content)

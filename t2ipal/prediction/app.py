"""A page for one person's browser: photos are dropped on it, and come back as the page of predictions and a table.

It listens on this machine alone, keeps what it gets in a temporary folder, and talks to nobody else.
"""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import quote

from t2ipal.errors import UserError
from t2ipal.pages.environment import render
from t2ipal.prediction.files import Counts, written
from t2ipal.prediction.gallery import SIDE, Gallery
from t2ipal.prediction.local_http import LocalHandler, LocalServer, Refused
from t2ipal.prediction.predict import Recogniser
from t2ipal.prediction.uploads import BYTES, GONE, PHOTOS, Uploads

PAGE, TABLE = "page.html", "scores.csv"
KINDS = {".html": "text/html; charset=utf-8", ".csv": "text/csv; charset=utf-8", ".jpg": "image/jpeg"}
KINDS |= {".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp"}
OPEN = "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
POLICY = f"{OPEN}; connect-src 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
"""What a page of this server may load, and who may show it."""


class App(LocalServer):
    """The server.

    Args:
        recogniser: what predicts.
        port: 0 for a free one.
        top: labels of a photo, and heat maps.

    Raises:
        UserError: the port is taken.
    """

    def __init__(self, recogniser: Recogniser, port: int = 0, top: int = 5) -> None:
        self.recogniser, self.top = recogniser, top
        self.one_at_a_time = threading.Lock()
        self.uploads = Uploads()
        super().__init__(port, _Handler)

    def server_close(self) -> None:
        """Close it, and remove all photos."""
        super().server_close()
        self.uploads.close()

    def predict(self, name: str) -> str:
        """Predict the photos of a batch, write its page and its table; what was read, in a line.

        Raises:
            Refused: there are none, or none can be read.
        """
        batch, counts, recogniser = self.uploads.batch(name), Counts(), self.recogniser
        folder = batch.folder / "photos"
        if not batch.photos:
            raise Refused(HTTPStatus.CONFLICT, "no photos")
        try:
            with (
                self.one_at_a_time,
                Gallery(batch.folder / PAGE, recogniser.header, len(batch.photos), self.top) as page,
            ):
                predictions = recogniser.predict(batch.photos, thumbnails=SIDE, maps=self.top)
                named = (replace(each, path=each.path.relative_to(folder)) for each in predictions)
                how = {"table": batch.folder / TABLE, "calibrated": recogniser.calibrated}
                for prediction in written(named, recogniser.classes, self.top, **how):
                    counts.add(prediction)
                    page.add(replace(prediction, path=folder / prediction.path))
                page.write()
        except FileNotFoundError as error:  # a newer batch took its place meanwhile
            raise Refused(HTTPStatus.NOT_FOUND, GONE) from error
        except UserError as error:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error).replace(f"{folder}/", "")) from error
        return counts.text(PHOTOS)


class _Handler(LocalHandler):
    """Paths: /, /batches, /batches/NAME, /batches/NAME/photos/PHOTO, /batches/NAME/{page.html, scores.csv}."""

    server: App

    def get(self, parts: list[str]) -> None:
        if parts == [""]:
            limits = {"photos": PHOTOS, "bytes": BYTES}
            text = render(
                "app.html.j2", title="Recognise photos", classes=self.server.recogniser.classes, limits=limits
            )
            self.send(HTTPStatus.OK, KINDS[".html"], text.encode(), POLICY)
            return
        match parts:
            case ["batches", name, ("page.html" | "scores.csv") as file]:
                path = self.server.uploads.batch(name).folder / file
            case ["batches", name, "photos", photo]:
                path = self.server.uploads.batch(name).folder / "photos" / photo
                if path not in self.server.uploads.batch(name).photos:
                    raise Refused(HTTPStatus.NOT_FOUND, "no such photo")
            case _:
                raise Refused(HTTPStatus.NOT_FOUND, "nothing here")
        if not path.is_file():
            raise Refused(HTTPStatus.NOT_FOUND, "not there yet")
        kind = KINDS.get(path.suffix.lower(), "application/octet-stream")
        policy = POLICY if path.name == PAGE and len(parts) == 3 else "sandbox"
        if policy == "sandbox" and kind == KINDS[".html"]:
            kind = "application/octet-stream"
        self.send(HTTPStatus.OK, kind, path.read_bytes(), policy)

    def post(self, parts: list[str]) -> None:
        match parts:
            case ["batches"]:
                answer = {"name": self.server.uploads.begin()}
            case ["batches", name]:
                answer = {"text": self.server.predict(name), "page": f"/batches/{quote(name)}/{PAGE}",
                          "table": f"/batches/{quote(name)}/{TABLE}"}  # fmt: skip
            case _:
                raise Refused(HTTPStatus.NOT_FOUND, "nothing here")
        self.send(HTTPStatus.OK, "application/json", json.dumps(answer).encode())

    def put(self, parts: list[str]) -> None:
        match parts:
            case ["batches", name, "photos", photo]:
                self.server.uploads.take(name, photo, self.body(BYTES))
                self.send(HTTPStatus.NO_CONTENT, "", b"")
            case _:
                raise Refused(HTTPStatus.NOT_FOUND, "nothing here")

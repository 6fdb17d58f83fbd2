"""Photos that a browser sends to `t2ipal app`: batches of them in a temporary folder, bounded in number and size."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
import unicodedata
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from t2ipal.prediction.local_http import Refused

PHOTOS = 100
"""Photos of a page at most."""
BYTES = 32_000_000
"""Bytes of a photo at most."""
KEPT = 3
"""Pages that are kept; an earlier one is removed, with its photos, when a new one begins."""
GONE = "these photos are no longer here; drop them again"


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
        """A new file for a photo of this name, which may be any text. No two differ in case or accents alone."""
        stem, suffix = os.path.splitext(name.replace("/", "_").replace("\0", "_").lstrip(".") or "photo")
        stem, suffix = (part.encode("utf-8", "replace").decode() for part in (stem[:50], suffix[:12]))
        taken = {_alike(path.name) for path in self.photos}
        names = (f"{stem}{f' ({number})' if number > 1 else ''}{suffix}" for number in range(1, PHOTOS + 2))
        return self.folder / "photos" / next(each for each in names if _alike(each) not in taken)


def _alike(name: str) -> str:
    """A name as file systems compare it that make no difference between cases, or compose characters."""
    return unicodedata.normalize("NFC", name).casefold()


class Uploads:
    """All batches; their folder is removed by `close`."""

    def __init__(self) -> None:
        self.batches: dict[str, Batch] = {}
        self.changes = threading.Lock()
        self.temporary = tempfile.TemporaryDirectory(prefix="t2ipal-app-")

    def close(self) -> None:
        """Remove all photos."""
        self.temporary.cleanup()

    def begin(self) -> str:
        """A new batch; its name.

        Raises:
            Refused: the disk is full.
        """
        name = secrets.token_urlsafe(16)
        batch = Batch(Path(self.temporary.name) / name)
        with self.changes:
            for old in list(self.batches)[: max(0, len(self.batches) + 1 - KEPT)]:
                shutil.rmtree(self.batches.pop(old).folder, ignore_errors=True)
            try:
                (batch.folder / "photos").mkdir(parents=True)
            except OSError as error:
                raise _unkept(error) from error
            self.batches[name] = batch
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
            Refused: there are too many, or the disk is full.
        """
        with self.changes:
            batch = self.batch(name)
            if len(batch.photos) == PHOTOS:
                raise Refused(HTTPStatus.CONFLICT, f"more than {PHOTOS} photos")
            path = batch.place(photo)
            try:
                path.write_bytes(content)
            except OSError as error:
                path.unlink(missing_ok=True)
                raise _unkept(error) from error
            batch.photos.append(path)


def _unkept(error: OSError) -> Refused:
    reason = (error.strerror or str(error)).lower()
    return Refused(HTTPStatus.INSUFFICIENT_STORAGE, f"the photos cannot be kept: {reason}")

"""The folder of a page's thumbnails: made next to its final name, and removed only if this project made it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import TracebackType

from t2ipal.atomic import is_at_work, unfinished, unfinished_name
from t2ipal.errors import UserError
from t2ipal.file_lock import try_lock
from t2ipal.marks import MARK, is_marked, mark

OURS = re.compile(rf"\d{{6,}}\.jpg|{re.escape(MARK)}")


def thumbnail_folder(page: str | Path) -> Path:
    """The folder of the thumbnails of many photos, next to the page."""
    page = Path(page)
    return page.with_name(f"{page.stem}-thumbnails")


def check_folder(folder: Path) -> None:
    """Check that the folder may be replaced.

    Raises:
        UserError: something is there that no page of ours left.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UserError(f"{folder}: not a folder of this project; the page's thumbnails go there (expected nothing)")
    names = [path.name for path in folder.iterdir()] if folder.exists() else []
    others = sorted(name for name in names if not OURS.fullmatch(name))
    if names and (others or not is_marked(folder)):
        raise UserError(
            f"{folder}: contains {min(others or names)!r}, which no page of this project made, and its thumbnails go "
            "there (expected another name of the page)"
        )


class Thumbnails:
    """The thumbnails of one page; what is not finished is gone when the block ends.

    Args:
        page: the HTML file.

    Raises:
        UserError: as `check_folder`.
    """

    def __init__(self, page: str | Path) -> None:
        self.folder = thumbnail_folder(page)
        self.part = unfinished_name(self.folder)
        self.lock: int | None = None
        check_folder(self.folder)
        for left in unfinished(self.folder):
            if left.is_dir() and not is_at_work(left):
                _remove(left)

    def __enter__(self) -> Thumbnails:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.lock is not None:
            os.close(self.lock)
        if self.part.exists():
            _remove(self.part)

    def add(self, name: str, content: bytes) -> str:
        """Write a thumbnail; return its path as seen from the page.

        Raises:
            UserError: the disk is full, or the folder cannot be written.
        """
        try:
            if self.lock is None:
                mark(self.part)
                self.lock = os.open(self.part, os.O_RDONLY)
                try_lock(self.lock)  # for others who ask `is_at_work`
            (self.part / name).write_bytes(content)
        except OSError as error:
            raise UserError(f"{self.folder}: cannot be written: {error.strerror.lower()}") from error
        return f"{self.folder.name}/{name}"

    def finish(self) -> None:
        """Put the thumbnails under their final name; without any, remove what an earlier page left."""
        check_folder(self.folder)
        if self.folder.exists():
            _remove(self.folder)
        if self.part.exists():
            self.part.rename(self.folder)


def _remove(folder: Path) -> None:
    """Remove a folder of thumbnails; a file of someone else's stays, and is an error."""
    for path in folder.iterdir():
        if OURS.fullmatch(path.name):
            path.unlink()
    folder.rmdir()

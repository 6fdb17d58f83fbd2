"""Text files with one entry per line, as data sets come with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from t2ipal.errors import UserError
from t2ipal.store import existing


def lines(path: Path) -> Iterator[str]:
    """Yield the lines that are not empty, without outer spaces; they may end in CRLF, the file may start with a mark.

    Raises:
        UserError: no such file, or one that is not text.
    """
    try:
        with existing(path).open(encoding="utf-8-sig") as file:
            yield from (line.strip() for line in file if line.strip())
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise UserError(f"{path}: not a text file: {error}") from error

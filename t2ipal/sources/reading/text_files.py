"""Text files with one entry per line: a name, or a JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of a file of JSON lines; empty lines are skipped.

    Raises:
        UserError: no such file, or a line that is no JSON object.
    """
    with existing(path).open(encoding="utf-8-sig") as file:
        try:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except json.JSONDecodeError as error:
                    raise UserError(f"{path}: line {number}: not JSON: {error}") from error
                if not isinstance(row, dict):
                    raise UserError(f"{path}: line {number}: found {line.strip()[:60]}; expected a JSON object")
                yield number, row
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: not UTF-8 text: {error}") from error

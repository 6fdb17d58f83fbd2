"""Text files: their encoding, and those with one entry per line, a name or a JSON object."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from t2ipal.errors import UserError
from t2ipal.store import existing

HEAD = 4096
"""Bytes that show what a file is."""

_MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte order marks; UTF-16 after UTF-32, whose mark begins with its own."""

_NO_TEXT = {
    b"PK\x03\x04": "a zip archive, such as an .xlsx or .ods workbook",
    b"\xd0\xcf\x11\xe0": "an old Office file, such as an .xls workbook",
    b"\x1f\x8b": "compressed by gzip",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"PAR1\x15": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x93NUMPY": "an array of NumPy",
    b"\x89HDF": "an HDF5 file",
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"SQLite format 3\0": "an SQLite database",
    b"{\\rtf": "an RTF document",
    b"<!doctype html": "a web page",
    b"<htm": "a web page",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself",
    b"%PDF-": "a PDF",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
}
"""How files begin that are no text, or none that is meant, whatever their name."""


def encoding_of(head: bytes) -> str:
    """The encoding of a file that begins with `head`: UTF-8, or what a byte order mark says.

    Raises:
        ValueError: it is no text, or text of an encoding that is not certain.
    """
    tag = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:20].lower()
    for start, what in _NO_TEXT.items():
        if head.startswith(start) or (start[:1] == b"<" and tag.startswith(start)):
            raise ValueError(what)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    if 4 * head.count(0) > len(head):
        raise ValueError("NUL bytes, as in UTF-16 without a byte order mark")
    return "utf-8-sig"


@contextmanager
def open_text(path: str | Path, newline: str | None = None, expected: str = "text in UTF-8") -> Iterator[TextIO]:
    """Open a text file; `newline` as `open`. UTF-8 with or without a byte order mark, UTF-16 and UTF-32 with one.

    Raises:
        UserError: no such file, one that may not be read, is no regular file or no text, or has another encoding; the
            line ends with what is `expected`.
    """
    path = existing(path)
    try:
        if not path.is_file():
            raise ValueError("a folder" if path.is_dir() else "not a regular file")
        with path.open("rb") as file:
            encoding = encoding_of(file.read(HEAD))
        with path.open(encoding=encoding, newline=newline) as file:
            yield file
    except UnicodeError as error:
        raise UserError(f"{path}: {_undecoded(path, error)}; expected {expected}") from error
    except PermissionError as error:
        raise UserError(f"{path}: cannot be read: permission denied") from error
    except ValueError as error:
        raise UserError(f"{path}: {error}; expected {expected}") from error


def _undecoded(path: Path, error: UnicodeError) -> str:
    """Why a file cannot be decoded, with the line if it begins like UTF-8."""
    with path.open("rb") as file:
        encoding = encoding_of(file.read(HEAD))
        if not encoding.startswith("utf-8"):
            return f"not UTF-8 text, and damaged {encoding.upper()}: {error}"
        file.seek(0)
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding if number == 1 else "utf-8")
            except UnicodeDecodeError as bad:
                return f"line {number}: byte 0x{line[bad.start]:02X} is not UTF-8 text: Latin-1 or Windows-1252?"
    return f"not UTF-8 text: {error}"


def writable(text: str) -> str:
    """The text with what no UTF-8 file can hold, lone surrogates, written as codes such as \\ud83d."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def lines(path: Path) -> Iterator[str]:
    """Yield the lines that are not empty, without outer spaces; they may end in CRLF, the file may start with a mark.

    Raises:
        UserError: as `open_text`.
    """
    with open_text(path) as file:
        yield from (line.strip() for line in file if line.strip())


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a JSON file; Python's reader takes the last of two values with one key.

    Raises:
        ValueError: a key is there twice.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"key {writable(twice)!r} occurs twice in one object")
    return values


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of a file of JSON lines; empty lines are skipped.

    Raises:
        UserError: as `open_text`, or a line that is no JSON object.
    """
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line, object_pairs_hook=unique)
            except (json.JSONDecodeError, RecursionError) as error:
                raise UserError(f"{path}: line {number}: not JSON: {error}") from error
            except ValueError as error:  # a key twice, or a number of thousands of digits
                raise UserError(f"{path}: line {number}: {error}") from error
            if not isinstance(row, dict):
                raise UserError(f"{path}: line {number}: found {line.strip()[:60]}; expected a JSON object")
            yield number, row

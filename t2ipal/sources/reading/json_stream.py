"""Reading one long array of a JSON file piece by piece, in memory that does not grow with the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from t2ipal.errors import UserError
from t2ipal.text_files import open_text, unique

CHUNK = 1 << 20  # characters
_DECODER = json.JSONDecoder(object_pairs_hook=unique)


def items(path: str | Path, key: str) -> Iterator[Any]:
    """Yield the elements of the array under `key` of the object that the file holds.

    Values of other keys are skipped, arrays of them element by element too.

    Raises:
        UserError: no such file, not JSON, cut off, no such key, or no array under it.
    """
    return (item for _, item in entries(path, key))


def entries(path: str | Path, *keys: str) -> Iterator[tuple[str, Any]]:
    """Yield (key, element) of the arrays under `keys`, in the order of the file.

    For one key, it is read no further than that array; for several, to its end: a second array of one name is seen.

    Raises:
        UserError: as `items`.
    """
    expected = f"JSON with an array {' and '.join(map(repr, keys))}"
    with open_text(path, expected=expected) as file:
        try:
            yield from _entries(_Text(file), set(keys))
        except UnicodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}: {error}; expected {expected}") from error


def _entries(text: _Text, wanted: set[str]) -> Iterator[tuple[str, Any]]:
    text.expect("{")
    missing = set(wanted)
    while text.peek() != "}":
        name = text.value()
        text.expect(":")
        if name in wanted - missing:
            raise ValueError(f"key {name!r} occurs twice")
        if text.peek() == "[":
            for item in _array(text):
                if name in missing:
                    yield name, item
            missing.discard(name)
            if not missing and len(wanted) == 1:
                return
        elif name in missing:
            raise ValueError(f"{name!r} is no array")
        else:
            text.value()
        if text.peek() == ",":
            text.expect(",")
    if missing:
        raise ValueError(f"no key {min(missing)!r}")


def _array(text: _Text) -> Iterator[Any]:
    text.expect("[")
    while text.peek() != "]":
        yield text.value()
        if text.peek() == ",":
            text.expect(",")
        elif text.peek() != "]":
            raise ValueError(f"found {text.peek()!r} between two values")
    text.expect("]")


class _Text:
    """A window on a text file that moves with what has been read of it."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._window = ""
        self._at = 0

    def _more(self) -> bool:
        chunk = self._file.read(max(CHUNK, len(self._window) - self._at))
        self._window, self._at = self._window[self._at :] + chunk, 0
        return bool(chunk)

    def peek(self) -> str:
        """The next character that is no space."""
        while True:
            while self._at < len(self._window) and self._window[self._at].isspace():
                self._at += 1
            if self._at < len(self._window):
                return self._window[self._at]
            if not self._more():
                raise ValueError("the file is cut off")

    def expect(self, mark: str) -> None:
        """Read `mark`."""
        actual = self.peek()
        if actual != mark:
            raise ValueError(f"found {actual!r} where {mark!r} belongs")
        self._at += 1

    def value(self) -> Any:
        """Read a whole value."""
        self.peek()
        while True:
            start = self._at
            try:
                value, end = _DECODER.raw_decode(self._window, start)
            except json.JSONDecodeError as error:
                if not self._more():
                    raise ValueError(f"cut off or malformed: {error.msg}") from error
                continue
            if end < len(self._window):
                self._at = end
                return value
            # a number at the window's end may go on behind it
            if not self._more():
                self._at = end - start
                return value

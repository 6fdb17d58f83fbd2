"""Lists of caption ids: which captions of a pool to take.

TaI-DPT publishes its choice, one caption per image of COCO train2017, as a pickled list of whole numbers. Loading a
a pickle runs its instructions, so it is never loaded: its instructions are read one by one, and any that does more than
put whole numbers into one list is an error.
"""

from __future__ import annotations

import json
import pickletools
import re
from collections.abc import Iterable
from pathlib import Path

from t2ipal.errors import UserError
from t2ipal.store import existing
from t2ipal.text_files import open_text

SUFFIXES = (".pkl", ".pickle", ".txt", ".json", ".npy")

EXPECTED = "a list of whole numbers"

_NUMBERS = {"BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4"}
_LISTS = {"EMPTY_LIST", "LIST"}
_FRAME = {"PROTO", "FRAME", "MARK", "APPEND", "APPENDS", "STOP"}
_NAMING = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
"""Instructions that give the list a number for later use; nothing allowed here uses it."""


def read_ids(path: str | Path) -> list[int]:
    """Read a list of ids, in its order: .pkl (a list of whole numbers), .txt (one per line), .json, .npy.

    Raises:
        UserError: no such file, another kind of file, an id that is no whole number, or one that occurs twice.
    """
    path, suffix = existing(path), Path(path).suffix.lower()
    if suffix not in SUFFIXES or not path.is_file():
        what = repr(suffix or "no suffix") if path.is_file() else "no regular file"
        raise UserError(f"{path}: found {what}; expected {', '.join(SUFFIXES)}")
    try:
        ids = {".txt": _text, ".json": _json, ".npy": _array}.get(suffix, _pickle)(path)
    except (ValueError, EOFError, OSError, MemoryError, RecursionError) as error:
        raise UserError(f"{path}: {error}; expected {EXPECTED}") from error
    if not ids:
        raise UserError(f"{path}: no id; expected at least one")
    if len(set(ids)) < len(ids):
        raise UserError(f"{path}: {len(ids) - len(set(ids))} ids occur more than once; expected unique ids")
    return ids


def _text(path: Path) -> list[int]:
    with open_text(path, expected=EXPECTED) as file:
        return [_number(word, line) for line, text in enumerate(file, start=1) for word in text.split()]


def _number(word: str, line: int) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", word):
        raise ValueError(f"line {line}: found {word[:40]!r}")
    return int(word)


def _json(path: Path) -> list[int]:
    with open_text(path, expected=EXPECTED) as file:
        ids = json.load(file)
    return _whole(ids) if isinstance(ids, list) else _fail(f"found a {type(ids).__name__}")


def _array(path: Path) -> list[int]:
    import numpy as np

    ids = np.load(path, allow_pickle=False)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        _fail(f"found an array of {ids.dtype} with {ids.ndim} dimensions")
    return ids.tolist()


def _pickle(path: Path) -> list[int]:
    ids: list[int] = []
    lists = 0
    for code, value, _ in pickletools.genops(path.read_bytes()):
        if code.name in _NUMBERS:
            ids += _whole([value])
        elif code.name in _LISTS:
            lists += 1
        elif code.name not in _FRAME | _NAMING:
            _fail(f"pickle with instruction {code.name}")
    return ids if lists == 1 else _fail(f"pickle with {lists} lists")


def _whole(items: Iterable[object]) -> list[int]:
    """The values, if every one is a whole number; True is none."""
    return [item if type(item) is int else _fail(f"found {str(item)[:40]!r}") for item in items]  # type: ignore[misc]


def _fail(what: str) -> list[int]:
    raise ValueError(what)

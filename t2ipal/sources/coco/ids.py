"""Ids in COCO files as people have them: whole numbers of any size and sign, or texts, or both."""

from __future__ import annotations

import re
from typing import Any

from t2ipal.text_files import writable

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,18})", re.ASCII)

Id = int | str


def id_of(value: Any) -> Id:
    """An id as it is compared: a number written as text, or as 7.0, is that number.

    Raises:
        ValueError: it is neither a whole number nor a text.
    """
    if isinstance(value, str) and value.strip() and writable(value) == value:
        return int(value) if _NUMBER.fullmatch(value) else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"found {writable(str(value)[:40])!r}; expected an id: a whole number or a text")


def id_text(value: Any) -> str:
    """An id as text, which gives the order of rows: numbers with at least 12 digits, as in COCO's file names.

    Raises:
        ValueError: as `id_of`.
    """
    key = id_of(value)
    return f"{key:012d}" if isinstance(key, int) else key


def field(item: Any, key: str) -> Any:
    """A value of an entry.

    Raises:
        ValueError: the entry is no object, or lacks it.
    """
    if not isinstance(item, dict) or key not in item:
        raise ValueError(f"no {key!r} in {str(item)[:80]}")
    return item[key]

"""Kinds of values that options take."""

from __future__ import annotations

import argparse
from pathlib import Path

from t2ipal.validation import MOST


def nonempty_path(text: str) -> Path:
    """A path. An empty text, such as an unset variable of the shell, is refused: it would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path")
    if "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a path")
    return Path(text)


def positive(text: str) -> int:
    """A whole number from 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r:.40} is not a whole number >= 1, at most {MOST:,}")
    return value

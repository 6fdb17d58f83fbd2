"""Kinds of values that options take."""

from __future__ import annotations

import argparse
from pathlib import Path


def nonempty_path(text: str) -> Path:
    """A path. An empty text, such as an unset variable of the shell, is refused: it would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty path")
    return Path(text)


def positive(text: str) -> int:
    """A whole number from 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number >= 1")
    return value

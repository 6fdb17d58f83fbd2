"""Looking for what an unpacked archive nests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

DEPTH = 3
"""Folders below the root that are searched for what an unpacked archive nests."""


def first_existing(paths: Iterable[Path]) -> Path:
    """The first that exists, or the first."""
    paths = list(paths)
    return next((path for path in paths if path.exists()), paths[0])

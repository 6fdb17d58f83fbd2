"""The mark of a folder that this project made: it may be removed or replaced, and contains no photos of the user."""

from __future__ import annotations

import os
from pathlib import Path

MARK = ".t2ipal"


def mark(folder: str | Path) -> None:
    """Make a folder, and mark it as this project's."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, MARK).write_text("made by t2ipal, and removed by it\n", encoding="utf-8")


def claim(folder: str | Path) -> None:
    """Make and mark a folder if nothing is in it yet: one with other things in it gets no mark."""
    if not Path(folder).exists() or not any(Path(folder).iterdir()):
        mark(folder)


def is_marked(folder: str | Path) -> bool:
    """Whether this project made a folder."""
    return os.path.isfile(Path(folder, MARK))

"""A folder that is written for others: new or empty before, and there when it is whole."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from t2ipal.atomic import is_at_work, unfinished, unfinished_name
from t2ipal.errors import UserError
from t2ipal.marks import MARK, is_marked, mark

_PLAIN = re.compile(r"[a-z][a-z0-9]*([-.][a-z0-9]+)*")
"""Names that are texts in YAML without quotes."""
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder next to `folder`, which gets its name, or moves into it, when the block ends well.

    Raises:
        UserError: something is there that is not an empty folder, or it cannot be written.
    """
    if os.path.lexists(folder) and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder}: not an empty folder (expected one, or a name that is not taken)")
    target = Path(os.path.realpath(folder))
    part = unfinished_name(target)
    try:
        for left in unfinished(target):
            if is_marked(left) and not is_at_work(left):
                shutil.rmtree(left, ignore_errors=True)
        mark(part)
        try:
            yield part
            (part / MARK).unlink()
            if target.exists():  # it may be the current folder, or a mounted disk
                for path in sorted(part.iterdir()):
                    path.rename(target / path.name)
            else:
                part.rename(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        name = error.filename if error.filename and str(part) not in str(error.filename) else folder
        raise UserError(f"{name}: {'cannot be written: ' if name == folder else ''}{_reason(error)}") from error


def _reason(error: OSError) -> str:
    return (error.strerror or " ".join(str(error).split())[:200]).lower()


def cell(text: object) -> str:
    """A text for a cell of a Markdown table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def scalar(text: str) -> str:
    """A text for the header of a card, which is YAML."""
    return text if _PLAIN.fullmatch(text) and text not in _WORDS else json.dumps(text)

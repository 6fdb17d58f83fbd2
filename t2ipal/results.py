"""Where the outputs of a config go."""

from __future__ import annotations

import os
from pathlib import Path

from t2ipal.errors import UserError


def results_folder(root: str, name: str) -> str:
    """The folder of a config's outputs: `root`, "~" for one's home, and its name.

    Raises:
        UserError: it is not a folder, or nothing can be written there.
    """
    folder = os.path.normpath(os.path.join(os.path.expanduser(root), name))
    there = Path(folder).absolute()
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise UserError(f"config: results_dir: {there}: not a folder (expected one, or a path where it can be made)")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"config: results_dir: {there}: no permission to write (expected a folder of one's own)")
    return folder

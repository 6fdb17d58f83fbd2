"""Where the outputs of a config go, and their removal."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from t2ipal.atomic import nearest
from t2ipal.errors import UserError
from t2ipal.marks import MARK, is_marked

PARTS = (
    *("benchmarks", "cache", "captions", "features", "figures", "images", "logs", "predictions", "protocols"),
    *("recognisers", "report", "report.html", "runs", "search", "tables", ".report.part.html"),
)
"""What the workflow makes in the folder of a config's outputs."""


def results_folder(root: str, name: str, to_write: bool = True) -> str:
    """The folder of a config's outputs: `root`, "~" for one's home, and its name.

    Args:
        root: the config's `results_dir`.
        name: the config's `name`.
        to_write: whether something will be written there.

    Raises:
        UserError: it is not a folder, or nothing can be written there.
    """
    folder = os.path.normpath(os.path.join(os.path.expanduser(root), name))
    if folder.startswith("~"):
        raise UserError(f"config: results_dir: {root}: no such user (expected ~ for one's own home, or a path)")
    if any(len(os.fsencode(part)) > 255 for part in Path(folder).parts):
        raise UserError(f"config: results_dir: {root}: a name of more than 255 bytes (expected a shorter one)")
    there = nearest(Path(folder).absolute())
    if not there.is_dir():
        raise UserError(f"config: results_dir: {there}: not a folder (expected one, or a path where it can be made)")
    if to_write and not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"config: results_dir: {there}: no permission to write (expected a folder of one's own)")
    return folder


def remove_results(folder: str | Path, inputs: Iterable[Path] = ()) -> list[Path]:
    """Remove what the workflow made in a folder, and the folder if nothing else is in it; return what else is.

    Links are removed, what they name is not. Results of other configs that are in the folder stay.

    Args:
        folder: that of a config's outputs.
        inputs: what the config reads.

    Raises:
        UserError: no run made the folder, or it contains a home, this checkout or an input.
    """
    folder = Path(folder)
    if not folder.exists():
        return []
    there = folder.resolve()
    homes = [os.path.expanduser("~")]
    with suppress(KeyError):  # a user without a name, as in containers
        homes.append(pwd.getpwuid(os.getuid()).pw_dir)  # make sets HOME where it cannot be written
    inside = [Path(place).resolve() for place in (Path.cwd(), *homes)]
    if any(there == place or there in place.parents for place in inside):
        raise UserError(f"{folder}: not removed: a folder around others (expected one of results alone)")
    if not is_marked(folder):
        raise UserError(f"{folder}: not removed: no run of this project made it (expected a file {MARK} in it)")
    for path in inputs:
        if Path(os.path.realpath(path)).is_relative_to(there):
            raise UserError(f"{folder}: not removed: the config reads {path} in it (expected data in another folder)")
    for path in (folder / part for part in PARTS):
        if path.is_dir() and not path.is_symlink():
            if not _has_results(path):
                shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    others = sorted(path for path in folder.iterdir() if path.name != MARK)
    if not others:
        (folder / MARK).unlink(missing_ok=True)
        if not folder.is_symlink():
            folder.rmdir()
    return others


def _has_results(folder: Path) -> bool:
    """Whether the outputs of another config are in a folder: the marks of thumbnails are those of its own pages."""
    return any(not mark.parent.name.endswith("-thumbnails") for mark in folder.rglob(MARK))

"""Checks of where predictions go, before any is made: nothing that is not ours is overwritten."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path

from t2ipal.atomic import is_no_file, nearest
from t2ipal.errors import UserError
from t2ipal.prediction.thumbnails import check_folder, thumbnail_folder

GENERATOR = b'<meta name="generator" content="t2ipal">'
"""What the pages of this project begin with; see the template of all pages."""

FIRST = ["photo", "problem"]
"""The first columns of every table of predictions."""

HEAD = 4096
"""Bytes that tell what a file is."""


def check_outputs(outputs: Mapping[str, Path], inputs: Iterable[Path]) -> None:
    """Check that the outputs can be written, and that none is an input, another output or a file of another kind.

    Args:
        outputs: files by their option: --csv, --parquet, --gallery.
        inputs: files that are read.

    Raises:
        UserError: one of them cannot be written, or something would be lost.
    """
    for option, path in outputs.items():
        _check_place(option, path)
    for (option, path), (other, same) in combinations(outputs.items(), 2):
        if _is_same(path, same) and str(path) != os.devnull:
            raise UserError(f"{path}: both {option} and {other} (expected a file each)")
    existing = {option: path for option, path in outputs.items() if path.is_file() and not is_no_file(path)}
    folder = thumbnail_folder(outputs["--gallery"]) if "--gallery" in outputs else None
    if folder and not is_no_file(outputs["--gallery"]):
        _check_thumbnails(folder, outputs)
    if existing or (folder and folder.exists()):
        _check_inputs(existing, folder, inputs)
    for option, path in existing.items():
        if problem := _problem_of(option, path):
            raise UserError(f"{path}: {problem}, and would be overwritten by {option} (expected a new file)")


def _check_place(option: str, path: Path) -> None:
    if path.is_dir():
        raise UserError(f"{path}: a folder (expected a file for {option})")
    if path.is_block_device():
        raise UserError(f"{path}: a disk (expected a file for {option})")
    if is_no_file(path):
        if not os.access(path, os.W_OK):
            raise UserError(f"{path}: no permission to write (expected another file for {option})")
        return
    there = nearest(Path(os.path.realpath(path)).parent)
    if not there.is_dir():
        raise UserError(f"{path}: {there} is not a folder (expected a file for {option})")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{path}: no permission to write in {there} (expected another folder for {option})")


def _is_same(one: Path, other: Path) -> bool:
    if os.path.exists(one) and os.path.exists(other):
        return os.path.samefile(one, other)
    return os.path.realpath(one) == os.path.realpath(other)


def _check_thumbnails(folder: Path, outputs: Mapping[str, Path]) -> None:
    check_folder(folder)
    for option, path in outputs.items():
        if Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
            raise UserError(
                f"{path}: in {folder}, where the page's thumbnails go (expected another place for {option})"
            )


def _check_inputs(existing: Mapping[str, Path], folder: Path | None, inputs: Iterable[Path]) -> None:
    taken = {(about.st_dev, about.st_ino): option for option, path in existing.items() for about in [path.stat()]}
    for path in inputs:
        try:
            about = path.stat()
        except OSError:  # a photo that cannot be read is listed later
            continue
        option = taken.get((about.st_dev, about.st_ino))
        if option:
            raise UserError(f"{existing[option]}: {option} would overwrite an input, {path} (expected a new file)")
        if folder and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
            raise UserError(f"{path}: an input in {folder}, where the page's thumbnails go (expected another page)")


def _problem_of(option: str, path: Path) -> str:
    """Why a file is no earlier output of the same option; "" for one that is, and for an empty file."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return ""
    if option == "--gallery":
        return "" if GENERATOR in head else "not a page of this project"
    if option == "--csv" and b"\0" in head:
        return "not a text file"
    if option == "--parquet" and not head.startswith(b"PAR1"):
        return "not a Parquet file"
    columns = head.decode("utf-8", "replace").split(",") if option == "--csv" else _columns(path)
    return "" if [name.strip() for name in columns[:2]] == FIRST else "not a table of predictions"


def _columns(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path).names
    except (pa.ArrowException, OSError):
        return []

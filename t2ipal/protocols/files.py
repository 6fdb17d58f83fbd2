"""What the files of all protocols have in common: image ids in ascending order, and rows by level."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.errors import UserError
from t2ipal.store import read_parquet

if TYPE_CHECKING:
    import pyarrow as pa


def sorted_ids(image_ids: Sequence[str]) -> tuple[list[str], list[int]]:
    """The ids in ascending order, and the position of each in `image_ids`.

    Raises:
        UserError: an id occurs twice.
    """
    order = sorted(range(len(image_ids)), key=lambda row: image_ids[row])
    ids = [image_ids[row] for row in order]
    if len(set(ids)) < len(ids):
        raise UserError(f"labelled images: {len(ids)} rows of {len(set(ids))} ids; expected each id once")
    return ids, order


def rows_at_level(path: str | Path, columns: Sequence[str], level: int) -> pa.Table:
    """The rows of one level.

    Raises:
        UserError: the file is missing or damaged, or does not have the level.
    """
    import pyarrow.compute as pc

    table = read_parquet(path, columns)
    rows = table.filter(pc.equal(table["level"], level))
    if not len(rows):
        levels = ", ".join(map(str, sorted(set(table["level"].to_pylist()))))
        raise UserError(f"{path}: no rows of level {level}; it has {levels or 'none'}")
    return rows

"""Joining rows by id: each id once on either side, and none missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from t2ipal.errors import UserError
from t2ipal.store import read_parquet


def join_rows(ids: Sequence[str], available: Sequence[str], what: str) -> Tensor:
    """The row of each of `ids` in `available`: [len(ids)] int64.

    Raises:
        UserError: an id twice on either side, or an id that is not available; `what` names where it was looked for.
    """
    row_of = {identity: row for row, identity in enumerate(available)}
    for name, values, count in ((what, available, len(row_of)), ("labelled captions", ids, len(set(ids)))):
        if count != len(values):
            raise UserError(f"{name}: {len(values)} rows of {count} ids; expected each id once")
    missing = [identity for identity in ids if identity not in row_of]
    if missing:
        raise UserError(f"{what}: no row {missing[0]!r}; {len(missing)} of the {len(ids)} expected ids are missing")
    return torch.tensor([row_of[identity] for identity in ids], dtype=torch.int64)


def label_matrix(positive: Sequence[Sequence[int]], unknown: Sequence[Sequence[int]], classes: int) -> Tensor:
    """Lists of positive and unknown class ids as one matrix [N, classes] int8 of 1, -1 and 0."""
    labels = torch.zeros(len(positive), classes, dtype=torch.int8)
    for value, lists in ((-1, unknown), (1, positive)):
        rows = torch.tensor([row for row, entry in enumerate(lists) for _ in entry], dtype=torch.int64)
        columns = torch.tensor([column for entry in lists for column in entry], dtype=torch.int64)
        labels[rows, columns] = value
    return labels


def read_image_labels(path: str | Path, ids: Sequence[str]) -> Tensor:
    """True labels [N, C] int8 of the images `ids`, from a table of labelled images.

    Raises:
        UserError: an image without labels, or one that is there twice.
    """
    table = read_parquet(path, ["image_id", "labels"])
    if table["labels"].null_count:
        raise UserError(f"{path}: {table['labels'].null_count} images without labels; expected labels for all")
    labels = torch.tensor(table["labels"].to_pylist(), dtype=torch.int8)
    return labels[join_rows(ids, table["image_id"].to_pylist(), str(path))]

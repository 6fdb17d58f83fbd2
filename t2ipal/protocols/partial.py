"""Partial labels: a random share of all labels is known. And the file that records which."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from t2ipal.errors import UserError
from t2ipal.protocols.files import rows_at_level, sorted_ids
from t2ipal.store import parquet_writer

MASK_SEEDS = {"sarb": 0, "tai_dpt": 1}
"""Whose masks -> the seed of their stream of random numbers.

SARB's code (github.com/HCPLab-SYSU/HCP-MLR-PL) seeds it with 0 for every data set. TaI-DPT's takes it as Dassl has
seeded it, with 1, for COCO and NUS-WIDE, and reads files for VOC2007, which have SARB's masks.
"""


def mask_seed(masks: str, source: str) -> int:
    """The seed of the masks, a key of `MASK_SEEDS`, for images of a source of `t2ipal.sources`."""
    return MASK_SEEDS["sarb" if source == "voc" else masks]


def sample_known(count: int, classes: int, share: float, seed: int = 0) -> np.ndarray:
    """Sample which labels stay known when a `share` of all is kept: [count, classes] bool.

    What is known at a share is known at every larger one. With seed 0 these are the nine VOC2007 files of TaI-DPT
    (github.com/guozix/TaI-DPT), bit for bit.
    """
    return np.random.RandomState(seed).random_sample((count, classes)) < share


def write_partial(
    image_ids: Sequence[str],
    classes: int,
    levels: Sequence[int],
    seed: int,
    path: str | Path,
    listed: Iterable[str] = (),
) -> None:
    """Write which labels are known at each level (percent): rows of level, image_id and the known class ids.

    Args:
        image_ids: the images to write.
        classes: their number.
        levels: percent of known labels.
        seed: of the masks.
        path: of the file.
        listed: all images in the order in which masks are sampled, those that were left out included, so that an image
            left out changes no mask of another; empty: `image_ids`, ascending.

    Raises:
        UserError: an image twice or not listed, or a level outside 0 to 100.
    """
    import pyarrow as pa

    ids = sorted_ids(image_ids)[0]
    order = list(listed) or ids
    sorted_ids(order)
    at = {identity: row for row, identity in enumerate(order)}
    for identity in ids:
        if identity not in at:
            raise UserError(f"partial labels: image {identity} is not listed; expected one of the {len(order)} listed")
    rows = np.array([at[identity] for identity in ids], dtype=np.int64)
    schema = pa.schema([("level", pa.int16()), ("image_id", pa.string()), ("known", pa.list_(pa.int16()))])
    with parquet_writer(path, schema) as writer:
        for level in sorted(levels):
            if not 0 <= level <= 100:
                raise UserError(f"partial labels: level {level}; expected a percentage, 0 to 100")
            mask = sample_known(len(order), classes, level / 100, seed)[rows]
            ends = np.concatenate([[0], mask.sum(1).cumsum()]).astype(np.int32)
            known = pa.ListArray.from_arrays(ends, np.nonzero(mask)[1].astype(np.int16))
            column = pa.array(np.full(len(ids), level, dtype=np.int16))
            writer.write_table(pa.Table.from_arrays([column, pa.array(ids, pa.string()), known], schema=schema))


def read_partial(path: str | Path, level: int, image_ids: Sequence[str], classes: int) -> np.ndarray:
    """The mask of known labels of `image_ids` at a level: [N, classes] bool.

    Raises:
        UserError: the file is missing or damaged, does not have the level, or lacks an image.
    """
    from t2ipal.rows.join import join_rows

    table = rows_at_level(path, ["level", "image_id", "known"], level)
    known = table["known"].combine_chunks()
    columns = known.flatten().to_numpy()
    if len(columns) and int(columns.max()) >= classes:
        raise UserError(f"{path}: class {int(columns.max())} is known; expected class ids below {classes}")
    mask = np.zeros((len(known), classes), dtype=bool)
    mask[np.repeat(np.arange(len(known)), known.value_lengths().to_numpy()), columns] = True
    return mask[join_rows(image_ids, table["image_id"].to_pylist(), str(path)).numpy()]

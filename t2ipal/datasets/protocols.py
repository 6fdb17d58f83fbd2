"""Which labels a method may know: partial labels, few-shot draws, novel classes; and the files that record the draws.

Draws come from generators whose streams are frozen (`numpy.random.RandomState`, `random.Random`), so that a file drawn
today can be drawn again by any later version. Images are always taken in ascending order of their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from t2ipal.errors import UserError
from t2ipal.seeds import seed_of
from t2ipal.store import parquet_writer, read_parquet, write_parquet

if TYPE_CHECKING:
    import pyarrow as pa


class FewShot(NamedTuple):
    """The images of one few-shot draw.

    Attributes:
        rows: their rows, int64, ascending.
        short: for each class that has fewer images than were asked for, how many it has; all of them are in `rows`.
    """

    rows: np.ndarray
    short: dict[int, int]


def known_mask(count: int, classes: int, share: float, seed: int = 0) -> np.ndarray:
    """Which labels stay known when a `share` of all is kept: [count, classes] bool.

    What is known at a share is known at every larger one. With seed 0 these are the nine VOC2007 files of TaI-DPT
    (github.com/guozix/TaI-DPT), bit for bit.
    """
    return np.random.RandomState(seed).random_sample((count, classes)) < share


def few_shot_rows(labels: ArrayLike, shots: int, seed: int, classes: Sequence[int] | None = None) -> FewShot:
    """Draw images until every class has at least `shots` of them, as LaSO does (github.com/leokarlin/LaSO).

    The classes are walked in order. A drawn image counts for every class it contains, so a class may end with more than
    `shots`; a class with too few images gives all it has.

    Args:
        labels: [N, C]; 1 is a class that the image contains.
        shots: images per class.
        seed: the draw depends on it and on `shots`.
        classes: the classes to draw for; None: all.
    """
    positive = np.asarray(labels) == 1
    generator = np.random.RandomState(seed_of("few-shot", seed, shots) % 2**32)
    chosen, short = np.zeros(len(positive), dtype=bool), {}
    for c in range(positive.shape[1]) if classes is None else classes:
        has = int(positive[chosen, c].sum())
        free = np.flatnonzero(positive[:, c] & ~chosen)
        if has + len(free) < shots:
            short[c] = has + len(free)
        # each image drawn here adds one to its class, so all that are missing can be drawn at once
        chosen[generator.permutation(free)[: max(0, shots - has)]] = True
    return FewShot(np.flatnonzero(chosen), short)


def write_partial(image_ids: Sequence[str], classes: int, levels: Sequence[int], seed: int, path: str | Path) -> None:
    """Write which labels are known at each level (percent): rows of level, image_id and the known class ids.

    Raises:
        UserError: an image twice, or a level outside 0 to 100.
    """
    import pyarrow as pa

    ids = _sorted_ids(image_ids)[0]
    schema = pa.schema([("level", pa.int16()), ("image_id", pa.string()), ("known", pa.list_(pa.int16()))])
    with parquet_writer(path, schema) as writer:
        for level in sorted(levels):
            if not 0 <= level <= 100:
                raise UserError(f"partial labels: level {level}; expected a percentage, 0 to 100")
            mask = known_mask(len(ids), classes, level / 100, seed)
            ends = np.concatenate([[0], mask.sum(1).cumsum()]).astype(np.int32)
            known = pa.ListArray.from_arrays(ends, np.nonzero(mask)[1].astype(np.int16))
            column = pa.array(np.full(len(ids), level, dtype=np.int16))
            writer.write_table(pa.Table.from_arrays([column, pa.array(ids, pa.string()), known], schema=schema))


def read_partial(path: str | Path, level: int, image_ids: Sequence[str], classes: int) -> np.ndarray:
    """The mask of known labels of `image_ids` at a level: [N, classes] bool.

    Raises:
        UserError: the file is missing or damaged, does not have the level, or lacks an image.
    """
    from t2ipal.training.data import join_rows

    table = _at_level(path, ["level", "image_id", "known"], level)
    known = table["known"].combine_chunks()
    columns = known.flatten().to_numpy()
    if len(columns) and int(columns.max()) >= classes:
        raise UserError(f"{path}: class {int(columns.max())} is known; expected class ids below {classes}")
    mask = np.zeros((len(known), classes), dtype=bool)
    mask[np.repeat(np.arange(len(known)), known.value_lengths().to_numpy()), columns] = True
    return mask[join_rows(image_ids, table["image_id"].to_pylist(), str(path)).numpy()]


def write_few_shot(
    image_ids: Sequence[str],
    labels: ArrayLike,
    shots: Sequence[int],
    seeds: Sequence[int],
    classes: Sequence[int] | None,
    path: str | Path,
) -> list[str]:
    """Write the few-shot draws of all levels (shots) and seeds: rows of level, seed and image_id.

    Args:
        image_ids: of the rows of `labels`.
        labels: [N, C].
        classes: the classes to draw for; None: all.

    Returns:
        A line for each number of shots and class that has fewer images.

    Raises:
        UserError: an image twice, or no image to draw.
    """
    import pyarrow as pa

    ids, order = _sorted_ids(image_ids)
    labels, short = np.asarray(labels)[order], dict[tuple[int, int], int]()
    rows: list[tuple[int, int, str]] = []
    for level in sorted(shots):
        for seed in sorted(seeds):
            draw = few_shot_rows(labels, level, seed, classes)
            short |= {(level, c): count for c, count in draw.short.items()}
            rows += [(level, seed, ids[row]) for row in draw.rows]
            if not len(draw.rows):
                raise UserError(f"few-shot draw of {level} shots: no image with any of the classes")
    schema = pa.schema([("level", pa.int16()), ("seed", pa.int64()), ("image_id", pa.string())])
    columns = [pa.array([row[k] for row in rows], field.type) for k, field in enumerate(schema)]
    write_parquet(pa.Table.from_arrays(columns, schema=schema), path)
    return [f"{level} shots: class {c} has {count} images, all are drawn" for (level, c), count in short.items()]


def read_few_shot(
    path: str | Path, level: int, seeds: Sequence[int], image_ids: Sequence[str]
) -> tuple[np.ndarray, ...]:
    """For each seed, the rows in `image_ids` of the images drawn at a level (shots): int64, in the order of their ids.

    Raises:
        UserError: the file is missing or damaged, does not have the level or a seed, or an image is not in `image_ids`.
    """
    from t2ipal.training.data import join_rows

    table = _at_level(path, ["level", "seed", "image_id"], level)
    drawn: dict[int, list[str]] = {}
    for seed, identity in zip(table["seed"].to_pylist(), table["image_id"].to_pylist(), strict=True):
        drawn.setdefault(seed, []).append(identity)
    for seed in seeds:
        if seed not in drawn:
            raise UserError(f"{path}: no draw of seed {seed}; it has {', '.join(map(str, sorted(drawn)))}")
    return tuple(join_rows(drawn[seed], image_ids, f"images of {path}").numpy() for seed in seeds)


def _sorted_ids(image_ids: Sequence[str]) -> tuple[list[str], list[int]]:
    """The ids in ascending order, and the place of each in `image_ids`."""
    order = sorted(range(len(image_ids)), key=lambda row: image_ids[row])
    ids = [image_ids[row] for row in order]
    if len(set(ids)) < len(ids):
        raise UserError(f"labelled images: {len(ids)} rows of {len(set(ids))} ids; expected each id once")
    return ids, order


def _at_level(path: str | Path, columns: Sequence[str], level: int) -> pa.Table:
    """The rows of one level."""
    import pyarrow.compute as pc

    table = read_parquet(path, columns)
    found = table.filter(pc.equal(table["level"], level))
    if not len(found):
        levels = ", ".join(map(str, sorted(set(table["level"].to_pylist()))))
        raise UserError(f"{path}: no rows of level {level}; it has {levels or 'none'}")
    return found

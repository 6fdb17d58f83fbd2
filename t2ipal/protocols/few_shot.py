"""Few-shot samples: a few labelled images of each class. And the file that records which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from t2ipal.errors import UserError
from t2ipal.protocols.files import rows_at_level, sorted_ids
from t2ipal.seeds import seed_of
from t2ipal.store import write_parquet


class FewShotSample(NamedTuple):
    """The images of one few-shot sample.

    Attributes:
        rows: their rows, int64, ascending.
        short: for each class that has fewer images than were asked for, how many it has; all of them are in `rows`.
    """

    rows: np.ndarray
    short: dict[int, int]


def sample_few_shot(labels: ArrayLike, shots: int, seed: int, classes: Sequence[int] | None = None) -> FewShotSample:
    """Sample images until every class has at least `shots` of them, as LaSO does (github.com/leokarlin/LaSO).

    The classes are walked in order. A chosen image counts for every class it contains, so a class may end with more
    than `shots`; a class with too few images gives all it has.

    Args:
        labels: [N, C]; 1 is a class that the image contains.
        shots: images per class.
        seed: the sample depends on it and on `shots`.
        classes: the classes to sample for; None: all.
    """
    positive = np.asarray(labels) == 1
    generator = np.random.RandomState(seed_of("few-shot", seed, shots) % 2**32)
    chosen, short = np.zeros(len(positive), dtype=bool), {}
    for c in range(positive.shape[1]) if classes is None else classes:
        has = int(positive[chosen, c].sum())
        free = np.flatnonzero(positive[:, c] & ~chosen)
        if has + len(free) < shots:
            short[c] = has + len(free)
        # each image chosen here adds one to its class, so all that are missing can be chosen at once
        chosen[generator.permutation(free)[: max(0, shots - has)]] = True
    return FewShotSample(np.flatnonzero(chosen), short)


def write_few_shot(
    image_ids: Sequence[str],
    labels: ArrayLike,
    shots: Sequence[int],
    seeds: Sequence[int],
    classes: Sequence[int] | None,
    path: str | Path,
) -> list[str]:
    """Write the few-shot samples of all levels (shots) and seeds: rows of level, seed and image_id.

    Args:
        image_ids: of the rows of `labels`.
        labels: [N, C].
        shots: images per class, a sample for each number.
        seeds: a sample for each.
        classes: the classes to sample for; None: all.
        path: of the file.

    Returns:
        A line for each number of shots and class that has fewer images.

    Raises:
        UserError: an image twice, or no image to choose.
    """
    import pyarrow as pa

    ids, order = sorted_ids(image_ids)
    labels, short = np.asarray(labels)[order], dict[tuple[int, int], int]()
    rows: list[tuple[int, int, str]] = []
    for level in sorted(shots):
        for seed in sorted(seeds):
            sample = sample_few_shot(labels, level, seed, classes)
            short |= {(level, c): count for c, count in sample.short.items()}
            rows += [(level, seed, ids[row]) for row in sample.rows]
            if not len(sample.rows):
                raise UserError(f"few-shot sample of {level} shots: no image with any of the classes")
    schema = pa.schema([("level", pa.int16()), ("seed", pa.int64()), ("image_id", pa.string())])
    columns = [pa.array([row[k] for row in rows], field.type) for k, field in enumerate(schema)]
    write_parquet(pa.Table.from_arrays(columns, schema=schema), path)
    return [f"{level} shots: class {c} has {count} images, all are taken" for (level, c), count in short.items()]


def read_few_shot(
    path: str | Path, level: int, seeds: Sequence[int], image_ids: Sequence[str]
) -> tuple[np.ndarray, ...]:
    """For each seed, the rows in `image_ids` of the images sampled at a level (shots): int64, in order of their ids.

    Raises:
        UserError: the file is missing or damaged, does not have the level or a seed, or an image is not in `image_ids`.
    """
    from t2ipal.rows.join import join_rows

    table = rows_at_level(path, ["level", "seed", "image_id"], level)
    sampled: dict[int, list[str]] = {}
    for seed, identity in zip(table["seed"].to_pylist(), table["image_id"].to_pylist(), strict=True):
        sampled.setdefault(seed, []).append(identity)
    for seed in seeds:
        if seed not in sampled:
            raise UserError(f"{path}: no sample of seed {seed}; it has {', '.join(map(str, sorted(sampled)))}")
    return tuple(join_rows(sampled[seed], image_ids, f"images of {path}").numpy() for seed in seeds)

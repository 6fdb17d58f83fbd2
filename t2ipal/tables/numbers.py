"""Numbers of a table from records: means over seeds, averages over levels, and paired differences with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev

import numpy as np

from t2ipal.errors import UserError
from t2ipal.metrics.records import Record
from t2ipal.tables.model import Value

LEVEL = 95.0
"""Percent of the resamples that an interval holds."""


def summary(values: Sequence[float], deterministic: bool = False) -> Value:
    """Mean and sample standard deviation; no deviation for one value or for a method that draws nothing."""
    spread = stdev(values) if len(values) > 1 and not deterministic else None
    return Value(mean(values), spread, len(values))


def difference(ours: Sequence[Record], base: Sequence[Record]) -> Value:
    """mAP of `ours` minus `base`, with the interval of the paired bootstrap.

    Where both ran the same seeds, the deviation is that of the differences by seed; else there is none.
    """
    left, right = ({row["seed"]: row["mAP"] for row in rows} for rows in (ours, base))
    if left.keys() == right.keys():
        value = summary([left[seed] - right[seed] for seed in left])
    else:
        value = Value(mean(left.values()) - mean(right.values()))
    low, high = interval(ours, base)
    return Value(value.mean, value.std, value.count, low, high)


def interval(ours: Sequence[Record], base: Sequence[Record]) -> tuple[float | None, float | None]:
    """The 95 % interval of the difference of the seeds' means over the common resamples (percentiles).

    None twice where the records hold no resamples.

    Raises:
        UserError: the two were measured on different numbers of resamples.
    """
    left, right = (np.array([row["bootstrap"] for row in rows], dtype=np.float64) for rows in (ours, base))
    if left.shape[1] != right.shape[1]:
        names, sizes = [_named(rows[0]) for rows in (ours, base)], (left.shape[1], right.shape[1])
        raise UserError(
            f"metrics of {names[0]}: {sizes[0]} resamples, of {names[1]}: {sizes[1]}; expected the same for both"
        )
    if left.shape[1] == 0:
        return None, None
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(left.mean(0) - right.mean(0), [tail, 100 - tail])
    return float(low), float(high)


def averaged(levels: Sequence[Sequence[Record]]) -> list[Record]:
    """Records of the average over several levels or data sets: seed by seed, and resample by resample.

    Raises:
        UserError: a level was run with other seeds than the first, or measured on another number of resamples.
    """
    seeds = [row["seed"] for row in levels[0]]
    found: list[Record] = []
    for rows in levels:
        if [row["seed"] for row in rows] != seeds:
            raise UserError(f"metrics of {_named(rows[0])}: other seeds than {_named(levels[0][0])}; expected the same")
        if len(rows[0]["bootstrap"]) != len(levels[0][0]["bootstrap"]):
            raise UserError(
                f"metrics of {_named(rows[0])}: another number of resamples than {_named(levels[0][0])}; "
                "expected the same"
            )
    for place in range(len(seeds)):
        same = [rows[place] for rows in levels]
        resamples = np.mean([row["bootstrap"] for row in same], axis=0)
        found.append({**same[0], "mAP": mean(row["mAP"] for row in same), "bootstrap": resamples.tolist()})
    return found


def _named(row: Record) -> str:
    return f"{row['dataset']}/{row['method']}/{row['variant']}, level {row['level']}"

"""What a figure shows of a run's records: mean and deviation over the seeds, and the interval over test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from t2ipal.errors import UserError
from t2ipal.metrics.records import Record
from t2ipal.tables import summary

INTERVAL = (2.5, 97.5)
"""Percentiles of the bootstrap: the limits of the 95 % interval."""


@dataclass(frozen=True)
class Point:
    """mAP of a run in percent.

    Attributes:
        mean: over the seeds.
        std: sample deviation over the seeds, None for one seed.
        count: seeds.
        interval: 95 % bootstrap interval of `mean` over test images, None where the records carry none.
    """

    mean: float
    std: float | None
    count: int
    interval: tuple[float, float] | None

    @property
    def band(self) -> tuple[float, float]:
        """One deviation below and above the mean."""
        spread = self.std or 0.0
        return self.mean - spread, self.mean + spread

    @property
    def reach(self) -> tuple[float, float]:
        """From the least to the greatest value drawn."""
        ends = (*self.band, *(self.interval or ()))
        return min(ends), max(ends)


def point(rows: Sequence[Record], what: str) -> Point:
    """The point of a run's records; `what` names it in messages.

    Raises:
        UserError: no records, an mAP that is no number, or bootstraps that do not fit together.
    """
    if not rows:
        raise UserError(f"{what}: no records; expected one per seed")
    if not all(isfinite(row["mAP"]) for row in rows):
        raise UserError(f"{what}: mAP of seed {next(r['seed'] for r in rows if not isfinite(r['mAP']))} is not finite")
    value = summary([row["mAP"] for row in rows])
    return Point(value.mean, value.std, value.count, interval(rows, what))


def interval(rows: Sequence[Record], what: str) -> tuple[float, float] | None:
    """95 % percentile interval of the mean over seeds, from the bootstraps of a run's records.

    A record's `bootstrap` [B] is its mAP on B resamples of the test images, the same resamples for all seeds. So the
    mean over the seeds [B] is the bootstrap of the mean.

    Raises:
        UserError: only some seeds have a bootstrap, or their lengths differ.
    """
    lengths = {len(row.get("bootstrap") or ()) for row in rows}
    if lengths == {0}:
        return None
    if len(lengths) > 1:
        raise UserError(f"{what}: bootstraps of {sorted(lengths)} values; expected as many for each seed")
    low, high = np.percentile(np.mean([row["bootstrap"] for row in rows], axis=0), INTERVAL)
    return float(low), float(high)


def span(points: Sequence[Point]) -> tuple[float, float]:
    """From the least to the greatest value that these points draw."""
    return min(point.reach[0] for point in points), max(point.reach[1] for point in points)


def near(level: float, low: float, high: float) -> bool:
    """Whether a line at `level` leaves the curves between `low` and `high` a third of the panel or more."""
    reach = max(1.0, high - low)
    return low - reach <= level <= high + reach


def seeds_text(points: Sequence[Point]) -> str:
    """What a band over the seeds is called: "± std over 3 seeds", or "2 to 3" where the runs differ."""
    counts = sorted({value.count for value in points if value.std is not None})
    return f"± std over {counts[0]} seeds" if len(counts) == 1 else f"± std over {counts[0]} to {counts[-1]} seeds"


def number(value: object, what: str) -> float:
    """`value` as a place on a numeric axis.

    Raises:
        UserError: it is no number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise UserError(f"{what}: value {value!r}; expected a number, as only numbers have a place on an axis")
    return value


def numbers(values: Mapping[float, float], what: str) -> tuple[list[float], list[float]]:
    """Keys and values in the order of the keys."""
    x = sorted(number(value, what) for value in values)
    return x, [values[value] for value in x]

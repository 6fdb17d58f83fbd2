"""What a figure shows of a run: mean and deviation over the seeds, and the interval over test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from t2ipal.errors import UserError
from t2ipal.metrics.registry import METRICS
from t2ipal.tables.numbers import Result, interval, summary


@dataclass(frozen=True)
class Point:
    """The metric of a run.

    Attributes:
        mean: over the seeds.
        std: sample deviation over the seeds, None for one seed.
        count: seeds.
        interval: 95 % bootstrap interval of `mean` over test images, None without resamples.
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
        """From the least to the greatest value plotted."""
        ends = (*self.band, *(self.interval or ()))
        return min(ends), max(ends)


def point(result: Result, what: str) -> Point:
    """The point of a result; `what` is its name in messages.

    Raises:
        UserError: a value that is not finite.
    """
    for seed, value in zip(result.seeds, result.values, strict=True):
        if not isfinite(value):
            raise UserError(f"{what}: {result.metric} of seed {seed} is not finite")
    value = summary(result.values)
    return Point(value.mean, value.std, value.count, interval(result))


def metric_label(metric: str) -> str:
    """The label of an axis with a metric: "mAP (%)"."""
    return f"{METRICS[metric].title} ({METRICS[metric].unit})"


def span(points: Sequence[Point]) -> tuple[float, float]:
    """From the least to the greatest value of these points."""
    return min(point.reach[0] for point in points), max(point.reach[1] for point in points)


def near(level: float, low: float, high: float) -> bool:
    """Whether a line at `level` leaves the curves between `low` and `high` a third of the panel or more."""
    reach = max(1.0, high - low)
    return low - reach <= level <= high + reach


def seeds_text(points: Sequence[Point]) -> str:
    """The name of a band over the seeds: "± std over 3 seeds", or "2 to 3" where the runs differ."""
    counts = sorted({value.count for value in points if value.std is not None})
    return f"± std over {counts[0]} seeds" if len(counts) == 1 else f"± std over {counts[0]} to {counts[-1]} seeds"


def number(value: object, what: str) -> float:
    """`value` as a position on a numeric axis.

    Raises:
        UserError: it is no number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise UserError(f"{what}: value {value!r}; expected a number, as only numbers have a position on an axis")
    return value


def numbers(values: Mapping[float, float], what: str) -> tuple[list[float], list[float]]:
    """Keys and values in the order of the keys."""
    x = sorted(number(value, what) for value in values)
    return x, [values[value] for value in x]

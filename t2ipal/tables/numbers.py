"""Numbers from records: what a run reached by a metric, means over seeds, averages over levels, paired differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np

from t2ipal.errors import UserError
from t2ipal.metrics.interval import centred_interval
from t2ipal.metrics.records import Record
from t2ipal.metrics.registry import DEFAULT, METRICS
from t2ipal.tables.model import Value


@dataclass(frozen=True, eq=False)
class Result:
    """What one run reached by one metric at one level, or on the average of several.

    Attributes:
        run: its name in messages: "micro/t2i_pal/base, level 0".
        metric: the metric.
        seeds: its training seeds.
        values: the metric of each seed.
        resamples: [S, B], the metric of each seed on B resamples of the test images, the same for all runs of a data
            set; B is 0 where the records hold none.
    """

    run: str
    metric: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    resamples: np.ndarray

    @classmethod
    def of(cls, records: Sequence[Record], metric: str = DEFAULT) -> Result:
        """The result in the records of a run, one per seed.

        Raises:
            UserError: the records lack the metric, as without validation images those that need a threshold, or hold
                unequal numbers of resamples.
        """
        run = _named(records[0])
        values = [record.get(metric) for record in records]
        if None in values:
            raise UserError(f"metrics of {run}: no {metric}; expected it for each seed")
        resamples = [record.get(METRICS[metric].bootstrap_column) or () for record in records]
        if len({len(row) for row in resamples}) > 1:
            sizes = sorted({len(row) for row in resamples})
            raise UserError(f"metrics of {run}: bootstraps of {sizes} values; expected as many for each seed")
        shape = (len(records), len(resamples[0]))
        seeds = tuple(record["seed"] for record in records)
        return cls(run, metric, seeds, tuple(values), np.array(resamples, dtype=np.float64).reshape(shape))

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return mean(self.values)


def summary(values: Sequence[float], deterministic: bool = False) -> Value:
    """Mean and sample standard deviation; no deviation for one value or for a method without random choice."""
    spread = stdev(values) if len(values) > 1 and not deterministic else None
    return Value(mean(values), spread, len(values))


def difference(ours: Result, base: Result) -> Value:
    """`ours` minus `base`, with the interval of the paired bootstrap.

    Where both have the same seeds, the deviation is that of the differences by seed. A method without random choices
    has one seed, which stands for all: then there is no deviation.

    Raises:
        UserError: both have several seeds and not the same, or other numbers of resamples.
    """
    left, right = (dict(zip(result.seeds, result.values, strict=True)) for result in (ours, base))
    if left.keys() != right.keys() and min(len(left), len(right)) > 1:
        raise UserError(
            f"metrics of {ours.run}: seeds {_listed(left)}, of {base.run}: {_listed(right)}; expected the same for both"
        )
    if left.keys() == right.keys():
        value = summary([left[seed] - right[seed] for seed in left])
    else:
        value = Value(ours.mean - base.mean)
    low, high = difference_interval(ours, base)
    return Value(value.mean, value.std, value.count, low, high)


def difference_interval(ours: Result, base: Result) -> tuple[float | None, float | None]:
    """The 95 % interval of the difference of the seeds' means over the common resamples.

    None twice without resamples.

    Raises:
        UserError: the two were measured on different numbers of resamples.
    """
    sizes = ours.resamples.shape[1], base.resamples.shape[1]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"metrics of {ours.run}: {sizes[0]} resamples, of {base.run}: {sizes[1]}; expected the same for both"
        )
    resamples = ours.resamples.mean(0) - base.resamples.mean(0)
    return centred_interval(ours.mean - base.mean, resamples) if len(resamples) else (None, None)


def interval(result: Result) -> tuple[float, float] | None:
    """The 95 % interval of the mean over the seeds; None without resamples.

    The resamples are the same for all seeds: the mean over the seeds is the bootstrap of the mean.
    """
    resamples = result.resamples.mean(0)
    return centred_interval(result.mean, resamples) if len(resamples) else None


def averaged(results: Sequence[Result]) -> Result:
    """The average over several levels or data sets: seed by seed, and resample by resample.

    Raises:
        UserError: a level was run with other seeds than the first, or measured on another number of resamples.
    """
    first = results[0]
    for result in results:
        if result.seeds != first.seeds:
            raise UserError(f"metrics of {result.run}: other seeds than {first.run}; expected the same")
        if result.resamples.shape != first.resamples.shape:
            raise UserError(f"metrics of {result.run}: another number of resamples than {first.run}; expected the same")
    values = tuple(map(mean, zip(*(result.values for result in results), strict=True)))
    return Result(
        first.run, first.metric, first.seeds, values, np.mean([result.resamples for result in results], axis=0)
    )


def _listed(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, seeds))


def _named(record: Record) -> str:
    return f"{record['dataset']}/{record['method']}/{record['variant']}, level {record['level']}"

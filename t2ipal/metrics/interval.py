"""Confidence intervals of the numbers in tables and figures, from their bootstrap resamples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

LEVEL = 95.0
"""Percent of the resamples that an interval contains."""


def centred_interval(estimate: float, resamples: ArrayLike) -> tuple[float, float]:
    """The 95 % interval of an estimate: the percentiles of its resamples, shifted so that their mean is the estimate.

    With few positives in a class a resample's average precision is too high on average: repeated positives share a
    rank. The shift removes that bias. `docs/statistics.md` compares this interval with others.

    Args:
        estimate: the value on the test images themselves.
        resamples: [B], the value on each resample.
    """
    values, tail = np.asarray(resamples, dtype=np.float64), (100 - LEVEL) / 2
    low, high = np.percentile(values, [tail, 100 - tail]) + (estimate - values.mean())
    return float(low), float(high)

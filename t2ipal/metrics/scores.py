"""Metrics of scores, whatever made them, with their intervals: what a table of the workflow would show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from t2ipal.errors import UserError
from t2ipal.metrics.registry import METRICS

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Measured(NamedTuple):
    """A metric on test images.

    Attributes:
        value: in percent.
        low, high: its 95 % interval over the images (bootstrap); both None without resamples.
    """

    value: float
    low: float | None
    high: float | None


def evaluate(
    scores: ArrayLike,
    labels: ArrayLike,
    threshold: float | None = None,
    metrics: Sequence[str] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Mapping[str, Measured]:
    """Measure scores of test images.

    Args:
        scores: [N, C], higher is likelier.
        labels: [N, C] of 1 (there), 0 (absent) and -1 (left out: difficult in VOC's sense).
        threshold: scores of at least this count as labels. It must come from other images than these.
        metrics: names such as mAP, CF1, OF1, CF1_top3; None: all that need no probabilities, those with a
            threshold if there is one.
        resamples: of the images, for the intervals; 0: none.
        seed: of the resamples.

    Returns:
        By metric, in the order asked for.

    Raises:
        UserError: shapes that differ, a score that is not finite, a class without a positive image, an unknown metric,
            one that needs a threshold, or one that needs probabilities.
    """
    import numpy as np

    from t2ipal.metrics.bootstrap import resample_counts
    from t2ipal.metrics.interval import centred_interval

    scores, labels = np.asarray(scores), np.asarray(labels)
    for name in metrics or ():
        if name not in METRICS:
            raise UserError(f"evaluate: no metric {name!r} (expected one of {', '.join(METRICS)})")
        if METRICS[name].needs_threshold and threshold is None:
            raise UserError(f"evaluate: {name} needs a threshold (expected one, from other images)")
        if METRICS[name].needs_probabilities and not ((scores >= 0) & (scores <= 1)).all():
            raise UserError(f"evaluate: {name} needs probabilities (expected scores from 0 to 1)")
    if metrics is None:
        usable = {name: metric for name, metric in METRICS.items() if not metric.needs_probabilities}
        metrics = [name for name, metric in usable.items() if threshold is not None or not metric.needs_threshold]
    found, counts = {}, resample_counts(len(scores), resamples, seed)
    for name in metrics:
        value = float(METRICS[name].of(scores, labels, threshold))
        ends = (None, None)
        if resamples:
            ends = centred_interval(value, METRICS[name].bootstrap(scores, labels, counts, threshold))
        found[name] = Measured(value, *ends)
    return found

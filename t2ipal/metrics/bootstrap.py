"""The paired bootstrap over test images: how far a difference of two systems would move with other test images.

A resample has as many images as there are, with replacement. Every run of a data set is measured on the same
resamples, so a difference of two runs is taken resample by resample, and what is hard or easy in a resample cancels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from t2ipal.errors import UserError
from t2ipal.metrics.ranking import precision_of, rank, ratio

CHUNK = 128
"""Resamples that are worked on at once: their counts fit the cache of a core for some thousand images."""


def resample_counts(images: int, replicates: int, seed: int) -> np.ndarray:
    """How often each image is in each resample: int32 [B, N], every row sums to N.

    Resample b depends on `images` and `seed` alone: more replicates only add rows.

    Args:
        images: N, the number of test images.
        replicates: B, the number of resamples.
        seed: the config's, for all data sets. Two test sets of one size therefore share their resamples. That biases
            no interval: a difference is always of two runs on one data set.

    Raises:
        UserError: no image, or a negative number of replicates.
    """
    if images < 1 or replicates < 0:
        raise UserError(f"bootstrap: {images} images, {replicates} replicates; expected at least 1 and at least 0")
    generator = np.random.default_rng(seed)
    counts = np.empty((replicates, images), dtype=np.int32)
    for row in counts:
        row[:] = np.bincount(generator.integers(images, size=images), minlength=images)
    return counts


def bootstrap_map(scores: ArrayLike, labels: ArrayLike, counts: np.ndarray) -> np.ndarray:
    """mAP of each resample, in percent: float32 [B].

    Per class it is scikit-learn's average_precision_score with the counts as sample weights: rows of equal score share
    a rank. A class without a positive in a resample is left out of that resample's mean.

    Args:
        scores: [N, C].
        labels: [N, C] of 1 (positive), 0 (absent), -1 (left out of its class).
        counts: [B, N] of `resample_counts`.

    Raises:
        UserError: shapes that do not match, a score that is not finite, or a resample without any positive.
    """
    scores, labels = np.asarray(scores), np.asarray(labels)
    if scores.ndim != 2 or scores.shape != labels.shape or counts.shape[1:] != scores.shape[:1]:
        raise UserError(
            f"bootstrap: scores {scores.shape}, labels {labels.shape}, counts {counts.shape}; "
            "expected [N, C], [N, C] and [B, N]"
        )
    if not np.isfinite(scores).all():
        raise UserError(f"bootstrap: {int((~np.isfinite(scores)).sum())} of {scores.size} scores are no finite numbers")
    rankings = [rank(*column) for column in zip(scores.T, labels.T, strict=True) if (column[1] == 1).any()]
    total, present = np.zeros((2, len(counts)), dtype=np.float64)
    for start in range(0, len(counts), CHUNK):
        chunk = slice(start, start + CHUNK)
        weights = np.ascontiguousarray(counts[chunk].T, dtype=np.float32)  # exact up to 2**24
        for ranking in rankings:
            precision, positives = precision_of(ranking, weights)
            total[chunk] += precision
            present[chunk] += positives > 0
    if not present.all():
        raise UserError(f"bootstrap: {int((present == 0).sum())} resamples have no positive; expected some in each")
    return (100 * total / present).astype(np.float32)


class ResampledF1(NamedTuple):
    """CF1 and OF1 of each resample, in percent: float32 [B]."""

    CF1: np.ndarray
    OF1: np.ndarray


def bootstrap_f1(predicted: np.ndarray, labels: ArrayLike, counts: np.ndarray) -> ResampledF1:
    """`t2ipal.metrics.evaluate.f1_of` on each resample.

    A class that loses all its positives in a resample is left out of that resample's class precision and class recall,
    as it is left out of its mAP.

    Args:
        predicted: [N, C], boolean.
        labels: [N, C]; 1 is positive, all else is absent.
        counts: [B, N] of `resample_counts`.
    """
    positive = np.asarray(labels) == 1
    parts = np.hstack([predicted & positive, predicted, positive]).astype(np.float32)  # exact up to 2**24
    products = np.asarray(counts, dtype=np.float32) @ parts
    hits, chosen, present = np.hsplit(products.astype(np.float64), 3)  # [B, C] each
    kept = (present > 0) | ~positive.any(0)
    number = np.maximum(kept.sum(1), 1)
    precision, recall = ((ratio(hits, whole) * kept).sum(1) / number for whole in (chosen, present))
    overall = [ratio(hits.sum(1), whole.sum(1)) for whole in (chosen, present)]
    return ResampledF1(*((100 * ratio(2 * p * r, p + r)).astype(np.float32) for p, r in ((precision, recall), overall)))

"""Scores as probabilities: Platt's fit per class, thresholds per class, and calibration errors next to their floors.

Labels are 1 (positive), 0 (absent) and -1 (unknown), which nothing here looks at. Tested against scikit-learn's
logistic regression without penalty (but for Platt's targets) and torchmetrics' BinaryCalibrationError.

Source: Platt 1999, "Probabilistic outputs for support vector machines", with the targets of its section 2.2; Naeini et
al. 2015 for the expected calibration error (ECE).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from t2ipal.metrics.evaluate import best_threshold
from t2ipal.seeds import seed_of

FEW = 10
"""A class with fewer positives, or fewer images without it, has the slope of all classes, and no own threshold."""
BINS, FOLDS, SAMPLES = 15, 5, 20
STEPS = 100
"""Newton steps at most; ten are usual."""


@dataclass(frozen=True)
class Platt:
    """p = sigmoid(a z + b), with a slope a >= 0 and an offset b per class: both float64 [C]."""

    a: np.ndarray
    b: np.ndarray

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Of scores [..., C]: float64 of the same shape."""
        return expit(self.a * np.asarray(scores, dtype=np.float64) + self.b)


class Errors(NamedTuple):
    """Calibration errors of probabilities, in percent.

    Attributes:
        pooled: ECE of all decisions together, in 15 bins of equal width.
        class_wise: the mean over the classes of the ECE of each.
        equal_mass: the same in 15 bins of as many images each.
        brier: the mean square of probability minus label.
    """

    pooled: float
    class_wise: float
    equal_mass: float
    brier: float


def fit(scores: np.ndarray, labels: np.ndarray) -> Platt:
    """Platt's a and b of each class, from scores and labels [N, C].

    A slope is at least 0, so that a calibration never turns a ranking round. A class of fewer than `FEW` positives, or
    negatives, has the slope of a fit to all classes together, and the offset that fits its own labels best with it.
    """
    scores, known, hits = np.asarray(scores, dtype=np.float64), labels >= 0, labels == 1
    slope, offset = _newton(scores, _targets(hits, known), known)
    few = _is_rare(labels)
    if few.any():
        every, all_hits, all_known = (values.reshape(-1, 1) for values in (scores, hits, known))
        shared, _ = _newton(every, _targets(all_hits, all_known), all_known)
        targets = _targets(hits[:, few], known[:, few])
        slope[few], offset[few] = _newton(scores[:, few], targets, known[:, few], np.repeat(shared, few.sum()))
    return Platt(slope, offset)


def _is_rare(labels: np.ndarray) -> np.ndarray:
    """Whether a class has fewer than `FEW` positives or negatives: [C] of labels [N, C]."""
    return np.minimum((labels == 1).sum(0), (labels == 0).sum(0)) < FEW


def _targets(hits: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Platt's targets [N, C] instead of 1 and 0, from the number of positives and of other known labels."""
    positives, counts = hits.sum(0), known.sum(0)
    return np.where(hits, (positives + 1) / (positives + 2), 1 / (counts - positives + 2))


def _newton(
    scores: np.ndarray, targets: np.ndarray, known: np.ndarray, slope: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """a and b of the least cross-entropy to targets [N, C], all classes together; only b if the slopes are given.

    Where a would be negative it is 0.
    """
    middle, spread = scores.mean(0), scores.std(0)
    spread = np.where(spread > 1e-12 * np.abs(scores).max(), spread, 1.0)
    z, free = (scores - middle) / spread, slope is None
    a = np.zeros(scores.shape[1]) if slope is None else slope * spread
    b = logit(((known * targets).sum(0) + 1) / (known.sum(0) + 2))

    def loss(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        x = a * z + b
        return (known * (np.logaddexp(0, x) - targets * x)).sum(0)

    now = loss(a, b)
    for _ in range(STEPS):
        p = expit(a * z + b)
        error, weight = known * (p - targets), known * p * (1 - p)
        by_b, bb = error.sum(0), weight.sum(0) + 1e-12
        by_a, aa, ab = ((error * z).sum(0), (weight * z * z).sum(0) + 1e-12, (weight * z).sum(0)) if free else (0, 1, 0)
        if max(np.abs(by_a).max(initial=0) if free else 0, np.abs(by_b).max(initial=0)) < 1e-9 * len(scores):
            break
        determinant = aa * bb - ab * ab
        step_a, step_b = (bb * by_a - ab * by_b) / determinant, (aa * by_b - ab * by_a) / determinant
        part = np.ones_like(b)
        for _ in range(30):
            then = loss(a - part * step_a, b - part * step_b)
            worse = then > now + 1e-12 * np.abs(now)
            if not worse.any():
                break
            part[worse] /= 2
        part[worse] = 0
        a, b, now = a - part * step_a, b - part * step_b, np.where(worse, now, then)
    if free and (a < 0).any():
        falls = a < 0
        a[falls], b[falls] = _newton(scores[:, falls], targets[:, falls], known[:, falls], np.zeros(falls.sum()))
    a = a / spread
    return a, b - a * middle


def class_thresholds(scores: np.ndarray, labels: np.ndarray) -> list[float | None]:
    """Of each class the score of the greatest F1, half way between two scores; None where labels are too `FEW`."""
    thresholds: list[float | None] = []
    for column, truth, is_rare in zip(scores.T, labels.T, _is_rare(labels), strict=True):
        known = truth >= 0
        thresholds.append(None if is_rare else best_threshold(column[known, None], truth[known, None]))
    return thresholds


def shared_threshold(values: np.ndarray, labels: np.ndarray) -> float:
    """The one score or probability of the greatest F1 of all decisions [N, C]."""
    known = labels >= 0
    return best_threshold(values[known][:, None], labels[known][:, None])


def decided(scores: np.ndarray, probabilities: np.ndarray, thresholds: Sequence[float | None], t: float) -> np.ndarray:
    """Whether each class [..., C] counts: by its threshold of scores, or by `t` of probabilities where it has none."""
    own = np.array([np.nan if value is None else value for value in thresholds])
    return np.where(np.isnan(own), probabilities >= t, scores >= own)


def cross_fitted(scores: np.ndarray, labels: np.ndarray, groups: Sequence[str], seed: int = 0) -> np.ndarray:
    """Probabilities [N, C], each by a fit to the other four folds; rows of one group are in one fold."""
    names, of_row = np.unique(np.asarray(groups), return_inverse=True)
    order = np.random.default_rng(seed_of("calibration folds", seed)).permutation(len(names))
    fold = (order % FOLDS)[of_row]
    probabilities = np.empty(scores.shape)
    for number in range(FOLDS):
        here = fold == number
        if here.any():
            probabilities[here] = fit(scores[~here], labels[~here]).probabilities(scores[here])
    return probabilities


def errors(probabilities: np.ndarray, labels: np.ndarray) -> Errors:
    """The calibration errors of probabilities [N, C]."""
    return _errors(probabilities, labels, _bins(probabilities), _bins_of_equal_mass(probabilities))


def floors(probabilities: np.ndarray, labels: np.ndarray, samples: int = SAMPLES, seed: int = 0) -> Errors:
    """The same of labels that are sampled with these probabilities: a perfect calibration has them, by chance.

    An error of finitely many images is never 0. The mean over `samples` of labels; unknown ones stay unknown.
    """
    bins, mass = _bins(probabilities), _bins_of_equal_mass(probabilities)
    random = np.random.default_rng(seed_of("calibration floors", seed))
    values = []
    for _ in range(samples):
        sampled = np.where(labels >= 0, random.random(probabilities.shape) < probabilities, -1)
        values.append(_errors(probabilities, sampled, bins, mass))
    return Errors(*np.mean(values, axis=0).tolist())


def _errors(probabilities: np.ndarray, labels: np.ndarray, bins: np.ndarray, mass: np.ndarray) -> Errors:
    known = labels >= 0
    excess = known * (probabilities - (labels == 1))
    counts = known.sum(0)
    apart = _sums(excess, bins)
    by_class = (np.abs(values).sum(1) / np.maximum(counts, 1) for values in (apart, _sums(excess, mass)))
    pooled = np.abs(apart.sum(0)).sum() / max(counts.sum(), 1)
    class_wise, equal_mass = (values[counts > 0].mean() if counts.any() else 0.0 for values in by_class)
    brier = (excess**2).sum() / max(counts.sum(), 1)
    return Errors(*(100 * float(value) for value in (pooled, class_wise, equal_mass, brier)))


def _sums(values: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Values [N, C] added up by class and bin: [C, bins]."""
    classes = values.shape[1]
    slots = (np.arange(classes) * (BINS + 1) + bins).ravel()
    return np.bincount(slots, values.ravel(), classes * (BINS + 1)).reshape(classes, BINS + 1)


def _bins(probabilities: np.ndarray) -> np.ndarray:
    """Of equal width, from below; 1 has a bin of its own, as in torchmetrics."""
    return np.digitize(probabilities, np.linspace(0, 1, BINS + 1)) - 1


def _bins_of_equal_mass(probabilities: np.ndarray) -> np.ndarray:
    """Of as many images each, by class; equal probabilities share one."""
    edges = np.quantile(probabilities, np.linspace(0, 1, BINS + 1)[1:-1], axis=0)  # [14, C]
    columns = zip(edges.T, probabilities.T, strict=True)
    return np.stack([np.searchsorted(edge, column) for edge, column in columns], 1)

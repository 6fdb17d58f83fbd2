"""Multi-label metrics, in percent.

Average precision is scikit-learn's (`t2ipal.metrics.ranking`): the mean over positives of the precision at their rank,
without interpolation. Rows of equal score share one rank (precision is taken after all of them), so the result does not
depend on the order of rows. Without ties it is what the code of TaI-DPT, DualCoOp and ML-GCN computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from t2ipal.errors import UserError
from t2ipal.metrics.ranking import plain_precision_of, rank, ratio

Difficult = Literal["negative", "ignore"]
DIFFICULT = -1


class F1(NamedTuple):
    """Macro (per class, then averaged) and micro (over all decisions) precision, recall and F1, in percent.

    Attributes:
        CP: class precision; a class without a prediction counts 0.
        CR: class recall.
        CF1: harmonic mean of CP and CR (ML-GCN, SSGRL, SARB; not the mean of per-class F1).
        OP: overall precision.
        OR: overall recall.
        OF1: harmonic mean of OP and OR.
    """

    CP: float
    CR: float
    CF1: float
    OP: float
    OR: float
    OF1: float


def average_precision(
    scores: ArrayLike,
    labels: ArrayLike,
    difficult: Difficult = "negative",
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """Average precision of each class, in percent: float64 [C].

    Args:
        scores: [N, C].
        labels: [N, C] of 1 (positive), 0 (absent), -1 (only difficult instances, VOC).
        difficult: count those as absent, as TaI-DPT and DualCoOp do, or leave them out, as VOC's devkit does.
        names: of the classes, for messages.

    Raises:
        UserError: a class without a positive, a score that is not finite, or shapes that differ.
    """
    scores, labels = _checked(scores, labels)
    without = np.flatnonzero(~(labels == 1).any(0))
    if len(without):
        who = ", ".join(names[i] if names else f"class {i}" for i in without[:5])
        raise UserError(f"average precision: {len(without)} of {labels.shape[1]} classes have no positive: {who}")
    labels = {"negative": (labels == 1).astype(np.int8), "ignore": labels}[difficult]
    precisions = [plain_precision_of(rank(*column)) for column in zip(scores.T, labels.T, strict=True)]
    return 100 * np.array(precisions)


def mean_average_precision(scores: ArrayLike, labels: ArrayLike, difficult: Difficult = "negative") -> float:
    """Mean over the classes of `average_precision`, in percent."""
    return float(average_precision(scores, labels, difficult).mean())


def f1_top_k(scores: ArrayLike, labels: ArrayLike, k: int = 3) -> F1:
    """F1 where the `k` best scores of each row are predicted (`predicted_top`)."""
    scores, labels = _checked(scores, labels)
    return f1_of(predicted_top(scores, k), labels)


def f1_threshold(scores: ArrayLike, labels: ArrayLike, threshold: float | ArrayLike = 0.0) -> F1:
    """F1 where scores of at least `threshold` are predicted (`predicted_above`).

    Ranking losses give scores no natural zero: take the threshold from held-out data.
    """
    scores, labels = _checked(scores, labels)
    return f1_of(predicted_above(scores, threshold), labels)


def predicted_top(scores: ArrayLike, k: int) -> np.ndarray:
    """Whether each score [N, C] is one of the `k` best of its row; equal scores: the lower class index first."""
    scores = as_array(scores)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    predicted = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(predicted, best, True, axis=1)
    return predicted


def predicted_above(scores: ArrayLike, threshold: float | ArrayLike) -> np.ndarray:
    """Whether each score [N, C] is at least the threshold, one for all classes or one per class."""
    return as_array(scores) >= np.asarray(threshold)


def f1_of(predicted: np.ndarray, labels: ArrayLike) -> F1:
    """F1 of predictions [N, C], given as booleans, against labels [N, C]: 1 is positive, all else is absent."""
    positive = as_array(labels) == 1
    hits, chosen, present = (value.sum(0).astype(float) for value in (predicted & positive, predicted, positive))
    precision, recall = float(ratio(hits, chosen).mean()), float(ratio(hits, present).mean())
    overall_precision, overall_recall = (
        float(ratio(hits.sum(), chosen.sum())),
        float(ratio(hits.sum(), present.sum())),
    )
    return F1(
        *(100 * value for value in (precision, recall, _harmonic(precision, recall))),
        *(100 * value for value in (overall_precision, overall_recall, _harmonic(overall_precision, overall_recall))),
    )


def best_threshold(scores: ArrayLike, labels: ArrayLike) -> float:
    """The one threshold, for all classes, of the greatest OF1 on (held-out) scores and labels [N, C].

    It is half way between two neighbouring scores; of equal ones the highest threshold is taken.
    """
    scores, labels = _checked(scores, labels)
    order = np.argsort(-scores, axis=None, kind="stable")
    values, hits = scores.reshape(-1)[order].astype(np.float64), (labels == 1).reshape(-1)[order]
    f1 = 2 * np.cumsum(hits) / (np.arange(1, len(hits) + 1) + max(1, hits.sum()))
    last_of_ties = np.append(values[:-1] != values[1:], True)
    best = int(np.argmax(np.where(last_of_ties, f1, -1)))
    return float((values[best] + values[min(best + 1, len(values) - 1)]) / 2)


def _harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0


def as_array(values: ArrayLike) -> np.ndarray:
    """The values as numpy has them, those of a tensor on any device too."""
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    scores, labels = as_array(scores), as_array(labels)
    if scores.ndim != 2 or scores.shape != labels.shape:
        raise UserError(f"metrics: scores {scores.shape} and labels {labels.shape}; expected the same [N, C]")
    if not np.isfinite(scores).all():
        raise UserError(f"metrics: {int((~np.isfinite(scores)).sum())} of {scores.size} scores are not finite numbers")
    return scores, labels

"""Late fusion and standardisation of score arrays [S, N, C]: seeds, images, classes.

All of it looks at the scores of the whole test set together, but at no label.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from t2ipal.errors import UserError

Norm = Literal["global_minmax", "per_class_minmax", "zscore"]


def fuse(text: np.ndarray, label: np.ndarray, weight: float, norm: Norm = "global_minmax") -> np.ndarray:
    """One score of two systems: (1 - weight) z_text + weight z_label, float32 [S, N, C].

    z is a system's score after `norm`; seed s of one system meets seed s of the other. A system with one seed, such as
    a zero-shot one, meets all seeds of the other.

    Source: TaI-DPT's evaluation of '+TaI-DPT', with `global_minmax`, and weight 0.9 for DualCoOp (its example), 0.6 for
    few-shot methods (a default that its code has commented out). The paper gives no weight.

    Args:
        text: scores [S or 1, N, C] of the system learned from texts: TaI-DPT or T2I-PAL.
        label: scores [S or 1, N, C] of the system learned from labels: DualCoOp or CoOp.
        weight: r, the share of `label`, 0 to 1. Never to be chosen on test labels.
        norm: "global_minmax": to [0, 1], one minimum and one maximum for a seed's whole N x C matrix;
            "per_class_minmax": the same for each class; "zscore": mean 0 and deviation 1 of a seed's whole matrix. What
            has no spread (a matrix, or a class, of one value) becomes 0 and has no influence.

    Raises:
        UserError: shapes that do not match, scores that are not finite, a weight outside 0 to 1, an unknown norm.
    """
    text, label = _checked(text, "score fusion: text scores"), _checked(label, "score fusion: label scores")
    if text.shape[1:] != label.shape[1:] or (text.shape[0] != label.shape[0] and 1 not in (len(text), len(label))):
        raise UserError(
            f"score fusion: text scores {text.shape} and label scores {label.shape}; expected the same images and "
            "classes, and as many seeds or one"
        )
    if not 0 <= weight <= 1:
        raise UserError(f"score fusion: weight is {weight}; expected a number from 0 to 1")
    if norm not in get_args(Norm):
        raise UserError(f"score fusion: norm is {norm!r}; expected one of {', '.join(get_args(Norm))}")
    return ((1 - weight) * normalise(text, norm) + weight * normalise(label, norm)).astype(np.float32)


def normalise(scores: np.ndarray, norm: Norm) -> np.ndarray:
    """`scores` [S, N, C] after one of the norms of `fuse`, float64."""
    scores = np.asarray(scores, dtype=np.float64)
    if norm == "zscore":
        return _standard(scores, (1, 2), ddof=0)
    axes = (1,) if norm == "per_class_minmax" else (1, 2)
    low = scores.min(axes, keepdims=True)
    return _ratio(scores - low, scores.max(axes, keepdims=True) - low, scores)


def standardise(scores: np.ndarray) -> np.ndarray:
    """Scores without the biases of images and prompts, as SPARC's first step: float32 [S, N, C].

    First each image's scores lose their mean over the classes and are divided by their deviation over the classes; then
    each class's results lose their mean over the images and are divided by their deviation over the images. Deviations
    are those of samples (n - 1). What has no spread becomes 0. The order matters: the first step changes the ranking of
    images, the second sets the classes side by side and leaves each class's ranking, so its average precision, alone.

    SPARC takes an image's mean and deviation from prompts of single classes, which is what `scores` must be; its
    further prompts of several classes and their fusion are not part of this.

    Source: Miller et al., CVPR 2025; github.com/kjmillerCURIS/SPARC.

    Args:
        scores: [S, N, C], cosines or any multiple of them.

    Raises:
        UserError: scores that are not finite, not of three dimensions, or of fewer than two images or classes.
    """
    scores = _checked(scores, "score standardisation: scores")
    if min(scores.shape[1:]) < 2:
        raise UserError(
            f"score standardisation: scores have shape {scores.shape}; expected at least 2 images and 2 classes"
        )
    by_image = _standard(scores, (2,), ddof=1)
    return _standard(by_image, (1,), ddof=1).astype(np.float32)


def _standard(scores: np.ndarray, axes: tuple[int, ...], ddof: int) -> np.ndarray:
    centred = scores - scores.mean(axes, keepdims=True)
    return _ratio(centred, scores.std(axes, ddof=ddof, keepdims=True), scores)


def _ratio(part: np.ndarray, spread: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """part / spread, 0 where the spread of `scores` is none but that of float64 rounding."""
    size = np.broadcast_to(spread, part.shape)
    return np.divide(part, size, out=np.zeros_like(part), where=size > 1e-12 * np.abs(scores).max())


def _checked(scores: np.ndarray, what: str) -> np.ndarray:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 3 or not scores.size:
        raise UserError(f"{what} have shape {scores.shape}; expected [seeds, images, classes]")
    if not np.isfinite(scores).all():
        count = int((~np.isfinite(scores)).sum())
        raise UserError(f"{what} hold {count} of {scores.size} numbers that are not finite; expected none")
    return scores

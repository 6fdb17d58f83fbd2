"""Score rules: what is taken off or multiplied within an image's scores before classes are ranked over images.

Average precision compares images within a class, so a factor or offset of a class, or one for everything, changes
nothing; only what differs between images does. All rules are functions of scores alone, without any label.

s [S, N, C] are the scores of N images and C classes by S models, C being the classes of training: a choice among the
classes comes after the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike

from t2ipal.metrics.score_fusion import standardise


def apply(rule: str, scores: ArrayLike, k: ArrayLike = 1.0, local: ArrayLike | None = None) -> np.ndarray:
    """Scores by a rule, float32 [S, N, C]; with one class they are returned as they are.

    An image's result depends on no other image, so that images may come in chunks; `sparc` needs them all at once.

    Args:
        rule: "own" (as they are) or a key of RULES.
        scores: [S, N, C]; for `cells` cosines of the global features.
        k: factor before a softmax, one for each model [S] or for all: `scale_of`, or 1 for logits. Not read by "mean"
            and "sparc".
        local: for `cells` the cosines of the local features, [S, N, HW, C].
    """
    scores = np.asarray(scores, dtype=np.float64)
    if rule == "own" or scores.shape[-1] == 1:
        return scores.astype(np.float32)
    scale = np.broadcast_to(np.asarray(k, dtype=np.float64), len(scores))[:, None, None]
    return RULES[rule](scores, scale, local).astype(np.float32)


def scale_of(scores: ArrayLike) -> np.ndarray:
    """k of each model by rule: 1 / (mean over images of the deviation over classes), float64 [S]; 1 without spread.

    To be taken from other images than those to be ranked where there are some: validation images.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape[-1] == 1:
        return np.ones(len(scores))
    spread = scores.std(-1, ddof=1).mean(-1)
    return np.divide(1.0, spread, out=np.ones_like(spread), where=spread > 1e-12 * np.abs(scores).max())


def mean_off(scores: np.ndarray, scale: np.ndarray, local: object = None) -> np.ndarray:
    """s minus its mean over the classes."""
    return scores - scores.mean(-1, keepdims=True)


def softmax(scores: np.ndarray, scale: np.ndarray, local: object = None) -> np.ndarray:
    """s - (1/k) log(mean_c exp(k s)): k times it is log softmax(k s) + log C, in the same order as the probabilities.

    For a small k the mean is taken off, for a large one the maximum.
    """
    return (_log_softmax(scores, scale) + np.log(scores.shape[-1])) / scale


def cells(scores: np.ndarray, scale: np.ndarray, local: ArrayLike | None) -> np.ndarray:
    """The mean of two probabilities p, as (log p + log C) / k: of the global feature, and the greatest of the cells'.

    Each is a softmax over classes of k times cosines. With one cell whose cosines are the global ones it is `softmax`.
    """
    if local is None:
        raise ValueError("score rule 'cells' without the cosines of the cells")
    best = _log_softmax(np.asarray(local, dtype=np.float64), scale[..., None]).max(-2)
    both = np.logaddexp(best, _log_softmax(scores, scale)) - np.log(2)
    return (both + np.log(scores.shape[-1])) / scale


def sparc(scores: np.ndarray, scale: np.ndarray, local: object = None) -> np.ndarray:
    """`standardise`: z-scores of each image over the classes, and of these for each class over the images."""
    return standardise(scores)


RULES: Mapping[str, Callable[..., np.ndarray]] = {"mean": mean_off, "softmax": softmax, "cells": cells, "sparc": sparc}
"""By the name in the config; their titles are in `t2ipal.metrics.combinations`."""


def _log_softmax(scores: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Of k s over the last dimension; float64, since equal probabilities would be ties."""
    scaled = scale * scores
    scaled = scaled - scaled.max(-1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(-1, keepdims=True))

"""Does an image show what its caption says? CLIP scores, with a scale that comes from other pairs.

A CLIP score has no absolute meaning. Generated pairs often lie above real ones: a low score shows a failure, a high one
nothing.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

LOW = 0.05
"""The quantile of real images below which a named class counts as not to be seen."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def pair_scores(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Cosines of image n and text n, both [N, D] of any length: [N]."""
    return (unit(images) * unit(texts)).sum(1)


def shuffled(scores_of: np.ndarray, texts: np.ndarray, seed: int = 0) -> np.ndarray:
    """Cosines of each image and the text of another one, never its own: [N]."""
    order = np.random.default_rng(seed).permutation(len(texts))
    partner = np.empty(len(texts), np.int64)
    partner[order] = np.roll(order, 1)
    return pair_scores(scores_of, texts[partner])


def auc(higher: np.ndarray, lower: np.ndarray) -> float:
    """The chance that one of `higher` is above one of `lower`; equal ones count half."""
    ranks = rankdata(np.concatenate([higher, lower]))
    return float((ranks[: len(higher)].sum() - len(higher) * (len(higher) + 1) / 2) / (len(higher) * len(lower)))


def below_real(
    generated: np.ndarray, named: np.ndarray, real: np.ndarray, truth: np.ndarray, quantile: float = LOW
) -> np.ndarray:
    """Of each class the share of generated images naming it that look less like it than nearly all real images of it.

    Args:
        generated, real: cosines [N, C] and [M, C] of images and "a photo of a {class}".
        named, truth: labels [N, C] and [M, C], 1 where a caption names the class, and where it is there.
        quantile: of real images with the class; by definition that share of them is below it.

    Returns:
        [C], nan for a class that no caption names or no real image shows.
    """
    shares = np.full(generated.shape[1], np.nan)
    for index in range(generated.shape[1]):
        ours, theirs = generated[named[:, index] == 1, index], real[truth[:, index] == 1, index]
        if len(ours) and len(theirs):
            shares[index] = (ours < np.quantile(theirs, quantile)).mean()
    return shares


def unit(values: np.ndarray) -> np.ndarray:
    """Rows of length 1, float64."""
    values = np.asarray(values, dtype=np.float64)
    return values / np.linalg.norm(values, axis=1, keepdims=True)

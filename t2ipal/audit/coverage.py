"""Density and coverage: are generated images where real ones are, and is there one near every real image?

Source: Naeem et al., ICML 2020, "Reliable fidelity and diversity metrics for generative models"; clovaai's prdc.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

NEIGHBOURS = 5
CHUNK = 1000
"""Images whose distances are in memory together."""
MOST = 5000
"""Images of either kind at most: more change the values by less than another sample does."""


class Coverage(NamedTuple):
    """How a set of images lies among real ones.

    Attributes:
        density: how many real balls hold an image, on average, over `NEIGHBOURS`: 1 if both sets have one distribution,
            more if the images crowd where real ones are dense.
        coverage: share of the real balls that hold an image; 1 - 2^-k = 0.97 for sets of one distribution.
        images: how many real images there are, and as many others.
    """

    density: float
    coverage: float
    images: int


def coverage(real: np.ndarray, others: np.ndarray, k: int = NEIGHBOURS) -> Coverage:
    """Density and coverage of other images among real ones.

    The ball of a real image reaches to its k-th nearest other real image, and does not hold its surface.

    Args:
        real: [n, D] features.
        others: [n, D]: as many, since both values depend on the numbers.
        k: neighbours, fewer than n.
    """
    held, hit = 0, 0
    for start in range(0, len(real), CHUNK):
        rows = real[start : start + CHUNK]
        near = cdist(rows, real)
        near[np.arange(len(rows)), start + np.arange(len(rows))] = np.inf
        inside = cdist(rows, others) < np.partition(near, k - 1, axis=1)[:, k - 1 : k]
        held, hit = held + int(inside.sum()), hit + int(inside.any(1).sum())
    return Coverage(held / (k * len(others)), hit / len(real), len(real))


def beside_real(real: np.ndarray, generated: np.ndarray, seed: int = 0) -> tuple[Coverage, Coverage]:
    """Of generated images among half of the real ones, and of the other half: what real images reach."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(real))
    count = min(len(real) // 2, len(generated), MOST)
    first, second = real[order[:count]], real[order[count : 2 * count]]
    return coverage(first, generated[random.permutation(len(generated))[:count]]), coverage(first, second)

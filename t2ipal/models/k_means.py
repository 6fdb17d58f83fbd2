"""K-means for several seeds at once: scikit-learn's KMeans with one start, its random numbers and its end.

It is here because scikit-learn takes seconds to import and milliseconds per call, and prototypes are hundreds of calls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

ROUNDS, TOLERANCE = 300, 1e-4
"""When to end: after so many rounds, or when the centres move less than this share of the values' variance."""


def k_means(values: Tensor, count: int, seeds: Sequence[int]) -> Tensor:
    """The centres of `count` clusters in each seed's own values: [S, count, H].

    Source: Lloyd's algorithm from a greedy k-means++ start; Arthur and Vassilvitskii, SODA 2007.

    Args:
        values: [S, n, H], n at least `count`.
        count: number of clusters.
        seeds: of the starts, [S], below 2**32.
    """
    mean = values.mean(1, keepdim=True)
    x = values - mean
    bound = TOLERANCE * x.var(1, correction=0).mean(-1)
    centres, nearest = start(x, count, seeds), torch.full(x.shape[:2], -1, device=x.device)
    moving = torch.ones(len(x), dtype=torch.bool, device=x.device)
    for _ in range(ROUNDS):
        assigned = (centres.square().sum(-1)[:, None] - 2 * x @ centres.mT).argmin(-1)
        moved = means(x, assigned, centres)
        shift = (moved - centres).square().sum((1, 2))
        centres = torch.where(moving[:, None, None], moved, centres)
        moving &= (assigned != nearest).any(1) & (shift > bound)
        if not moving.any():
            break
        nearest = assigned
    return centres + mean


def start(x: Tensor, count: int, seeds: Sequence[int]) -> Tensor:
    """The best of a few random values, `count` times; far ones are likelier: [S, count, H] of x [S, n, H]."""
    generators, rows = [np.random.RandomState(seed) for seed in seeds], x.shape[1]
    each = torch.arange(len(x), device=x.device)
    first = [generator.choice(rows, p=np.full(rows, 1 / rows)) for generator in generators]
    trials = [generator.uniform(size=(count - 1, 2 + int(math.log(count)))) for generator in generators]
    chosen = [torch.tensor(first, device=x.device)]
    closest = (x - x[each, chosen[0]][:, None]).square().sum(-1)
    for uniform in torch.from_numpy(np.array(trials)).to(x).unbind(1):
        some = torch.searchsorted(closest.cumsum(1), uniform * closest.sum(1, keepdim=True)).clamp_max(rows - 1)
        tried = x[each[:, None], some]
        distances = tried.square().sum(-1)[..., None] + x.square().sum(-1)[:, None] - 2 * tried @ x.mT
        distances = distances.clamp_min_(0).minimum(closest[:, None])
        best = distances.sum(-1).argmin(-1)
        closest = distances[each, best]
        chosen.append(some[each, best])
    return x[each[:, None], torch.stack(chosen, 1)]


def means(x: Tensor, nearest: Tensor, centres: Tensor) -> Tensor:
    """The mean of the values nearest to each centre; one without any takes the value that is farthest from its own.

    Args:
        x: [S, n, H].
        nearest: index of each value's centre, [S, n].
        centres: [S, K, H].
    """
    nearest = nearest.clone()
    sizes = torch.stack([row.bincount(minlength=centres.shape[1]) for row in nearest])
    for s in (sizes == 0).any(1).nonzero()[:, 0].tolist():
        empty = (sizes[s] == 0).nonzero()[:, 0]
        farthest = (x[s] - centres[s, nearest[s]]).square().sum(-1).topk(len(empty)).indices
        nearest[s, farthest] = empty
    members = one_hot(nearest, centres.shape[1]).to(x)
    return members.mT @ x / members.sum(1)[..., None].clamp_min(1)

"""Prompts of several classes, and what their scores add to those of single classes.

Source: Miller et al., SPARC, CVPR 2025; github.com/kjmillerCURIS/SPARC (run_SPARC.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor


def together(labels: Tensor, size: int, share: float) -> list[tuple[int, ...]]:
    """Sets of `size` classes that occur together in a share of the texts with the rarest of them, or more.

    Args:
        labels: [N, C], 1 is positive.
        size: 2 or more.
        share: above 0; a set that never occurs is none.
    """
    positive = (labels == 1).double()
    counts = positive.sum(0)
    pairs = positive.T @ positive
    kept = []
    for chosen in combinations(range(labels.shape[1]), size):
        if all(pairs[a, b] > 0 for a, b in combinations(chosen, 2)):
            both = positive[:, list(chosen)].prod(1).sum()
            if both > 0 and both >= share * min(counts[c] for c in chosen):
                kept.append(chosen)
    return kept


def listed(names: Sequence[str]) -> str:
    """'A and B', 'A, B, and C'."""
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])}, and {names[-1]}"


def fused(single: Tensor, plain: Tensor, compound: Tensor, members: Tensor) -> Tensor:
    """SPARC's scores of N images, all of which are looked at together: [N, C].

    Single scores are standardised per image, then per class; those of compound prompts by the image's mean and
    deviation of the `plain` scores, then per prompt. The scores of the prompts with class i, sorted for each image, and
    its single score are columns; d is the direction of their greatest variance, signed so that its mean is positive,
    its absolute values adding up to 1. A class gets half its single score plus half the columns times d; without a
    prompt, its single score. Deviations are those of samples (n - 1); what has none becomes 0.

    Args:
        single: [N, C] cosines of the class prompts.
        plain: [N, C] cosines of the classes in the template of the compound prompts.
        compound: [N, P] cosines of the compound prompts.
        members: [P, C] bool, the classes of each prompt.
    """
    single, plain, compound = (value.double() for value in (single, plain, compound))
    by_image = _over(single, single, 1)
    alone = _over(by_image, by_image, 0)
    if not len(members):
        return alone.float()
    by_image = _over(compound, plain, 1)
    joint = _over(by_image, by_image, 0)
    scores = alone.clone()
    for c in range(single.shape[1]):
        prompts = members[:, c].nonzero()[:, 0]
        if len(prompts):
            columns = torch.cat([joint[:, prompts].sort(1).values, alone[:, [c]]], 1)
            scores[:, c] = (alone[:, c] + columns @ _direction(columns)) / 2
    return scores.float()


def _direction(columns: Tensor) -> Tensor:
    """[K]: the first principal component of [N, K]."""
    first = torch.linalg.eigh(columns.T.cov().reshape(columns.shape[1], -1)).eigenvectors[:, -1]
    first = -first if first.mean() < 0 else first
    return first / first.abs().sum()


def _over(values: Tensor, by: Tensor, axis: int) -> Tensor:
    """`values` less the mean of `by` along an axis, divided by its deviation."""
    spread = by.std(axis, keepdim=True) if by.shape[axis] > 1 else torch.zeros_like(by.mean(axis, keepdim=True))
    return ((values - by.mean(axis, keepdim=True)) / spread).where(spread > 1e-12 * by.abs().max(), 0.0)

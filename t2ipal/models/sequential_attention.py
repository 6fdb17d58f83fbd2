"""Attention to many texts in steps: within groups first, then among what the groups gave.

Source: Class Concept Representation from Contextual Texts for Training-Free Multi-Label Recognition, section 3
(OpenReview, 2024).
"""

from __future__ import annotations

import torch
from torch import Tensor

NUMBERS = 4_000_000
"""Weights in memory together."""


def group_sizes(count: int, steps: int) -> tuple[int, ...]:
    """Sizes, as equal as can be, whose product is `count` or a little less: the lengths of the attentions.

    964 texts in 3 steps are 9 x 10 x 10, so 64 are left out; in one step none is.
    """
    sizes, rest = [], count
    for left in range(steps, 0, -1):
        size = max(1, int(rest ** (1 / left) + 1e-9))
        sizes.append(size)
        rest //= size
    return tuple(sizes)


def sequential_attention(queries: Tensor, texts: Tensor, scale: float) -> Tensor:
    """What each query gets from the texts: [Q, D].

    v_0 = `texts`; step k weighs the entries of axis k of v by the softmax over that axis of scale <query, v>, and adds
    them up. Queries stay the same, and v is not normalised between the steps. One step is ordinary attention.

    As <query, v> is linear in v, each step needs the numbers <query, v> of the one before alone: v is made once, in the
    end, by the product of all steps' weights.

    Args:
        queries: [Q, D].
        texts: [M1, ..., MG, D].
        scale: 1 / the temperature.
    """
    size = max(1, NUMBERS // texts[..., 0].numel())
    return torch.cat([_attended(some, texts, scale) for some in queries.split(size)])


def _attended(queries: Tensor, texts: Tensor, scale: float) -> Tensor:
    *sizes, dim = texts.shape
    flat = texts.reshape(-1, dim)
    similar = (queries @ flat.T).unflatten(-1, sizes)
    weights = torch.ones_like(similar)
    for step in range(len(sizes)):
        share = (scale * similar).softmax(1)
        similar = (share * similar).sum(1)
        weights = weights * share[(slice(None), *(None,) * step)]
    return weights.flatten(1) @ flat

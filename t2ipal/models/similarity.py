"""Similarities of features and class embeddings, eqs. 2-4 of the T2I-PAL paper.

"..." are any leading dimensions (the seeds), B rows, N cells or text positions, C classes, D joint dimension. Features
and embeddings are L2-normalised, so similarities are cosines; no logit scale is applied here.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Local(NamedTuple):
    """What `local_logits` returns.

    Attributes:
        logits: s' of eq. 3, [..., B, C].
        heat: h of eq. 4, [..., B, C, N], sums to 1 over N.
    """

    logits: Tensor
    heat: Tensor


def global_logits(pooled: Tensor, embeddings: Tensor) -> Tensor:
    """s of eq. 2: [..., B, C] from `pooled` [..., B, D] and class `embeddings` [..., C, D]."""
    return pooled @ embeddings.mT


def local_logits(local: Tensor, embeddings: Tensor, tau: float | Tensor, mask: Tensor | None = None) -> Local:
    """s' (eq. 3) and heat map (eq. 4).

    Args:
        local: [..., B, N, D] local features.
        embeddings: [..., C, D] local class embeddings.
        tau: temperature of the softmax over N; a learned one broadcasts to [..., B, N, C].
        mask: [..., B, N], True where a position counts; None: all do.
    """
    rows = local.shape[-3:-1]
    similarity = (local.flatten(-3, -2) @ embeddings.mT).unflatten(-2, rows)
    scores = similarity / tau
    if mask is not None:
        # the least finite number, not -inf: a row without any position gets a uniform map instead of NaN
        scores = scores.masked_fill(~mask.bool()[..., None], torch.finfo(scores.dtype).min)
    heat = scores.softmax(-2)
    logits = (heat * similarity).sum(-2)
    return Local(logits, heat.mT)

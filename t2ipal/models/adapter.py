"""The class-prototype adapter, eqs. 5 and 6 of the T2I-PAL paper."""

from __future__ import annotations

import torch
from torch import Tensor


def affinity(query: Tensor, prototypes: Tensor, beta: float, normalise: bool = False) -> Tensor:
    """q of eq. 5, exp(-beta (1 - <H_i, A_i>)): [..., B, C]. Only matching classes meet; no C x C matrix is made.

    Args:
        query: H, [..., B, C, D], or [..., B, 1, D] where all classes share it.
        prototypes: A, [..., C, D]. Where both are L2-normalised, q lies in [exp(-2 beta), 1].
        beta: sharpness.
        normalise: take `query` as L2-normalised: the products are divided by its lengths, a number per class and not D.
    """
    similarity = torch.linalg.vecdot(query, prototypes.unsqueeze(-3))
    if normalise:
        similarity = similarity / query.norm(dim=-1).clamp_min(1e-12)
    return torch.exp(beta * (similarity - 1))


def joint_logits(logits: Tensor, q: Tensor, alpha: float) -> Tensor:
    """Local logits of prompts and adapter, eq. 6: alpha q + s', [..., B, C]."""
    return alpha * q + logits

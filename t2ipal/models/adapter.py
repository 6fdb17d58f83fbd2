"""The class-prototype adapter, eqs. 5 and 6 of the T2I-PAL paper."""

from __future__ import annotations

import torch
from torch import Tensor


def affinity(query: Tensor, prototypes: Tensor, beta: float, normalise: bool = False) -> Tensor:
    """q of eq. 5, exp(-beta (1 - <H_i, A_i>)): [..., B, C]. Only matching classes meet; no C x C matrix is made.

    Args:
        query: H, [..., B, C, D], or [..., B, 1, D] where all classes share it.
        prototypes: A, [..., C, D]. Where both are L2-normalised, q is in [exp(-2 beta), 1].
        beta: sharpness.
        normalise: take `query` as L2-normalised: the products are divided by its lengths, a number per class and not D.
    """
    similarity = torch.linalg.vecdot(query, prototypes.unsqueeze(-3))
    if normalise:
        similarity = similarity / query.norm(dim=-1).clamp_min(1e-12)
    return torch.exp(beta * (similarity - 1))


def attended_affinity(local: Tensor, heat: Tensor, prototypes: Tensor, beta: float, normalise: bool = False) -> Tensor:
    """`affinity` of H_i = sum over n of h_in local_n, whose D numbers for each row and class are never made.

    <H_i, A_i> is the sum over n of h_in <local_n, A_i>; |H_i|^2 is h_i G h_i, where G, the products of local features
    with each other, has no gradient to carry.

    Args:
        local: [..., B, N, D] local features.
        heat: h of eq. 4, [..., B, C, N].
        prototypes, beta, normalise: see `affinity`.
    """
    products = (local.flatten(-3, -2) @ prototypes.mT).unflatten(-2, local.shape[-3:-1])
    similarity = (heat * products.mT).sum(-1)
    if normalise:
        squares = (heat @ (local @ local.mT) * heat).sum(-1)
        similarity = similarity / squares.clamp_min(1e-24).sqrt()
    return torch.exp(beta * (similarity - 1))


def joint_logits(logits: Tensor, q: Tensor, alpha: float) -> Tensor:
    """Local logits of prompts and adapter, eq. 6: alpha q + s', [..., B, C]."""
    return alpha * q + logits

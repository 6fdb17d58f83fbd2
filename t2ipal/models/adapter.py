"""The class-prototype adapter, eqs. 5 and 6 of the T2I-PAL paper."""

from __future__ import annotations

import torch
from torch import Tensor


def affinity(query: Tensor, prototypes: Tensor, beta: float) -> Tensor:
    """q of eq. 5, exp(-beta (1 - <H_i, A_i>)): [..., B, C]. Only matching classes meet; no C x C matrix is made.

    Args:
        query: H, [..., B, C, D], or [..., B, 1, D] where all classes share it. With `prototypes` L2-normalised by the
            caller as well, q lies in [exp(-2 beta), 1]; nothing is normalised here.
        prototypes: A, [..., C, D].
        beta: sharpness.
    """
    return torch.exp(beta * (torch.linalg.vecdot(query, prototypes.unsqueeze(-3)) - 1))


def joint_logits(logits: Tensor, q: Tensor, alpha: float) -> Tensor:
    """Local logits of prompts and adapter, eq. 6: alpha q + s', [..., B, C]."""
    return alpha * q + logits

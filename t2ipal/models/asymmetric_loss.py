"""The asymmetric loss of labels that may be unknown (Ridnik et al., ICCV 2021; as TaI-DPT and DualCoOp use it)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

TAI_FLOOR, DUALCOOP_FLOOR = 1e-8, 1e-6
"""Probabilities below which the repositories of TaI-DPT and DualCoOp take the logarithm of this number instead."""


def asymmetric_loss(
    logits: Tensor,
    labels: Tensor,
    gamma_neg: float = 2.0,
    gamma_pos: float = 1.0,
    clip: float = 0.05,
    floor: float = TAI_FLOOR,
) -> Tensor:
    """Focal cross-entropy, gentler to absent classes; the sum over a row's known classes: [...].

    With p = sigmoid(z), a positive costs -(1 - p)^gamma_pos log p and an absent class -(1 - q)^gamma_neg log q, where
    q = min(1 - p + clip, 1): an absent class of p <= clip costs nothing. A logarithm is at least that of `floor`, so a
    positive of p < floor costs a constant and has no gradient. The focal factors carry no gradient either, as in both
    repositories. Gammas, clip and floor 0 make it binary cross-entropy. The softmax over a pair of logits is the
    sigmoid of their difference, so the loss of a pair (absent, positive) is that of `positive - absent`.

    Args:
        logits: z, [..., C].
        labels: [..., C] of 1 (positive), 0 (absent), -1 (unknown: no part in the loss, no gradient).
        gamma_neg, gamma_pos: focal exponents of absent and positive classes. Both repositories: 2 and 1.
        clip: how far the probability of absence is raised. Both repositories: 0.05.
        floor: least probability of a logarithm; 0: none. TaI-DPT: 1e-8; DualCoOp: 1e-6.
    """
    p = logits.sigmoid()
    if clip:
        q = (1 - p + clip).clamp(max=1)
        log_q = q.log()
    else:
        q, log_q = 1 - p, F.logsigmoid(-logits)
    least = math.log(floor) if floor else -math.inf
    present = (1 - p).detach() ** gamma_pos * F.logsigmoid(logits).clamp(min=least)
    absent = (1 - q).detach() ** gamma_neg * log_q.clamp(min=least)
    zero = torch.zeros_like(logits)
    return -torch.where(labels == 1, present, torch.where(labels == 0, absent, zero)).sum(-1)

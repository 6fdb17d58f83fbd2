"""The ranking loss, eq. 7 of the T2I-PAL paper."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Form = Literal["signed", "paper_abs"]


def ranking_loss(logits: Tensor, labels: Tensor, eta: float = 1.0, form: Form = "signed") -> Tensor:
    """Sum over pairs of a positive i and an absent j of max(0, eta - d(s_i, s_j)), for each row: [...].

    Pairs are summed, not averaged; rows are for the caller to average (TaI-DPT: the mean over the batch). As few
    classes are positive, each of them is compared with all classes, not each class with each.

    Args:
        logits: s, [..., C].
        labels: [..., C] of 1 (positive), 0 (absent), -1 (unknown: in no pair).
        eta: margin.
        form: "signed": d = s_i - s_j, as TaI-DPT; "paper_abs": d = |s_i - s_j|, as eq. 7 is printed, which also rewards
            an absent class for lying above a positive one.
    """
    if form not in ("signed", "paper_abs"):
        raise ValueError(f"form is {form!r}; expected 'signed' or 'paper_abs'")
    scores = logits.reshape(-1, logits.shape[-1])
    labels = labels.expand_as(logits).reshape(scores.shape)
    row, positive = (labels == 1).nonzero(as_tuple=True)
    difference = scores[row, positive, None] - scores.index_select(0, row)
    hinge = (eta - (difference if form == "signed" else difference.abs())).clamp_min(0)
    costs = (hinge * (labels == 0)[row]).sum(-1)
    return scores.new_zeros(len(scores)).index_add(0, row, costs).view(logits.shape[:-1])

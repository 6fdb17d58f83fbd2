"""Losses on partial labels: an unknown label is in no term, so it has no gradient.

"..." are any leading dimensions (the seeds), R rows, C classes. Labels are 1 (positive), 0 (absent), -1 (unknown).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def targets_of(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Labels [...] as targets (1 for a positive, else 0) and as a mask (1 where known, else 0), float32 both."""
    return (labels == 1).float(), (labels >= 0).float()


def masked_bce(logits: Tensor, targets: Tensor, known: Tensor) -> Tensor:
    """Binary cross entropy, averaged over the known entries of all rows: [...], 0 where none is known.

    Source: loss/SARB.py of HCP-MLR-PL; for fully labelled rows the loss of SSGRL.

    Args:
        logits: [..., R, C].
        targets: [..., R, C] in [0, 1].
        known: [..., R, C], the weight of an entry: 1, or 0 to leave it out.
    """
    terms = binary_cross_entropy_with_logits(logits, targets, known, reduction="none")
    return terms.sum((-2, -1)) / known.sum((-2, -1)).clamp_min(1)


def known_share_weight(share: Tensor, at_none: float = 5.45, power: float = 1.0) -> Tensor:
    """g(p) = a p^power + b with g(0) = b = `at_none` and g(1) = 1, so a = 1 - b: [...].

    Source: Durand et al., CVPR 2019, eq. 3; a = -4.45, b = 5.45, power 1.

    Args:
        share: p, the known share of a row's labels, in [0, 1].
        at_none: g(0).
        power: exponent of p.
    """
    return (1 - at_none) * share**power + at_none


def partial_bce(logits: Tensor, labels: Tensor, at_none: float = 5.45, power: float = 1.0) -> Tensor:
    """g(p_y) / C times the sum of the cross entropies of the known labels, for each row: [..., R].

    Source: Durand et al., CVPR 2019, eq. 2. A row without known labels costs nothing.

    Args:
        logits: [..., R, C].
        labels: [..., R, C].
        at_none, power: those of `known_share_weight`.
    """
    targets, known = targets_of(labels)
    weight = known_share_weight(known.mean(-1), at_none, power)
    return weight * binary_cross_entropy_with_logits(logits, targets, known, reduction="none").mean(-1)


def masked_soft_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """The sum of the cross entropies of the known labels over C, for each row: [..., R].

    It is torch's MultiLabelSoftMarginLoss, the loss of ML-GCN, with the mask of known labels as its weight.

    Args:
        logits: [..., R, C].
        labels: [..., R, C].
    """
    targets, known = targets_of(labels)
    return binary_cross_entropy_with_logits(logits, targets, known, reduction="none").mean(-1)

"""Statistics of known labels: how often a class is there, which classes appear together, and ML-GCN's graph of that."""

from __future__ import annotations

import torch
from torch import Tensor


def log_odds(labels: Tensor) -> Tensor:
    """log((n_positive + 1) / (n_absent + 1)) of each class's known labels, 0 where none is known: [C] float32.

    Args:
        labels: [N, C] of 1 (positive), 0 (absent), -1 (unknown).
    """
    positive, absent = ((labels == value).sum(0).double() for value in (1, 0))
    return ((positive + 1) / (absent + 1)).log().float()


def cooccurrence(labels: Tensor) -> Tensor:
    """P_ij = n_ij / n_i: [C, C] float32.

    n_i counts the rows where i is known to be positive, n_ij those where i and j both are. So P_ij falls with the share
    of known labels, as in HCP-MLR-PL. A class that is never positive has a row and a column of zeros.

    Args:
        labels: [N, C] of 1 (positive), 0 (absent), -1 (unknown).
    """
    positive = (labels == 1).double()
    both = positive.T @ positive
    return (both / both.diagonal().clamp_min(1)[:, None]).float()


def gcn_adjacency(conditional: Tensor, threshold: float = 0.4, share: float = 0.25) -> Tensor:
    """The normalised graph of ML-GCN: [C, C].

    Edges i -> j where P_ij >= `threshold`; each column shares `share` among its edges; a loop of weight 1 at each
    class gives A, and D^-1/2 A^T D^-1/2 the result, D being the row sums of A.

    Source: Chen et al., CVPR 2019, eqs. 7 and 8, in the form of the code (util.py of ML-GCN).

    Args:
        conditional: P of `cooccurrence`; its diagonal is no edge.
        threshold: t of the paper.
        share: p of the paper.
    """
    edges = (conditional >= threshold).to(conditional.dtype)
    edges.fill_diagonal_(0)
    weights = edges * share / (edges.sum(0, keepdim=True) + 1e-6)
    weights = weights + torch.eye(len(weights), dtype=weights.dtype, device=weights.device)
    scale = weights.sum(1).rsqrt()
    return scale[:, None] * weights.T * scale

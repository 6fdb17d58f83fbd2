"""ML-FSL's label propagation from support to query images, and its label counter.

Source: Simon et al., WACV 2022; github.com/chrysts/Multi-Label-Meta-Learning (main_coco_mlpn.py, selfsupervision.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

RIDGE = 1e-9
"""Added to the diagonal of the linear system: queries that only see each other have no solution otherwise."""


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared distances [..., Q, K] of unit vectors [..., Q, D] and [..., K, D]."""
    return 2 - 2 * x @ y.mT


def spread(count: int, most: int) -> Tensor:
    """At most `most` of the rows 0 to `count` - 1, evenly spread."""
    return torch.arange(min(most, count)) * count // min(most, count)


def median_distance(features: Tensor, most: int = 1000) -> float:
    """Median of the squared distances between unit vectors [M, D], of `most` of them spread evenly over the rows.

    The usual choice of the width sigma of a kernel exp(-d^2 / sigma).
    """
    some = features[spread(len(features), most)].float()
    rows, columns = torch.triu_indices(len(some), len(some), 1)
    return float(squared_distances(some, some)[rows, columns].median())


def share_labels(labels: Tensor) -> Tensor:
    """Labels [..., C] of 1, 0 or -1 as shares that sum to one over the positive ones; all zero without any."""
    positive = (labels == 1).float()
    return positive / positive.sum(-1, keepdim=True).clamp(min=1)


def propagate(query: Tensor, support: Tensor, shares: Tensor, sigma: Tensor | float) -> Tensor:
    """Transductive propagation, which training uses: F_u = (I - W_uu)^-1 W_ul Y, [..., Q, C].

    W holds exp(-d^2 / sigma) between a query and each support and each other query, its rows sum to one. Rows of
    support images do not enter F_u, so the mask that the official code puts on them is left out.

    Args:
        query: [..., Q, D] unit vectors.
        support: [..., K, D] unit vectors.
        shares: [..., K, C], Y.
        sigma: width of the kernel.
    """
    # a narrow kernel leaves some queries next to nothing of the support: double precision, as in the official code
    identity = torch.eye(query.shape[-2], dtype=torch.float64, device=query.device)
    to_query = squared_distances(query, query).double().masked_fill(identity.bool(), torch.inf)
    weight = kernel_rows(torch.cat([squared_distances(query, support).double(), to_query], -1), sigma)
    to_support, to_query = weight.split([support.shape[-2], query.shape[-2]], -1)
    kept = identity * (1 + RIDGE) - to_query
    return torch.linalg.solve(kept, to_support @ shares.double()).to(query.dtype)


def propagate_once(
    query: Tensor, support: Tensor, present: Tensor, shares: Tensor, sigma: Tensor | float, others: Tensor | None = None
) -> Tensor:
    """One inductive step, which the test uses: relu(W_ul Y), [..., Q, C]; a query does not depend on the others.

    Args:
        query, support, shares, sigma: as in `propagate`.
        present: [..., K] bool, where there is a support image.
        others: [..., O, D] unlabelled images whose weights are in the sums of the rows of W. In the official test they
            are the other queries of the episode. Without any, an image far from all of the support has as large shares
            as one close to it.
    """
    distances = squared_distances(query, support).masked_fill(~present[..., None, :], torch.inf)
    if others is not None:
        distances = torch.cat([distances, squared_distances(query, others)], -1)
    return F.relu(kernel_rows(distances, sigma)[..., : support.shape[-2]] @ shares)


def kernel_rows(distances: Tensor, sigma: Tensor | float) -> Tensor:
    """exp(-d^2 / sigma), each row divided by its sum: [..., Q, K] of squared distances, infinite for what is left out.

    A softmax, so that a narrow kernel does not take a whole row to zero.
    """
    return torch.softmax(-distances / sigma, -1)


def count_logits(parameters: dict[str, Tensor], query: Tensor, support: Tensor, present: Tensor) -> Tensor:
    """The label counter: logits [S, E, Q, K, counts] of how many labels a query and a support image have together.

    A network of one hidden layer on [query, support, mean of the support]; its first layer is applied to the parts.

    Args:
        parameters: counter.{query, support, mean} [S, D, H], counter.bias [S, H], counter.weight [S, H, counts],
            counter.offset [S, counts].
        query: [S, E, Q, D].
        support: [S, E, K, D].
        present: [S, E, K] bool.
    """
    mean = (support * present[..., None]).sum(-2, keepdim=True) / present.sum(-1)[..., None, None].clamp(min=1)
    parts = {"query": query, "support": support, "mean": mean}
    layer = {name: part @ parameters[f"counter.{name}"][:, None] for name, part in parts.items()}
    bias = parameters["counter.bias"][:, None, None, None]
    hidden = F.relu(layer["query"][..., :, None, :] + (layer["support"] + layer["mean"])[..., None, :, :] + bias)
    return hidden @ parameters["counter.weight"][:, None, None] + parameters["counter.offset"][:, None, None, None]


def vote_counts(logits: Tensor, support_counts: Tensor, present: Tensor) -> Tensor:
    """How many labels each query has: [..., Q], at least 1, the most frequent answer of its support images.

    Each support image votes for its likeliest joint count less its own; of answers as frequent, the smaller wins.

    Args:
        logits: [..., Q, K, counts].
        support_counts: [..., K] labels of the support images.
        present: [..., K] bool.
    """
    answers = (logits.argmax(-1) - support_counts[..., None, :]).clamp(min=1)
    votes = torch.zeros(*answers.shape[:-1], logits.shape[-1], dtype=torch.int64, device=logits.device)
    votes.scatter_add_(-1, answers, present[..., None, :].expand_as(answers).long())
    return votes.argmax(-1)

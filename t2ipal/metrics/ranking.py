"""Weighted average precision of one class for many weightings at once: what mAP and its bootstrap are made of.

It is scikit-learn's average_precision_score with sample weights (tests hold it to that), for all resamples in one pass,
and without an import that would double the start-up of every evaluation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Ranking(NamedTuple):
    """One class: its rows by falling score, cut into steps that end at the rank of a positive.

    Rows that share a rank are one step. Steps without a positive change no precision that counts, so they are joined
    with the next one that has a positive, and what comes after the last positive is left out.

    Attributes:
        rows: rows in the order of their rank.
        starts: [P], where each step begins in `rows`.
        hits: the positive ones among them.
        hit_starts: [P], where each step begins in `hits`.
    """

    rows: np.ndarray
    starts: np.ndarray
    hits: np.ndarray
    hit_starts: np.ndarray


def rank(scores: np.ndarray, labels: np.ndarray) -> Ranking:
    """The ranking of scores [N] with labels [N] of 1 (positive), 0 (absent) and -1 (left out); one must be positive."""
    counted = np.flatnonzero(labels != -1)
    order = counted[np.argsort(-scores[counted], kind="stable")]
    ranked, hit = scores[order], np.flatnonzero(labels[order] == 1)
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # the last row of each rank
    step, first = np.unique(np.searchsorted(ends, hit), return_index=True)
    stops = ends[step] + 1
    return Ranking(order[: stops[-1]], np.append(0, stops[:-1]), order[hit], first)


def plain_precision_of(ranking: Ranking) -> float:
    """Average precision where each row counts once."""
    hits = np.diff(ranking.hit_starts, append=len(ranking.hits))
    seen = np.append(ranking.starts[1:], len(ranking.rows))
    return float((hits * (hits.cumsum() / seen)).sum() / len(ranking.hits))


def precision_of(ranking: Ranking, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average precision [B] (0 without a positive) and the weight [B] of the positives, for weights [N, B]."""
    import torch
    from torch.nn.functional import embedding_bag

    rows, starts, hit_rows, hit_starts = (torch.from_numpy(part) for part in ranking)
    # torch sums rows by step in one pass; NumPy would gather them first, and add up column by column
    each = torch.from_numpy(weights)
    hits = embedding_bag(hit_rows, each, hit_starts, mode="sum")
    seen = embedding_bag(rows, each, starts, mode="sum").cumsum_(0)
    hits_so_far = hits.cumsum(0)
    positives = hits_so_far[-1].clone().numpy()
    summed = hits.mul_(hits_so_far.div_(seen.clamp_min_(1))).sum(0, dtype=torch.float64).numpy()
    return summed / np.maximum(positives, 1), positives


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part` / `whole`, element by element, as float64; 0 where `whole` is 0."""
    return np.divide(part, whole, out=np.zeros_like(part, dtype=float), where=whole > 0)

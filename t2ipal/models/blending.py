"""SARB's blending of class features, its prototypes and its contrastive loss.

S seeds, R rows, C classes, H width of a class feature. Class features have the classes before the rows. Labels are 1
(positive), 0 (absent), -1 (unknown). Source: Pu et al., AAAI 2022, and the code in HCP-MLR-PL, which goes beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from t2ipal.models.label_losses import targets_of


class Blended(NamedTuple):
    """Class features after a blending.

    Attributes:
        features: [S, C, R, H].
        targets: [S, R, C] in [0, 1].
        known: [S, R, C], 1 where the target counts, else 0.
    """

    features: Tensor
    targets: Tensor
    known: Tensor


class Prototypes(NamedTuple):
    """Centres of the class features of known positives.

    Attributes:
        centres: [S, C, K, H].
        counts: [S, C] int64; the first that many of a class's K centres are there, the rest are 0.
    """

    centres: Tensor
    counts: Tensor


def blend_instances(features: Tensor, labels: Tensor, alpha: Tensor) -> Blended:
    """Blend each row with its partner, the row at the same distance from the other end of the batch.

    Where a class is unknown in a row and positive in its partner, the row's class feature becomes
    alpha f + (1 - alpha) f_partner and its target 1 - alpha, which counts unless it is 0. All else stays.

    Args:
        features: f_c, [S, C, R, H].
        labels: [S, R, C].
        alpha: [S] in [0, 1].
    """
    targets, known = targets_of(labels)
    blends = (labels < 0) & (labels.flip(1) == 1)
    taken = (1 - alpha)[:, None, None] * blends
    mixed = torch.lerp(features, features.flip(2), taken.mT[..., None])
    return Blended(mixed, targets + taken, known + (taken > 0))


def blend_prototypes(
    features: Tensor, labels: Tensor, beta: Tensor, prototypes: Prototypes, uniforms: Tensor, centre_uniforms: Tensor
) -> Blended:
    """Blend one class of each row, sampled from the unknown ones that have prototypes, with one of its centres.

    The class feature becomes beta f + (1 - beta) centre and its target 1 - beta, which counts unless it is 0. A row
    without such a class stays as it is.

    Args:
        features: f_c, [S, C, R, H].
        labels: [S, R, C].
        beta: [S] in [0, 1].
        prototypes: those of the seeds' class features.
        uniforms: uniform in [0, 1), [S, R, C]; the largest decides the class.
        centre_uniforms: uniform in [0, 1), [S, R]; decides the centre.
    """
    targets, known = targets_of(labels)
    eligible = (labels < 0) & (prototypes.counts > 0)[:, None]
    chosen = (uniforms + 1).masked_fill(~eligible, 0).argmax(-1)
    seeds = torch.arange(len(labels), device=labels.device)[:, None]
    counts = prototypes.counts[seeds, chosen]
    centre_index = (centre_uniforms * counts).long().minimum(counts - 1)
    centre = prototypes.centres[seeds, chosen, centre_index]
    blends = torch.zeros_like(eligible).scatter_(-1, chosen[..., None], True) & eligible
    taken = (1 - beta)[:, None, None] * blends
    mixed = torch.lerp(features, centre[:, None], taken.mT[..., None])
    return Blended(mixed, targets + taken, known + (taken > 0))


def cluster(values: Tensor, classes: Tensor, count: int, seeds: Sequence[int]) -> tuple[Tensor, Tensor]:
    """K-means centres of one seed's class features: [C, count, H] and how many each class has, [C].

    A class with no more than `count` features has them as its centres.

    Args:
        values: class features of known positives, [n, H].
        classes: the class of each, [n].
        count: K.
        seeds: seed of the k-means start of each class, [C].
    """
    from sklearn.cluster import KMeans

    centres, counts = torch.zeros(len(seeds), count, values.shape[1]), torch.zeros(len(seeds), dtype=torch.int64)
    for c, seed in enumerate(seeds):
        own = values[classes == c].cpu().numpy().astype(np.float32)
        if len(own) > count:
            own = KMeans(count, n_init=1, random_state=seed % 2**32).fit(own).cluster_centers_
        centres[c, : len(own)], counts[c] = torch.from_numpy(own), len(own)
    return centres.to(values), counts.to(values.device)


def contrastive(features: Tensor, labels: Tensor) -> Tensor:
    """Similar class features for two positives, opposite ones for a positive and an absent and for two absents: [S].

    Over pairs of rows and all classes: 1 - cos where both are positive, 1 + cos for the other two kinds, averaged. With
    n pairs of positives there are 2 n of each other kind sampled at random and its n largest, fewer where it has fewer;
    without any, all pairs count. The random sample is replaced by its mean here: the same expectation, without noise.
    Source: loss/SARB.py.

    Args:
        features: f_c, [S, C, R, H].
        labels: [S, R, C].
    """
    unit = normalize(features, dim=-1)
    cosine = unit @ unit.mT
    positive, absent = (labels == 1).mT, (labels == 0).mT
    upper = torch.ones(cosine.shape[-2:], dtype=torch.bool, device=labels.device).triu(1)
    mixed = positive[..., :, None] & absent[..., None, :]
    kinds = [mixed | mixed.mT, absent[..., :, None] & absent[..., None, :]]
    together = positive[..., :, None] & positive[..., None, :] & upper
    number = together.sum((1, 2, 3))
    total, pairs = ((1 - cosine) * together).sum((1, 2, 3)), number
    for kind in kinds:
        kind = kind & upper
        size = kind.sum((1, 2, 3))
        sampled, hard = torch.where(number > 0, size.minimum(2 * number), size), size.minimum(number)
        values = 1 + cosine
        mean = (values * kind).sum((1, 2, 3)) / size.clamp_min(1)
        largest = values.masked_fill(~kind, -1).flatten(1).topk(int(hard.max()), -1).values
        counted = torch.arange(largest.shape[1], device=labels.device) < hard[:, None]
        total = total + sampled * mean + (largest * counted).sum(-1)
        pairs = pairs + sampled + hard
    return total / pairs.clamp_min(1)

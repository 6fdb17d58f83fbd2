"""SARB's blending of class features, its prototypes and its contrastive loss.

S seeds, R rows, C classes, H width of a class feature. Class features have the classes before the rows. Labels are 1
(positive), 0 (absent), -1 (unknown). Source: Pu et al., AAAI 2022, and the code in HCP-MLR-PL, which goes beyond it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize

from t2ipal.models.k_means import k_means
from t2ipal.models.label_losses import targets_of


class Blended(NamedTuple):
    """Class features after a blending.

    Attributes:
        features: [S, C, R, H].
        targets: [S, R, C] in [0, 1].
        known: [S, R, C], 1 where the target counts, else 0.
        rows: [S, R], True where some class is blended.
    """

    features: Tensor
    targets: Tensor
    known: Tensor
    rows: Tensor

    def compact(self) -> tuple[Tensor, Tensor]:
        """The class features [S, C, B, H] of the blended rows, and their numbers [S, B].

        B is that of the seed with the most of them; another seed has some rows that are not blended behind its own.
        """
        most = int(self.rows.sum(1).max())
        rows = self.rows.int().argsort(dim=1, descending=True, stable=True)[:, :most]
        return self.features.take_along_dim(rows[:, None, :, None], 2), rows


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
    return Blended(mixed, targets + taken, known + (taken > 0), blends.any(-1))


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
    return Blended(mixed, targets + taken, known + (taken > 0), blends.any(-1))


def cluster(values: Tensor, classes: Tensor, count: int, seeds: Sequence[Sequence[int]]) -> Prototypes:
    """K-means centres of the class features of known positives.

    A class with no more than `count` features has them as its centres.

    Args:
        values: class features of known positives, [S, n, H].
        classes: the class of each, [n].
        count: K.
        seeds: of the k-means start of each seed's classes, [S, C].
    """
    centres = values.new_zeros(len(seeds), len(seeds[0]), count, values.shape[-1])
    counts = torch.zeros(centres.shape[:2], dtype=torch.int64, device=values.device)
    for c, starts in enumerate(zip(*seeds, strict=True)):
        own = values[:, classes == c]
        if own.shape[1] > count:
            own = k_means(own, count, [start % 2**32 for start in starts])
        centres[:, c, : own.shape[1]], counts[:, c] = own, own.shape[1]
    return Prototypes(centres, counts)


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
    with torch.no_grad():
        weight, number = _pair_weights(cosine, labels)
    return ((weight * cosine).sum((1, 2, 3)) + weight.abs().sum((1, 2, 3))) / number.clamp_min(1)


def _pair_weights(cosine: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """How much each pair of rows counts in `contrastive`, [S, C, R, R], and how many pairs count altogether, [S].

    A weight is negative where the rows should be alike: weight * cosine + |weight| is the pair's part of the sum.
    """
    positive, absent = (labels == 1).mT, (labels == 0).mT
    upper = torch.ones(cosine.shape[-2:], dtype=torch.bool, device=labels.device).triu(1)
    mixed = positive[..., :, None] & absent[..., None, :]
    together = positive[..., :, None] & positive[..., None, :] & upper
    p, a = positive.sum(-1), absent.sum(-1)
    number, *sizes = ((count // 2).sum(-1) for count in (p * (p - 1), 2 * p * a, a * (a - 1)))
    weight, pairs = -together.to(cosine.dtype).contiguous(), number
    kinds = mixed | mixed.mT, absent[..., :, None] & absent[..., None, :]
    for kind, size in zip(kinds, sizes, strict=True):
        kind = kind & upper
        sampled, hard = torch.where(number > 0, size.minimum(2 * number), size), size.minimum(number)
        weight += kind * (sampled / size.clamp_min(1)).to(weight.dtype)[:, None, None, None]
        largest = cosine.masked_fill(~kind, -torch.inf).flatten(1).topk(int(hard.max()), -1).indices
        counted = torch.arange(largest.shape[1], device=labels.device) < hard[:, None]
        weight.view(len(weight), -1).scatter_add_(1, largest, counted.to(weight.dtype))
        pairs = pairs + sampled + hard
    return weight, pairs

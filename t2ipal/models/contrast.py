"""Contrastive loss of class features: images that share a class lie near each other, others apart.

Source: Pu et al., AAAI 2022 (SARB), and the sampling of loss/SARB.py of HCP-MLR-PL.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize


def contrastive(features: Tensor, labels: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """The mean over pairs of images and classes of 1 - cos (both positive) or 1 + cos (one or both absent): [S].

    Of the pairs of one positive and one absent, and of those of two absent, twice as many as there are pairs of two
    positives are drawn, and as many of the greatest cost are added. So a seed without a pair of positives costs nothing
    (the code takes all its other pairs then); unknown labels are in no pair.

    Args:
        features: f_c, [S, C, R, H].
        labels: [S, R, C] of 1, 0 and -1.
        generators: of the draws, one per seed.
    """
    rows = features.shape[2]
    left, right = torch.triu_indices(rows, rows, offset=1, device=features.device)
    unit = normalize(features, dim=-1)
    cosine = (unit @ unit.mT)[..., left, right]
    first, second = labels.mT[..., left], labels.mT[..., right]
    known = (first >= 0) & (second >= 0)
    found = []
    for seed, generator in enumerate(generators):
        positives = known[seed] & (first[seed] + second[seed] == 2)
        near = 1 - cosine[seed][positives]
        if not len(near):
            found.append(cosine[seed].sum() * 0)
            continue
        parts = [near]
        for count in (1, 0):
            apart = 1 + cosine[seed][known[seed] & (first[seed] + second[seed] == count)]
            drawn = torch.randperm(len(apart), generator=generator)[: 2 * len(near)].to(apart.device)
            parts += [apart[drawn], apart.topk(min(len(near), len(apart))).values]
        found.append(torch.cat(parts).mean())
    return torch.stack(found)

"""Patches of images as examples of classes: which are sure by zero-shot, and which stay sure after a first fit.

Source: PIAA, github.com/akang-wang/PIAA (learn.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from t2ipal.models.discriminant import ClassSums, Linear


@dataclass(frozen=True)
class Maps:
    """Local maps of some images.

    Attributes:
        local: [M, HW, D] of these and perhaps more images.
        rows: [n] the images meant.
        allowed: [n, C] bool, the classes that their patches may be examples of; None: all.
    """

    local: Tensor
    rows: Tensor
    allowed: Tensor | None = None


class Patches(NamedTuple):
    """Examples.

    Attributes:
        features: [P, D] float32.
        classes: [P] the class of each.
        weights: [P] its share in the mean of that class.
    """

    features: Tensor
    classes: Tensor
    weights: Tensor

    def fit(self, texts: Tensor) -> Linear:
        """The Gaussian classifier of these examples; `texts` [C, D] are the means of classes without any."""
        sums = ClassSums.none(*texts.shape, device=texts.device)
        sums.add(self.features, one_hot(self.classes, len(texts)), self.weights)
        return sums.classifier(texts)


def surest_patches(maps: Iterable[Maps], texts: Tensor, scale: float, most: int, chunk: int = 1024) -> Patches:
    """For each class those patches, of the ones it has the highest cosine with, of the lowest entropies.

    Args:
        maps: of all images; read twice, chunk by chunk.
        texts: [C, D] unit text embeddings, on the device to compute on.
        scale: factor on the cosines under the softmax over classes.
        most: patches per class, the weight of each being its probability.
        chunk: images in memory together.
    """
    chunks = [(part, some) for part in maps for some in torch.arange(len(part.rows)).split(chunk)]
    judged = [_judged(part, some, texts, scale) for part, some in chunks]
    classes, entropies, weights = (torch.cat(values) for values in zip(*judged, strict=True))
    kept = [_lowest(entropies, classes == c, most) for c in range(len(texts))]
    chosen = torch.cat(kept).sort().values
    features, first = [], 0
    for (part, some), (own, _, _) in zip(chunks, judged, strict=True):
        here = chosen[(chosen >= first) & (chosen < first + len(own))] - first
        cells = part.local.shape[1]
        rows = part.rows[some].to(here.device)[here // cells]
        features.append(part.local[rows.to(part.local.device), (here % cells).to(part.local.device)].to(texts))
        first += len(own)
    return Patches(torch.cat(features), classes[chosen], weights[chosen])


def purified(patches: Patches, fitted: Linear, scale: float, least: int) -> Patches:
    """Of each class by a first fit the patches whose probability is above the class's mean by a deviation or more.

    Args:
        patches: those of the first fit, [P].
        fitted: the classifier.
        scale: factor on its scores z under the softmax over classes: q; it is the new weight.
        least: so many of each class stay, those of the highest q, or all if there are fewer. Where q is saturated its
            mean plus its deviation is above 1, so that without this no patch would stay.
    """
    z = (patches.features @ fitted.weight.T + fitted.bias).double()
    sure = (scale * z).log_softmax(-1)
    classes = z.argmax(-1)
    own = sure.gather(1, classes[:, None])[:, 0]
    kept = torch.zeros_like(classes, dtype=torch.bool)
    for c in classes.unique().tolist():
        rows = (classes == c).nonzero()[:, 0]
        q = own[rows].exp()
        good = rows[q >= q.mean() + q.std()] if len(rows) > 1 else rows
        best = rows[own[rows].argsort(descending=True, stable=True)[:least]]
        kept[good if len(good) >= len(best) else best] = True
    return Patches(patches.features[kept], classes[kept], own[kept].exp().to(patches.weights))


def _judged(part: Maps, some: Tensor, texts: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """Class, entropy (infinite where the class is not allowed) and probability of each patch: [n * HW] each."""
    cosines = part.local[part.rows[some]].to(texts).flatten(0, 1) @ texts.T
    logs = (scale * cosines).log_softmax(-1)
    top, classes = logs.max(-1)
    entropy = -(logs.exp() * logs).sum(-1)
    if part.allowed is not None:
        allowed = part.allowed[some].to(texts.device).repeat_interleave(part.local.shape[1], 0)
        entropy = entropy.masked_fill(~allowed.gather(1, classes[:, None])[:, 0], torch.inf)
    return classes, entropy, top.exp()


def _lowest(entropies: Tensor, here: Tensor, most: int) -> Tensor:
    rows = (here & entropies.isfinite()).nonzero()[:, 0]
    return rows[entropies[rows].argsort(stable=True)[:most]]

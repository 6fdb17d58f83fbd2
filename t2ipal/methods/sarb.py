"""SARB: semantic decoupling, with class features of known positives blended into images where the class is unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from t2ipal.methods.base import TRAIN, Batch, Tensors
from t2ipal.methods.ssgrl import DecoupledLearning, DecoupledSettings
from t2ipal.seeds import seed_of

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from t2ipal.training_data import TrainingData

LEAST, MOST = 0.0, 1.0
"""Bounds of the learned shares alpha and beta."""


class Settings(DecoupledSettings):
    """Settings of SARB."""

    blend_from: int = Field(5, ge=0, description="Epoch (from 0) at which blending starts. Code: 5.")
    refresh: int = Field(5, ge=1, description="Epochs between two k-means of the prototypes. Code: 5.")
    prototypes: int = Field(
        10, ge=1, description="Prototypes of a class, fewer where it has fewer positives. Code: 10."
    )
    contrast: float = Field(0.05, ge=0, description="Weight of the contrastive loss, ramped up in epoch 0. Code: 0.05.")


class SARB(DecoupledLearning):
    """SSGRL's network; the known labels of an image are completed by blending, at two levels.

    Instance level: where a class is unknown in an image and positive in its partner (the batch, reversed), the class
    feature becomes alpha f + (1 - alpha) f_partner, of label 1 - alpha. Prototype level: in each image one unknown
    class, drawn at random, becomes beta f + (1 - beta) c, of label 1 - beta, c one of the class's k-means centres over
    known positives, drawn at random. alpha and beta are learned. Loss: cross entropy of the known labels, plus that of
    both blended versions, plus the contrastive loss of the class features.
    """

    name = "sarb"
    title = "SARB"
    source = "Pu et al., Semantic-Aware Representation Blending, AAAI 2022; github.com/HCPLab-SYSU/HCP-MLR-PL"
    Settings = Settings
    settings: Settings

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        import torch

        super().observe(data, seeds)
        self.data, self.seeds = data, tuple(seeds)
        rows = torch.arange(len(data.train.ids)) if data.train_rows is None else data.train_rows
        batch = min(self.settings.batch, len(rows))
        self.train_rows = rows
        self.steps = len(rows) // batch if self.settings.drop_last else math.ceil(len(rows) / batch)

    def start(self, seeds: Sequence[int]) -> Tensors:
        import torch

        half = torch.full((len(seeds),), 0.5, device=self.device)
        return super().start(seeds) | {"alpha": half, "beta": half.clone()}

    def begin_epoch(self, learned: Tensors, epoch: int) -> None:
        import torch

        self.epoch, self.step = epoch, 0
        self.draws = [torch.Generator().manual_seed(seed_of("train", seed, "sarb", epoch)) for seed in self.seeds]
        since = epoch - self.settings.blend_from
        if since >= 0 and since % self.settings.refresh == 0:
            self.centres, self.counts = self._prototypes(learned)

    def loss(self, learned: Tensors, batch: Batch) -> Tensors:
        import torch

        from t2ipal.models.contrast import contrastive
        from t2ipal.models.label_losses import masked_bce, targets_of

        with torch.no_grad():
            # The numbers themselves, as in the code: a bound in the graph has no gradient that leads back over it.
            for share in ("alpha", "beta"):
                learned[share].clamp_(LEAST, MOST)
        branch, tensors = batch[TRAIN], self.fixed | learned
        features = self.class_features(tensors, self.scaled(tensors, branch.pooled, branch.local))
        targets, known = targets_of(branch.labels)
        total = masked_bce(self.classify(tensors, features), targets, known)
        if self.settings.contrast:
            ramp = 1.0 if self.epoch else min(1.0, self.step / self.steps)
            weight = self.settings.contrast * ramp
            total = total + weight * contrastive(features, branch.labels, self.draws)
        if self.epoch >= self.settings.blend_from:
            for where, others, share in (self._partners(features, branch.labels, learned["alpha"]),
                                         self._drawn_centres(features, branch.labels, learned["beta"])):  # fmt: skip
                blended, target, counted = blend(features, targets, known, where, others, share)
                total = total + masked_bce(self.classify(tensors, blended), target, counted)
        self.step += 1
        return {"loss": total, "loss_train": total.detach()}

    def finish(self, learned: Tensors) -> Tensors:
        return super().finish({name: value for name, value in learned.items() if name not in ("alpha", "beta")})

    def _partners(self, features: Tensor, labels: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where a class is blended [S, R, C], the partners' features [S, C, R, H], and the share of the image's own."""
        return (labels == -1) & (labels.flip(1) == 1), features.flip(2), alpha

    def _drawn_centres(self, features: Tensor, labels: Tensor, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `_partners`, for one unknown class of each image and a centre of it."""
        import torch

        shape = labels.shape[1:]
        numbers = torch.stack([torch.rand(2, *shape, generator=draw) for draw in self.draws]).to(features.device)
        chance, which = numbers.unbind(1)
        possible = (labels == -1) & (self.counts[:, None] > 0)
        chosen = torch.where(possible, chance, -1.0).argmax(-1, keepdim=True)
        where = torch.zeros_like(possible).scatter(-1, chosen, True) & possible
        place = (which * self.counts[:, None]).long().clamp(max=self.centres.shape[2] - 1)  # [S, R, C]
        others = self.centres.gather(2, place.mT[..., None].expand(-1, -1, -1, self.centres.shape[-1]))
        return where, others, beta

    def _prototypes(self, learned: Tensors) -> tuple[Tensor, Tensor]:
        """k-means centres of the class features of known positives, [S, C, K, H], and their number by class, [S, C]."""
        import torch

        found, most = self._positives(learned), self.settings.prototypes
        counts = torch.tensor([min(most, points.shape[1]) for points in found])
        centres = torch.zeros(len(self.seeds), len(found), most, found[0].shape[-1])
        for s, seed in enumerate(self.seeds):
            for c, count in enumerate(counts.tolist()):
                if count:
                    draw = seed_of("train", seed, "sarb", "kmeans", self.epoch, c)
                    centres[s, c, :count] = torch.from_numpy(kmeans(found[c][s].numpy(), count, draw))
        return centres.to(self.device), counts.expand(len(self.seeds), -1).to(self.device)

    def _positives(self, learned: Tensors) -> list[Tensor]:
        """The class features of the known positives of each class, [S, how many, H] on the CPU.

        Only those are kept: for COCO some 240,000 of 6.6 million.
        """
        import torch

        tensors, found, classes = self.fixed | learned, [], []
        with torch.no_grad():
            for rows in self.train_rows.split(256):
                images = (value[rows][None].to(self.device).float() for value in self._features(self.data.train))
                features = self.class_features(tensors, self.scaled(tensors, *images))
                c, row = (self.data.train_labels[rows].T == 1).nonzero().unbind(1)
                found.append(features[:, c, row].cpu())
                classes.append(c)
        points, of = torch.cat(found, 1), torch.cat(classes)
        return [points[:, of == c] for c in range(len(self.class_names))]


def kmeans(points: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` centres [count, H] of points [N, H], float32."""
    import numpy as np
    from sklearn.cluster import KMeans

    found = KMeans(count, n_init=1, max_iter=50, random_state=seed % 2**32).fit(points)
    return found.cluster_centers_.astype(np.float32)


def blend(
    features: Tensor, targets: Tensor, known: Tensor, where: Tensor, others: Tensor, share: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Class features, targets and the mask of what counts after blending.

    Args:
        features: f, [S, C, R, H].
        targets, known: [S, R, C], as `targets_of` gives them.
        where: [S, R, C], the entries that are blended.
        others: [S, C, R, H], what is blended in.
        share: [S], the share of f, in [0, 1]; the new target is 1 - share.
    """
    share = share[:, None, None]
    mixed = share[..., None] * features + (1 - share[..., None]) * others
    here = where.mT[..., None]
    return (
        mixed.where(here, features),
        (1 - share).expand_as(targets).where(where, targets),
        known.masked_fill(where, 1.0),
    )

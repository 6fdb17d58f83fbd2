"""SARB: SSGRL whose class features are blended, to fill unknown labels from other images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from t2ipal.methods.base import Tensors
from t2ipal.methods.ssgrl import DecoupledLearning, DecoupledSettings
from t2ipal.rows import TRAIN
from t2ipal.rows.base import Batch
from t2ipal.seeds import seed_of

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.models.blending import Blended, Prototypes
    from t2ipal.rows.data import TrainingData


class Settings(DecoupledSettings):
    """Settings of SARB."""

    epochs: int = Field(4, ge=1, description="Passes over the labelled images. Code: 20.")
    blend_from: int = Field(
        1, ge=0, description="First epoch, from 0, whose class features are blended. Code: 5 of 20."
    )
    prototypes: int = Field(10, ge=1, description="Prototypes per class. Code: 10.")
    prototypes_every: int = Field(1, ge=1, description="Epochs between two computations of prototypes. Code: 5 of 20.")
    blend_start: float = Field(0.5, ge=0, le=1, description="Start of alpha and beta. Code: 0.5.")
    contrastive: float = Field(0.05, ge=0, description="Weight of the contrastive loss. Code: 0.05.")


class SARB(DecoupledLearning):
    """Cross entropy of known labels, of two blendings' labels, and a contrastive loss on the class features.

    From epoch `blend_from` on, an unknown label borrows a positive one: from the batch's row at the other end
    (instance level, share 1 - alpha), and, one per image, from a prototype of its class (prototype level, share
    1 - beta). Alpha and beta are learned, one number each, and kept in [0, 1]. The contrastive loss grows from 0 to its
    weight over the first epoch.

    Where the publication leaves it open or the code differs: the centre is sampled for each image, not once per step; a
    class with fewer known positives than prototypes has those as prototypes; an image without unknown labels is not
    blended (the code overwrites a label of its first class); the projection has a bias and scaled features in the place
    of batch normalisation.
    """

    name = "sarb"
    title = "SARB"
    source = "Pu et al., Semantic-Aware Representation Blending, AAAI 2022; github.com/HCPLab-SYSU/HCP-MLR-PL"
    own_metric = "voc2012"
    Settings = Settings
    settings: Settings

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        """Keep the training images at hand too: prototypes are made of them."""
        super().observe(data, seeds)
        self.train, self.train_rows = data[TRAIN].images, data[TRAIN].rows
        batch = min(self.settings.batch, len(self.labels))
        steps = len(self.labels) / batch
        self.steps = math.floor(steps) if self.settings.drop_last else math.ceil(steps)

    def start(self, seeds: Sequence[int]) -> Tensors:
        import torch

        self.seeds = tuple(seeds)
        self._begin(0)
        half = torch.full((len(seeds),), self.settings.blend_start, device=self.device)
        return super().start(seeds) | {"alpha": half, "beta": half.clone()}

    def begin_epoch(self, learned: Tensors, epoch: int) -> None:
        """Start the epoch's samples and, where it is time, compute the prototypes."""
        self._begin(epoch)
        since = epoch - self.settings.blend_from
        if since >= 0 and since % self.settings.prototypes_every == 0:
            self.prototypes = self.compute_prototypes(learned)

    def _begin(self, epoch: int) -> None:
        from t2ipal.rows.randomness import epoch_generators

        self.epoch, self.step = epoch, 0
        self.generators = epoch_generators(self.seeds, "blend", epoch)

    def compute_prototypes(self, learned: Tensors) -> Prototypes:
        """K-means centres of the class features of known positives, for each seed."""
        import torch

        from t2ipal.models.blending import cluster

        tensors, values, classes = self.fixed | learned, [], []
        rows = (self.labels == 1).any(1).nonzero()[:, 0]
        with torch.no_grad():
            chunks = self.scaled_rows(tensors, self.train, self.train_rows[rows])
            for some, features in zip(rows.split(256), chunks, strict=True):
                row, class_index = (self.labels[some] == 1).nonzero(as_tuple=True)
                values.append(self.class_features(tensors, features)[:, class_index, row])
                classes.append(class_index)
        values, classes = torch.cat(values, 1), torch.cat(classes).to(self.device)
        classes_here = range(self.labels.shape[1])
        starts = [[seed_of("train", seed, "prototypes", self.epoch, c) for c in classes_here] for seed in self.seeds]
        return cluster(values, classes, self.settings.prototypes, starts)

    def loss(self, learned: Tensors, batch: Batch) -> Tensors:
        import torch

        from t2ipal.models.blending import contrastive
        from t2ipal.models.label_losses import masked_bce

        branch, tensors = batch[TRAIN], self.fixed | learned
        features = self.class_features(tensors, self.scaled(tensors, branch.pooled, branch.local))
        blended = self._blend(tensors, features, branch.labels) if self.epoch >= self.settings.blend_from else []
        # a row without a blended class has the logits of its own features
        parts, rows = zip((features, None), *(part.compact() for part in blended), strict=True)
        logits, *others = self.classify(tensors, torch.cat(parts, 2)).split([part.shape[2] for part in parts], 1)
        cost = self.cost(logits, branch)
        ramp = self.step / self.steps if self.epoch == 0 else 1.0
        total = cost + self.settings.contrastive * ramp * contrastive(features, branch.labels)
        for part, own, at in zip(blended, others, rows[1:], strict=True):
            logit = logits.scatter(1, at[..., None].expand_as(own), own)
            total = total + masked_bce(logit, part.targets, part.known * branch.weight[..., None])
        self.step += 1
        return {"loss": total, "loss_train": cost.detach()}

    def _blend(self, tensors: Tensors, features: Tensor, labels: Tensor) -> list[Blended]:
        import torch

        from t2ipal.models.blending import blend_instances, blend_prototypes

        alpha, beta = tensors["alpha"], tensors["beta"]
        with torch.no_grad():
            for value in (alpha, beta):
                value.clamp_(0, 1)
        rows, classes = labels.shape[1:]
        uniforms = torch.stack([torch.rand(rows, classes + 1, generator=generator) for generator in self.generators])
        by_class, by_centre = uniforms.to(self.device).split((classes, 1), -1)
        return [
            blend_instances(features, labels, alpha),
            blend_prototypes(features, labels, beta, self.prototypes, by_class, by_centre[..., 0]),
        ]

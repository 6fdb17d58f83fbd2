"""Class vectors: TAI++'s classes on cached features, two free vectors per class. Not in the paper.

TAI++ (Pseudo-Visual-Prompt) learns two images per class and reads them through CLIP's frozen image encoder. Cached
features have no pixels, so here the vectors behind the encoder are learned: the same losses, noise and schedule, from
the captions of all other rows. Its second stage, contexts and two adapters, is not part of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.methods.base import Tensors, TrainingSettings
from t2ipal.methods.caption_learning import CaptionLearning
from t2ipal.methods.zsclip import Template
from t2ipal.rows import CAPTIONS
from t2ipal.rows.base import Batch

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures


class Settings(TrainingSettings):
    """Settings of the class vectors."""

    epochs: int = Field(100, ge=1, description="Passes over the captions. TAI++: 100.")
    batch: int = Field(512, ge=1, description="Captions per step. TAI++: 512.")
    lr: float = Field(0.1, gt=0, description="Learning rate after warm-up. TAI++: 0.1.")
    warmup_lr: float = Field(1.0, gt=0, description="Learning rate of the warm-up epochs. TAI++: 1, above `lr`.")
    templates: int = Field(
        0, ge=0, description="Class templates that join the captions, so many of each class; 0: none. TAI++: none."
    )
    template: Template = Field(
        "a photo of a {}.", description="Prompt whose embedding starts both vectors. Ours: this."
    )
    noise: float = Field(0.04, ge=0, description="Std of the normal noise on each number of a feature. TAI++: 0.04.")
    logit_scale: float = Field(4.0, gt=0, description="Factor on cosines. TAI++: 4.")
    local_weight: float = Field(0.1, ge=0, description="Weight of the local ranking loss. TAI++: 0.1.")
    tau_text: float = Field(
        1 / 40, gt=0, description="Temperature of the softmax over the positions of a caption. TAI++: 1/40."
    )
    tau_image: float = Field(
        1 / 50, gt=0, description="Temperature of the softmax over the cells of an image. TAI++: 1/50."
    )
    eta: float = Field(1.0, gt=0, description="Margin of the ranking loss. TAI++: 1.")
    global_feature: Literal["nopos", "pos"] = Field(
        "nopos", description="Global image feature without or with positional embedding. TAI++: nopos."
    )


class ClassVectors(CaptionLearning):
    """Loss rank(4 cos(x, g)) + 0.1 rank(4 local(x_j, l)); a score adds both, the global feature being a cell too."""

    name = "class_vectors"
    title = "Class vectors (TAI++ on cached features)"
    source = "TAI++, IJCAI 2024 (arXiv 2405.06926); github.com/Jinx630/Pseudo-Visual-Prompt"
    has_cells = True
    Settings = Settings
    settings: Settings

    def start(self, seeds: Sequence[int]) -> Tensors:
        self.seeds = tuple(seeds)
        return {f"vector_{part}": self.texts.expand(len(seeds), -1, -1).clone() for part in ("global", "local")}

    def begin_epoch(self, learned: Tensors, epoch: int) -> None:
        self.epoch, self.step = epoch, 0

    def noised(self, pooled: Tensor, local: Tensor) -> tuple[Tensor, Tensor]:
        """Unit features plus noise, unit again: [S, R, D] and [S, R, N, D].

        Each seed samples its own. Positions are sampled one after the other, so that the longest text of the batch,
        which another seed may have, changes nothing for the shorter ones.
        """
        import torch
        from torch.nn.functional import normalize

        from t2ipal.rows.randomness import epoch_generators

        positions, rows, dim = local.shape[2], *pooled.shape[1:]
        generators = epoch_generators(self.seeds, f"noise-{self.step}", self.epoch)
        drawn = torch.stack([torch.randn(1 + positions, rows, dim, generator=one) for one in generators])
        noise = self.settings.noise * drawn.to(pooled)
        return normalize(pooled + noise[:, 0], dim=-1), normalize(local + noise[:, 1:].transpose(1, 2), dim=-1)

    def loss(self, learned: Tensors, batch: Batch) -> Tensors:
        from torch.nn.functional import normalize

        from t2ipal.models.losses import ranking_loss
        from t2ipal.models.similarity import global_logits, local_logits

        branch, scale, eta = batch[CAPTIONS], self.settings.logit_scale, self.settings.eta
        pooled, local = self.noised(branch.pooled, branch.local)
        self.step += 1
        far = scale * global_logits(pooled, normalize(learned["vector_global"], dim=-1))
        near = local_logits(local, normalize(learned["vector_local"], dim=-1), self.settings.tau_text, branch.mask)
        costs = ranking_loss(far, branch.labels, eta)
        costs = costs + self.settings.local_weight * ranking_loss(scale * near.logits, branch.labels, eta)
        loss = branch.mean(costs)
        return {"loss": loss, "loss_text": loss.detach()}

    def finish(self, learned: Tensors) -> Tensors:
        from torch.nn.functional import normalize

        return {name.replace("vector", "class"): normalize(value.detach(), dim=-1) for name, value in learned.items()}

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """4 cos of the global feature plus 4 times the local score: [S, N, C] on the CPU."""
        import torch

        from t2ipal.methods.prompt_learning import by_chunks
        from t2ipal.models.similarity import global_logits, local_logits

        far, near = tensors["class_global"], tensors["class_local"]

        def added(pooled: Tensor, local: Tensor) -> Tensor:
            cells = torch.cat([local, pooled[..., None, :]], -2)
            both = global_logits(pooled, far) + local_logits(cells, near, self.settings.tau_image).logits
            return self.settings.logit_scale * both

        return by_chunks(added, images, self.settings.global_feature, far.device, chunk)

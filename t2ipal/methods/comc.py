"""CoMC: a linear classifier of caption features, which reads images mapped towards texts. Not in the paper.

It came after TaI-DPT on the same problem, and the paper does not compare with it. The original learns from sentences
written by a language model; here it learns from the captions that all other rows learn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.methods.base import Tensors, TrainingSettings
from t2ipal.methods.caption_learning import CaptionLearning
from t2ipal.methods.label_learning import linear_start
from t2ipal.methods.zsclip import Template
from t2ipal.rows import CAPTIONS
from t2ipal.rows.base import Batch

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures


class Settings(TrainingSettings):
    """Settings of CoMC."""

    epochs: int = Field(20, ge=1, description="Passes over the captions. CoMC: 20.")
    batch: int = Field(512, ge=1, description="Captions per step. CoMC: 512.")
    lr: float = Field(1e-3, gt=0, description="Learning rate after warm-up. CoMC: 1e-3.")
    optimizer: Literal["sgd", "adamw"] = Field("adamw", description="CoMC: Adam.")
    templates: int = Field(
        89, ge=0, description="Class templates that join the captions, so many of each class; 0: none. CoMC: 89."
    )
    noise: float = Field(0.1, ge=0, description="Std of the normal noise on each number of a caption's feature. 0.1.")
    renormalise: bool = Field(
        False, description="L2-normalise the noised feature. CoMC's code: no; the noise is longer than the feature."
    )
    eta: float = Field(1.0, gt=0, description="Margin of the ranking loss. CoMC: 1.")
    template: Template = Field(
        "a photo of a {}.",
        description="Text of a class, {} its name, that images are mapped to. CoMC: a file of texts, not described.",
    )
    tau: float = Field(0.01, gt=0, description="Temperature of the softmax over these texts. CoMC: 1/100.")
    mix: float = Field(0.3, ge=0, le=1, description="Share of the mapped texts, the image has the rest. CoMC: 0.3.")
    merge: float = Field(0.5, ge=0, le=1, description="Share of the global score at test. CoMC: 0.5.")
    global_feature: Literal["nopos", "pos"] = Field(
        "nopos", description="Global image feature without or with positional embedding. CoMC: nopos."
    )


class CoMC(CaptionLearning):
    """Captions train W by the ranking loss on W (x + noise); an image is scored by W at 0.7 x + 0.3 t.

    t is the L2-normalised mean of the class texts under softmax(cosine / tau) with the feature x. It replaces x on
    the texts' side of the modality gap. The local score of a class is the highest of the cells'.
    """

    name = "comc"
    title = "CoMC"
    source = "Liu et al., ICML 2024; github.com/yic20/CoMC"
    Settings = Settings
    settings: Settings

    def start(self, seeds: Sequence[int]) -> Tensors:
        self.seeds = tuple(seeds)
        return {"weight": linear_start(seeds, "weight", self.texts.shape[-1], self.texts.shape).to(self.texts.device)}

    def begin_epoch(self, learned: Tensors, epoch: int) -> None:
        """Each seed samples its own noise, the same whoever shares the job."""
        from t2ipal.rows.randomness import epoch_generators

        self.generators = epoch_generators(self.seeds, "noise", epoch)

    def loss(self, learned: Tensors, batch: Batch) -> Tensors:
        import torch
        from torch.nn.functional import normalize

        from t2ipal.models.losses import ranking_loss

        branch = batch[CAPTIONS]
        noise = torch.stack([torch.randn(branch.pooled.shape[1:], generator=one) for one in self.generators])
        features = branch.pooled + self.settings.noise * noise.to(branch.pooled)
        features = normalize(features, dim=-1) if self.settings.renormalise else features
        costs = ranking_loss(features @ learned["weight"].mT, branch.labels, self.settings.eta)
        loss = branch.mean(costs)
        return {"loss": loss, "loss_text": loss.detach()}

    def finish(self, learned: Tensors) -> Tensors:
        weight = learned["weight"].detach()
        return {"weight": weight, "texts": self.texts.expand_as(weight)}

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """merge W x' + (1 - merge) max over the cells of W x'_j, x' being the mapped features: [S, N, C] on the CPU."""
        from t2ipal.methods.prompt_learning import by_chunks

        weight, merge = tensors["weight"], self.settings.merge
        texts = tensors["texts"][:1]  # equal for all seeds

        def merged(pooled: Tensor, local: Tensor) -> Tensor:
            cells = self.mapped(local.flatten(-3, -2), texts) @ weight.mT
            near = cells.unflatten(-2, local.shape[-3:-1]).amax(-2)
            return merge * (self.mapped(pooled, texts) @ weight.mT) + (1 - merge) * near

        return by_chunks(merged, images, self.settings.global_feature, weight.device, chunk)

    def mapped(self, features: Tensor, texts: Tensor) -> Tensor:
        """(1 - mix) x + mix t of `features` x [..., R, D], t their mean of `texts` [..., C, D]; not normalised."""
        from torch.nn.functional import normalize

        attention = (features @ texts.mT / self.settings.tau).softmax(-1)
        return (1 - self.settings.mix) * features + self.settings.mix * normalize(attention @ texts, dim=-1)

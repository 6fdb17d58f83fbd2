"""DualCoOp: a positive and a negative context, learned from images of which some labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.features.fields import LOCAL
from t2ipal.methods.base import Tensors
from t2ipal.methods.contexts import AsymmetricSettings, ContextLearning
from t2ipal.rows import TRAIN
from t2ipal.rows.base import Batch, RowRequest

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures

LOG_SCALE, LOG_SPATIAL = 3.91, 3.0
"""Where TaI-DPT's repository starts the logs of the learned factors on cosines: 50 and 20."""

OFFICIAL_SCALE, OFFICIAL_SPATIAL = 100.0, 20.0
"""The fixed factors of the official code: 20 before the spatial softmax, another 5 after it."""


class Settings(AsymmetricSettings):
    """Settings of DualCoOp."""

    epochs: int = Field(50, ge=1, description="Passes over the labelled images. DualCoOp: 50.")
    batch: int = Field(64, ge=1, description="Images per step. TaI-DPT's DualCoOp: 64, NUS-WIDE 192; official: 32.")
    lr: float = Field(2e-3, gt=0, description="Learning rate after warm-up. TaI-DPT: 2e-3; official: VOC2007 1e-3.")
    drop_last: bool = Field(
        True, description="Leave out an epoch's last, smaller batch. TaI-DPT's DualCoOp: yes; official: no."
    )
    class_specific: bool = Field(
        True, description="A context per class. TaI-DPT: yes; official: not where very few labels are known."
    )
    variant: Literal["tai", "official"] = Field(
        "tai",
        description="TaI-DPT's re-implementation (learned factors, mean over rows), which '+TaI-DPT' builds on; or the "
        "official code (fixed factors, sum over rows times `loss_weight`).",
    )
    loss_weight: float = Field(
        0.03,
        gt=0,
        description="Factor on the official variant's loss. Official: 0.03 at half the labels, more at less.",
    )


class DualCoOp(ContextLearning):
    """Evidence for a class minus evidence against it, both read where the positive prompt looks.

    With cosines c+_j and c-_j of cell j and the class's two embeddings, w = softmax_j(b c+_j) and the logit is
    z = a sum_j w_j (c+_j - c-_j). The official code takes a softmax over the pair (negative, positive), which is the
    sigmoid of the same difference, so its probability is sigmoid(z) as well. Its features differ from the cached ones:
    it adds positional embeddings and the mean cell.
    """

    name = "dualcoop"
    title = "DualCoOp"
    source = "Sun et al., NeurIPS 2022; github.com/sunxm2357/DualCoOp, and as in github.com/guozix/TaI-DPT"
    uses = frozenset({TRAIN})
    own_schedule = True
    Settings = Settings
    settings: Settings
    parts = ("positive", "negative")

    @classmethod
    def image_fields(cls, settings: Settings) -> frozenset[str]:
        return frozenset({LOCAL})

    def rows(self) -> RowRequest:
        return RowRequest(self.uses)

    def start(self, seeds: Sequence[int]) -> Tensors:
        import torch

        learned = super().start(seeds)
        if self.settings.variant == "tai":
            starts = {"log_scale": LOG_SCALE, "log_spatial": LOG_SPATIAL}
            learned |= {name: torch.full((len(seeds),), value, device=self.device) for name, value in starts.items()}
        return learned

    def logits(self, tensors: Tensors, local: Tensor) -> Tensor:
        """z [S, R, C] of `local` [S or 1, R, N, D]."""
        from t2ipal.models.similarity import local_logits

        positive, negative = tensors["class_positive"], tensors["class_negative"]
        if self.settings.variant == "tai":
            scale, spatial = (tensors[name].exp()[:, None, None] for name in ("log_scale", "log_spatial"))
        else:
            scale, spatial = positive.new_tensor(OFFICIAL_SCALE), positive.new_tensor(OFFICIAL_SPATIAL)
        similarity = local_logits(local, positive, 1 / spatial[..., None])
        against = (local.flatten(-3, -2) @ negative.mT).unflatten(-2, local.shape[-3:-1])
        return scale * (similarity.logits - (similarity.heat.mT * against).sum(-2))

    def loss(self, learned: Tensors, batch: Batch) -> Tensors:
        from t2ipal.models.asymmetric_loss import DUALCOOP_FLOOR, TAI_FLOOR, asymmetric_loss

        branch, settings = batch[TRAIN], self.settings
        logits = self.logits(self.embed(learned) | learned, branch.local)
        floor = settings.floor
        if floor is None:
            floor = TAI_FLOOR if settings.variant == "tai" else DUALCOOP_FLOOR
        costs = asymmetric_loss(logits, branch.labels, settings.gamma_neg, settings.gamma_pos, settings.clip, floor)
        if settings.variant == "tai":
            loss = branch.mean(costs)
        else:
            loss = settings.loss_weight * (costs * branch.weight).sum(-1)
        return {"loss": loss, "loss_train": loss.detach()}

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """z of all images: the local difference alone, as both repositories test."""
        from t2ipal.methods.prompt_learning import by_chunks

        device = tensors["class_positive"].device
        return by_chunks(lambda _, local: self.logits(tensors, local), images, None, device, chunk)

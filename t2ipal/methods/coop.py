"""CoOp: one shared context, learned from the few labelled images of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.features.fields import global_field
from t2ipal.methods.base import Tensors
from t2ipal.methods.contexts import AsymmetricSettings, ContextLearning
from t2ipal.rows import SHOTS
from t2ipal.rows.base import Batch, RowRequest

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.features.cache import ImageFeatures
    from t2ipal.rows.data import TrainingData


class Settings(AsymmetricSettings):
    """Settings of CoOp."""

    epochs: int = Field(50, ge=1, description="Passes over the labelled images. CoOp: 50 for 1 shot, more for more.")
    batch: int = Field(32, ge=1, description="Images per step, all if there are fewer. CoOp: 32.")
    lr: float = Field(2e-3, gt=0, description="Learning rate after warm-up. CoOp: 2e-3.")
    loss: Literal["rank", "asl", "bce"] = Field(
        "rank",
        description="Ranking loss of TaI-DPT; asymmetric loss of DualCoOp; binary cross-entropy, its mean over classes "
        "(hinted at in TaI-DPT's code). CoOp: softmax, for one class per image. Paper: not stated.",
    )
    logit_scale: float = Field(
        4.0,
        gt=0,
        description="Start of the learned factor on the cosines. Paper: not stated; TaI-DPT 4 to rank, 50 for asl.",
    )
    eta: float = Field(1.0, gt=0, description="Margin of the ranking loss. TaI-DPT: 1.")
    global_feature: Literal["nopos", "pos"] = Field(
        "nopos", description="Global image feature without or with positional embedding. Paper: not stated."
    )


class CoOp(ContextLearning):
    """Global features against class embeddings, times a learned factor: z = exp(log_scale) cos(x, G).

    The paper's numbers (52.6 to 59.8 mAP on COCO) have no script: TaI-DPT's repository only hints at the protocol, and
    users report that they cannot reach them (its issue 12).
    """

    name = "coop"
    title = "CoOp"
    source = (
        "Zhou et al., IJCV 2022; github.com/KaiyangZhou/CoOp; multi-label as hinted at in github.com/guozix/TaI-DPT"
    )
    uses = frozenset({SHOTS})
    own_schedule = True
    Settings = Settings
    settings: Settings
    parts = ("global",)

    novel: tuple[int, ...] | None = None

    @classmethod
    def image_fields(cls, settings: Settings) -> frozenset[str]:
        return frozenset({global_field(settings.global_feature)})

    def rows(self) -> RowRequest:
        return RowRequest(self.uses, global_feature=self.settings.global_feature)

    def prepare(self, backbone: ImageTextEncoder, device: torch.device) -> None:
        super().prepare(backbone, device)
        self.backbone = backbone

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        """Classes to be scored alone are learned alone."""
        self.novel = data.novel
        if data.novel is not None:
            self.encode_classes(self.backbone, [self.class_names[c] for c in data.novel])

    def start(self, seeds: Sequence[int]) -> Tensors:
        import torch

        scale = torch.full((len(seeds),), self.settings.logit_scale, device=self.device)
        return super().start(seeds) | {"log_scale": scale.log()}

    def logits(self, tensors: Tensors, pooled: Tensor) -> Tensor:
        """[S, R, C] of `pooled` [S or 1, R, D]."""
        from t2ipal.models.similarity import global_logits

        return tensors["log_scale"].exp()[:, None, None] * global_logits(pooled, tensors["class_global"])

    def loss(self, learned: Tensors, batch: Batch) -> Tensors:
        branch = batch[SHOTS]
        labels = branch.labels if self.novel is None else branch.labels[..., list(self.novel)]
        loss = branch.mean(self._costs(self.logits(self.embed(learned) | learned, branch.pooled), labels))
        return {"loss": loss, "loss_train": loss.detach()}

    def _costs(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The cost of each row: [S, R]."""
        from t2ipal.models.asymmetric_loss import TAI_FLOOR, asymmetric_loss
        from t2ipal.models.label_losses import masked_soft_margin
        from t2ipal.models.losses import ranking_loss

        settings = self.settings
        if settings.loss == "rank":
            return ranking_loss(logits, labels, settings.eta)
        if settings.loss == "bce":
            return masked_soft_margin(logits, labels)
        floor = TAI_FLOOR if settings.floor is None else settings.floor
        return asymmetric_loss(logits, labels, settings.gamma_neg, settings.gamma_pos, settings.clip, floor)

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        import torch

        from t2ipal.methods.prompt_learning import pooled_of

        pooled = pooled_of(images, self.settings.global_feature).to(tensors["class_global"])
        with torch.no_grad():
            return self.logits(tensors, pooled[None]).cpu()

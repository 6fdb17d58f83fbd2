"""Partial-BCE: a linear classifier on the global feature, under a cross entropy that grows as labels get fewer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.features.fields import global_field
from t2ipal.methods.base import Tensors
from t2ipal.methods.label_learning import LabelLearning, LabelSettings
from t2ipal.rows.base import Branch, RowRequest

if TYPE_CHECKING:
    from torch import Tensor


class Settings(LabelSettings):
    """Settings of Partial-BCE."""

    global_feature: Literal["nopos", "pos"] = Field(
        "pos", description="Global image feature without or with positional embedding; CLIP's own is pos."
    )
    g_none: float = Field(
        5.45, gt=0, description="g(0), the weight of a row's loss as its known share goes to 0; g(1) is 1. Paper: 5.45."
    )
    g_power: float = Field(1.0, gt=0, description="Exponent of the known share in g. Paper: 1.")


class PartialBCE(LabelLearning):
    """l(x, y) = -g(p_y) / C sum of the log likelihoods of the known labels, p_y the share of them.

    The graph network and the curriculum of pseudo labels are parts of their own in the publication, and no parts of the
    row of Table 2.
    """

    name = "partial_bce"
    title = "Partial-BCE"
    source = "Durand et al., Learning a Deep ConvNet for Multi-label Classification with Partial Labels, CVPR 2019"
    Settings = Settings
    settings: Settings

    @classmethod
    def image_fields(cls, settings: Settings) -> frozenset[str]:
        return frozenset({global_field(settings.global_feature)})

    def rows(self) -> RowRequest:
        return RowRequest(self.kinds(self.settings), global_feature=self.settings.global_feature)

    def start(self, seeds: Sequence[int]) -> Tensors:
        """Classifiers of 0: the loss is convex, so a seed decides nothing but the order of the images."""
        import torch

        learned = super().start(seeds)
        return learned | {"classifier": torch.zeros(len(seeds), len(self.class_names), self.dim, device=self.device)}

    def read(self, pooled: Tensor, local: Tensor) -> Tensor:
        return pooled

    def logits(self, tensors: Tensors, features: Tensor) -> Tensor:
        return features @ tensors["classifier"].mT + tensors["classifier_bias"][:, None]

    def cost(self, logits: Tensor, branch: Branch) -> Tensor:
        from t2ipal.models.label_losses import partial_bce

        return branch.mean(partial_bce(logits, branch.labels, self.settings.g_none, self.settings.g_power))

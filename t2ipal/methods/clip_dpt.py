"""CLIP-DPT: CLIP as it is, global and local features against one prompt per class. Not in the paper's Table 1.

TaI-DPT's repository calls it zero-shot dense CLIP. The paper's ZSCLIP is its global half, which papers that build on
TaI-DPT distinguish from this one (RN50: 47.3 against 57.1 mAP on COCO), and its other tables have no such row either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from t2ipal.features.fields import LOCAL, global_field
from t2ipal.methods import zsclip
from t2ipal.methods.base import Tensors

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures


class Settings(zsclip.Settings):
    """Settings of CLIP-DPT."""

    merge: float = Field(0.5, ge=0, le=1, description="Share of the global score. TaI-DPT: 0.5.")
    tau: float | None = Field(
        None,
        gt=0,
        description="Temperature of the softmax over cells, on cosines; null: 1 / CLIP's own logit scale. TaI-DPT: "
        "CLIP's own, 1/100 for OpenAI's models.",
    )


class CLIPDPT(zsclip.ZSCLIP):
    """Training-free: merge z_global + (1 - merge) z_local, both times CLIP's own logit scale.

    z_local is eq. 3 of the T2I-PAL paper with CLIP's embeddings: the cells' cosines under their own softmax.
    """

    name = "clip_dpt"
    title = "CLIP-DPT"
    source = "Guo et al., CVPR 2023; github.com/guozix/TaI-DPT (zero-shot, merged)"
    in_paper = False
    Settings = Settings
    settings: Settings

    @classmethod
    def image_fields(cls, settings: Settings) -> frozenset[str]:
        return frozenset({global_field(settings.global_feature), LOCAL})

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        from t2ipal.methods.prompt_learning import by_chunks
        from t2ipal.models.similarity import global_logits, local_logits

        embeddings, merge = tensors["class_global"], self.settings.merge
        scale = tensors["logit_scale"][:, None, None]
        tau = 1 / scale[..., None] if self.settings.tau is None else self.settings.tau

        def merged(pooled: Tensor, local: Tensor) -> Tensor:
            near = local_logits(local, embeddings, tau).logits
            return scale * (merge * global_logits(pooled, embeddings) + (1 - merge) * near)

        return by_chunks(merged, images, self.settings.global_feature, embeddings.device, chunk)

"""T2I-PAL: prompts and a shared adapter, learned from captions and from the images generated from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from t2ipal.methods.prompt_learning import AdapterLearning, AdapterSettings
from t2ipal.rows import CAPTIONS, SYNTHETIC, TRAIN


class Settings(AdapterSettings):
    """Settings of T2I-PAL."""

    gamma: float = Field(0.2, ge=0, le=1, description="Share of the image loss, the rest is the captions'. Paper: 0.2.")
    w_ori: float = Field(
        0.0,
        ge=0,
        description="Weight of a third loss, on labelled original images (Table 5, upper bound). Paper: not stated.",
    )
    image_sampling: Literal["one", "all", "mean_loss", "mean_feature"] = Field(
        "one",
        description="Use of a caption's images: one per epoch; all, in a longer epoch; the mean of their losses or "
        "features. Paper: not stated, 6 images per caption.",
    )
    pairing: Literal["paired", "independent"] = Field(
        "paired",
        description="A caption and its image share a batch, or both are sampled on their own. Paper: not stated.",
    )
    min_score_quantile: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the images to leave out, those of the lowest CLIP score with their caption. Paper: none.",
    )

    @model_validator(mode="after")
    def _reads_captions(self) -> Settings:
        if self.min_score_quantile and self.gamma == 1:
            raise ValueError("min_score_quantile compares images with captions, which gamma 1 does not read")
        return self


class T2IPAL(AdapterLearning):
    """L = (gamma L_image + (1 - gamma) L_text + w L_original) / (1 + w); w is 0 but for the upper bound of Table 5."""

    name = "t2i_pal"
    title = "T2I-PAL"
    source = "Text to Image for Multi-label Image Recognition with Joint Prompt-Adapter Learning; no code is public"
    uses = frozenset({CAPTIONS, SYNTHETIC, TRAIN})
    Settings = Settings

    @classmethod
    def weights(cls, settings: Settings) -> Mapping[str, float]:
        total = 1 + settings.w_ori
        return {
            CAPTIONS: (1 - settings.gamma) / total,
            SYNTHETIC: settings.gamma / total,
            TRAIN: settings.w_ori / total,
        }

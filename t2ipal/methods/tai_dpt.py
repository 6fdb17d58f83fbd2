"""TaI-DPT: captions treated as images; double-grained prompts, no images and no adapter."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from t2ipal.methods.prompt_learning import PromptLearning, PromptSettings
from t2ipal.rows import CAPTIONS


class Settings(PromptSettings):
    """Settings of TaI-DPT."""

    tau_image: float = Field(
        1 / 40, gt=0, description="Temperature on test images. TaI-DPT: 1/40 on VOC2007 and COCO, 1/4 on NUS-WIDE."
    )


class TaIDPT(PromptLearning):
    """The loss ranks captions and class templates only."""

    name = "tai_dpt"
    title = "TaI-DPT"
    source = "Guo et al., CVPR 2023; github.com/guozix/TaI-DPT"
    uses = frozenset({CAPTIONS})
    Settings = Settings

    @classmethod
    def weights(cls, settings: PromptSettings) -> Mapping[str, float]:
        return {CAPTIONS: 1.0}

"""What CoOp, DualCoOp, TaI-DPT and T2I-PAL share: learned context vectors in front of the class names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from t2ipal.methods.base import Method, Tensors, TrainingSettings

if TYPE_CHECKING:
    import torch

    from t2ipal.backbones.base import ImageTextEncoder


class ContextSettings(TrainingSettings):
    """Settings of learned contexts."""

    n_ctx: int = Field(16, ge=1, le=64, description="Context vectors in front of a class name. Paper: 16.")
    class_specific: bool = Field(
        False, description="A context per class. Paper: unclear, its eq. 1 has no class index; TaI-DPT: shared."
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "float32",
        description="Of the text encoder's products in training; auto: bfloat16 on CPUs with AMX and on GPUs, else "
        "float32. Scores are of float32. Paper: not stated; TaI-DPT float32.",
    )
    init_std: float = Field(0.02, gt=0, description="Std of the contexts' normal start. Paper: N(0, 0.02).")


class AsymmetricSettings(ContextSettings):
    """Settings of contexts learned from labels by the asymmetric loss."""

    gamma_neg: float = Field(2.0, ge=0, description="Asymmetric loss: exponent of absent classes. DualCoOp: 2.")
    gamma_pos: float = Field(1.0, ge=0, description="Asymmetric loss: exponent of positive classes. DualCoOp: 1.")
    clip: float = Field(
        0.05, ge=0, lt=1, description="Asymmetric loss: probability up to which absence costs nothing. DualCoOp: 0.05."
    )
    floor: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Asymmetric loss: probability below which a positive costs a constant and has no gradient; null: "
        "as in the variant's code. TaI-DPT: 1e-8; official DualCoOp: 1e-6.",
    )


class ContextLearning(Method):
    """Sets of contexts, one per part; the frozen text encoder turns each into an embedding of every class.

    Attributes:
        parts: names of the sets. Set P is learned as `context_P` [S, M, W] ([S, C, M, W] where contexts are
            class-specific) and scored as `class_P` [S, C, D].
    """

    settings: ContextSettings
    parts: ClassVar[tuple[str, ...]]

    def prepare(self, backbone: ImageTextEncoder, device: torch.device) -> None:
        self.device, self.dim = device, backbone.dim
        self.encode_classes(backbone, self.class_names)

    def encode_classes(self, backbone: ImageTextEncoder, names: Sequence[str]) -> None:
        """Encode prompts of `names` from now on."""
        from t2ipal.device import pick_dtype
        from t2ipal.models.prompts import PromptEncoder

        settings, dtype = self.settings, pick_dtype(self.settings.dtype, self.device)
        self.encoder = PromptEncoder(backbone, names, settings.n_ctx, settings.class_specific, dtype).to(self.device)
        self.width = self.encoder.width

    def start(self, seeds: Sequence[int]) -> Tensors:
        from t2ipal.models.start import normal_start

        per_class = (self.encoder.classes,) if self.settings.class_specific else ()
        shape, std = (*per_class, self.settings.n_ctx, self.width), self.settings.init_std
        names = [f"context_{part}" for part in self.parts]
        return {name: normal_start(seeds, name, shape, std).to(self.device) for name in names}

    def embed(self, learned: Tensors) -> Tensors:
        """Class embeddings of all parts, L2-normalised: {"class_P": [S, C, D]}; one call encodes them all."""
        import torch

        embeddings = self.encoder(torch.stack([learned[f"context_{part}"] for part in self.parts]))
        return {f"class_{part}": value for part, value in zip(self.parts, embeddings, strict=True)}

    def finish(self, learned: Tensors) -> Tensors:
        import torch

        with torch.no_grad():
            return {name: value.detach() for name, value in (learned | self.embed(learned)).items()}

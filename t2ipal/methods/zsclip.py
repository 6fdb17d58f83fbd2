"""ZSCLIP: CLIP as it is, global features against one prompt per class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from t2ipal.features.fields import global_field
from t2ipal.methods.base import Method, MethodSettings, Tensors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.features.cache import ImageFeatures


def one_slot(template: str) -> str:
    """`template`, if it has one {}.

    Raises:
        ValueError: none, or several.
    """
    if template.count("{}") != 1:
        raise ValueError("expected one {} for the class name")
    return template


Template = Annotated[str, AfterValidator(one_slot)]


class Settings(MethodSettings):
    """Settings of ZSCLIP."""

    template: Template = Field("a photo of a {}.", description="Prompt of a class, {} its name. Paper: not stated.")
    global_feature: Literal["nopos", "pos"] = Field(
        "pos", description="Global image feature without or with positional embedding. CLIP: pos."
    )


class ZSCLIP(Method):
    """Cosine of the global image feature and the class prompt, times CLIP's own logit scale."""

    name = "zsclip"
    title = "ZSCLIP"
    source = "Radford et al., ICML 2021; github.com/openai/CLIP"
    has_logits = True
    has_cells = True
    Settings = Settings

    @classmethod
    def image_fields(cls, settings: Settings) -> frozenset[str]:
        return frozenset({global_field(settings.global_feature)})

    def prepare(self, backbone: ImageTextEncoder, device: torch.device) -> None:
        import torch

        from t2ipal.methods.prompt_learning import encode_names

        self.embeddings = encode_names(backbone, self.class_names, self.settings.template).to(device)
        self.logit_scale = torch.tensor(backbone.logit_scale, device=device)

    def finish(self, learned: Tensors) -> Tensors:
        return {"class_global": self.embeddings[None], "logit_scale": self.logit_scale.reshape(1)}

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        from t2ipal.methods.prompt_learning import pooled_of

        embeddings, scale = tensors["class_global"], tensors["logit_scale"]
        pooled = pooled_of(images, self.settings.global_feature).to(embeddings)
        return (scale[:, None, None] * (pooled @ embeddings.mT)).cpu()

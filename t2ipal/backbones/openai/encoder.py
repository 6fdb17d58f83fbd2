"""OpenAI's CLIP as a backbone. The modules that need torch are imported where they are used."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from t2ipal.backbones.base import Description
from t2ipal.backbones.module import BytePairEncoder
from t2ipal.backbones.openai.variants import (
    CACHE,
    CELL,
    GFLOPS,
    SHA256,
    VARIANTS,
    address,
    file_name,
    named_as,
)
from t2ipal.findings import Finding
from t2ipal.store import sha256_file

if TYPE_CHECKING:
    import torch
    from clip.model import CLIP, ModifiedResNet, VisionTransformer
    from torch import Tensor

SOURCE = "clip"
"""Row of resources/data_sources.csv."""

MICRO = Description(dim=128, image_size=96, patch=CELL, gflops=0.11)
"""The micro world's CLIP."""


class OpenAIEncoder(BytePairEncoder):
    """OpenAI's module, with a ResNet or a ViT.

    Attributes:
        model: the module.
        variant: OpenAI's model that has its sizes; "" for none.
    """

    kind = "openai"
    mean = (0.48145466, 0.4578275, 0.40821073)
    std = (0.26862954, 0.26130258, 0.27577711)

    def __init__(self, model: CLIP, name: str, sha256: str = "", variant: str = "") -> None:
        """
        Args:
            model: a CLIP, frozen, in float32 and evaluation mode.
            name: a name of OpenAI's, or that of the file.
            sha256: of the weights' file.
            variant: see above.
        """
        self.model, self.name, self.sha256, self.variant = model, name, sha256, variant
        self.license = "MIT" if variant else ""
        self.width, self.dim = model.text_projection.shape
        self.context = model.positional_embedding.shape[0]
        self.image_size = int(model.visual.input_resolution)
        self.patch = model.visual.conv1.kernel_size[0] if hasattr(model.visual, "class_embedding") else CELL

    @property
    def layers(self) -> Any:
        from t2ipal.backbones.openai import dense

        return dense

    @cached_property
    def _visual(self) -> ModifiedResNet | VisionTransformer:
        """The frozen image tower, as it encodes fastest."""
        from clip.model import ModifiedResNet

        visual = self.model.visual
        return self.layers.folded(visual) if isinstance(visual, ModifiedResNet) else visual

    @classmethod
    def location(cls, model: str) -> Path | None:
        """A name of OpenAI's has neither a suffix nor more than one slash."""
        path = Path(model)
        return path if path.exists() or (model not in VARIANTS and (path.suffix or model.count("/") > 1)) else None

    @classmethod
    def check(cls, key: str, model: str) -> Finding:
        """As for every kind; a name is looked for in the cache folder of OpenAI's package."""
        if cls.location(model) is not None:
            return replace(super().check(key, model), download=SOURCE)
        if model not in VARIANTS:
            text = f"{model}: no model of OpenAI's; expected a file, or one of {', '.join(VARIANTS)}"
            return Finding(key, text, missing=True, download=SOURCE)
        path = CACHE.expanduser() / file_name(model)
        if not path.exists():
            text = f"without a network, fetch {address(model)} elsewhere and place it at {path}"
            return Finding(key, f"{model}: fetched when it is needed; {text}", download=SOURCE)
        whole = sha256_file(path) == SHA256[model]
        text = "sha256 as published" if whole else "but its sha256 is not the published one: remove it"
        return Finding(key, f"{model}: {path}, {text}", download=SOURCE)

    @classmethod
    def patch_of(cls, model: str) -> int:
        path = Path(model)
        if "zoo" in path.parts:
            return MICRO.patch
        name = model if model in VARIANTS else named_as(path.name)
        return (VARIANTS[name].patch or CELL) if name else 0

    @classmethod
    def count_tokens(cls, text: str) -> int:
        from t2ipal.backbones.openai.byte_pairs import tokenizer

        return len(tokenizer().encode(text))

    @classmethod
    def describe(cls, model: str) -> Description:
        """By the name, or that of the file; the micro world's by their folder; any other counts as RN101."""
        path = Path(model)
        if "zoo" in path.parts:
            return MICRO
        name = (model if model in VARIANTS else named_as(path.name.removeprefix("random-"))) or "RN101"
        sizes = VARIANTS[name]
        gflops = GFLOPS.get(name, GFLOPS["ViT-L/14"])
        return Description(sizes.dim, sizes.resolution, sizes.patch or CELL, gflops)

    @classmethod
    def load(cls, model: str, device: str | torch.device = "cpu", sha256: str | None = None) -> Self:
        """Load a CLIP with a ResNet or a ViT; errors as `ImageTextEncoder.load`.

        Args:
            model: a name of OpenAI's (RN101, ViT-B/16 ...), downloaded where it is not in the cache folder of OpenAI's
                package; or the path of a .pt file (OpenAI's TorchScript archive or a state dict) or of a .safetensors
                file (a state dict, whose token table may be given as the rows in use and their ids, all other rows
                being zero).
            device: where it computes.
            sha256: expected of the file. A manifest next to the file is checked anyway, and so is the hash in OpenAI's
                addresses, for a name and for a file that has the name of one of OpenAI's (RN101.pt).
        """
        from t2ipal.backbones.openai.loading import load_module

        loaded = load_module(model, device, sha256)
        return cls(loaded.module, loaded.name, loaded.sha256, loaded.variant)

    def image_dense(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ResNet: the attention pooling of layer 4 with its positional embedding (CLIP itself) and without (TaI-DPT);
        local features are layer 4 through the pooling's value and output projections, without positional embedding
        (TaI-DPT). ViT: the class token, twice; local features are the patch tokens after a last block in which each
        patch attends to itself alone, the value path of MaskCLIP (Zhou et al., ECCV 2022).

        Images of another size than the model's get interpolated positional embeddings.
        """
        return self.layers.image_dense(self._visual, images.to(self.device))

    def image_global(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if not hasattr(self._visual, "class_embedding"):
            return super().image_global(images)
        pooled = self.layers.vit_global(self._visual, images.to(self.device))
        return pooled, pooled

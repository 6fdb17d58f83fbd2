"""What backbones that are one module of torch share. Torch is imported where it is used."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from t2ipal.backbones.base import ImageTextEncoder
from t2ipal.store import sha256_file

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from t2ipal.backbones.tower import TextTower


class ModuleEncoder(ImageTextEncoder):
    """A module with a logit scale, and the functions that see its layers.

    Attributes:
        model: the module, frozen, in float32 and evaluation mode.
    """

    model: Any

    @property
    @abstractmethod
    def layers(self) -> Any:
        """The Python module with `text_states(model, embeddings)` and, for causal texts, `text_tower(model)`."""

    @property
    def device(self) -> torch.device:
        return self.model.logit_scale.device

    @cached_property
    def logit_scale(self) -> float:
        return float(self.model.logit_scale.detach().float().exp())

    def text_states(self, embeddings: Tensor) -> Tensor:
        return self.layers.text_states(self.model, embeddings)

    def text_tower(self) -> TextTower:
        return self.layers.text_tower(self.model) if self.causal else super().text_tower()


class BytePairEncoder(ModuleEncoder):
    """A CLIP with OpenAI's byte pairs as tokens."""

    positions = 77
    start_ids = (49_406,)
    end_id = 49_407

    @cached_property
    def tokenizer_sha256(self) -> str:
        from t2ipal.backbones.openai.tokens import tokenizer_file

        return sha256_file(tokenizer_file())

    def tokenize(self, texts: Sequence[str], truncate: bool = True) -> tuple[Tensor, Tensor]:
        from t2ipal.backbones.openai.tokens import tokenize

        return tokenize(texts, truncate, self.context)

    def embed(self, ids: Tensor) -> Tensor:
        return self.model.token_embedding(ids.to(self.device))

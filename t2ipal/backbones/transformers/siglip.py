"""Dense features of transformers' SiglipModel: SigLIP, and SigLIP 2 of a fixed resolution.

Text attention is bidirectional and masks no padding, so texts are always as long as the context. An image's feature is
an attention pooling (MAP head) over its patches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import linear

if TYPE_CHECKING:
    from transformers import SiglipModel


def text_states(model: SiglipModel, embeddings: Tensor) -> Tensor:
    """States [B, L, D] of embeddings [B, L, W]: all positions through the final norm and the head."""
    text = model.text_model
    x = text.encoder(inputs_embeds=text.embeddings(inputs_embeds=embeddings)).last_hidden_state
    return text.head(text.final_layer_norm(x))


def image_dense(model: SiglipModel, images: Tensor) -> tuple[Tensor, Tensor]:
    """Global features [B, D] and local ones [B, HW, D] of images [B, 3, H, W], not normalised.

    A local feature is what the MAP head returns with all attention on that patch.
    """
    output = model.vision_model(images, interpolate_pos_encoding=True)
    head, patches = model.vision_model.head, output.last_hidden_state
    weight, bias = (part.chunk(3)[2] for part in (head.attention.in_proj_weight, head.attention.in_proj_bias))
    alone = head.attention.out_proj(linear(patches, weight, bias))
    return output.pooler_output, alone + head.mlp(head.layernorm(alone))

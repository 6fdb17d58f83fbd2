"""Dense features of transformers' CLIPModel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from t2ipal.backbones.frozen_block import Activation, BlockWeights
from t2ipal.backbones.tower import TextTower

if TYPE_CHECKING:
    from torch import nn
    from transformers import CLIPModel

ACTIVATIONS: dict[str, Activation] = {"quick_gelu": "quick_gelu", "gelu": "gelu"}
"""Activations that the packed text encoder has, by the library's names."""
NORM_EPS = 1e-5
"""The constant of its layer norms."""


def text_states(model: CLIPModel, embeddings: Tensor) -> Tensor:
    """States [B, L, D] of embeddings [B, L, W]: all positions through the final norm and the projection."""
    text = model.text_model
    x = text.embeddings(inputs_embeds=embeddings)
    size = x.shape[1]
    unseen = torch.full((size, size), torch.finfo(x.dtype).min, dtype=x.dtype, device=x.device).triu(1)
    for layer in text.encoder.layers:
        x = _hidden(layer(x, attention_mask=unseen[None, None].expand(len(x), 1, -1, -1)))
    return model.text_projection(text.final_layer_norm(x))


def can_be_packed(model: CLIPModel) -> bool:
    """Whether `text_tower` computes what the model does."""
    config = model.config.text_config
    return config.hidden_act in ACTIVATIONS and config.layer_norm_eps == NORM_EPS


def text_tower(model: CLIPModel) -> TextTower:
    """The text encoder, taken apart for packed sequences."""
    text, config = model.text_model, model.config.text_config
    return TextTower(
        [_weights(layer) for layer in text.encoder.layers],
        config.num_attention_heads,
        text.embeddings.position_embedding.weight,
        (text.final_layer_norm.weight, text.final_layer_norm.bias),
        model.text_projection.weight.T,
        ACTIVATIONS[config.hidden_act],
    )


def _weights(layer: nn.Module) -> BlockWeights:
    attention, joined = layer.self_attn, {}
    parts = {"ln_1": layer.layer_norm1, "out": attention.out_proj, "ln_2": layer.layer_norm2}
    parts |= {"fc": layer.mlp.fc1, "proj": layer.mlp.fc2}
    weights = {f"{name}_{kind}": getattr(part, kind) for name, part in parts.items() for kind in ("weight", "bias")}
    for kind in ("weight", "bias"):
        three = [getattr(part, kind) for part in (attention.q_proj, attention.k_proj, attention.v_proj)]
        joined[f"qkv_{kind}"] = torch.cat(three)
    return BlockWeights(**weights, **joined)


def image_dense(model: CLIPModel, images: Tensor) -> tuple[Tensor, Tensor]:
    """Global features [B, D] and local ones [B, HW, D] of images [B, 3, H, W], not normalised.

    Local features are the patches after a last block in which each attends to itself alone: the value path of
    MaskCLIP (Zhou et al., ECCV 2022).
    """
    vision = model.vision_model
    x = vision.pre_layrnorm(vision.embeddings(images, interpolate_pos_encoding=True))
    *layers, last = vision.encoder.layers
    for layer in layers:
        x = _hidden(layer(x, attention_mask=None))
    alone = x + last.self_attn.out_proj(last.self_attn.v_proj(last.layer_norm1(x)))
    alone = alone + last.mlp(last.layer_norm2(alone))
    pooled = _hidden(last(x, attention_mask=None))[:, 0]
    return tuple(model.visual_projection(vision.post_layernorm(part)) for part in (pooled, alone[:, 1:]))


def _hidden(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    """Layers return their states alone, or first in a tuple, by the library's version."""
    return output[0] if isinstance(output, tuple) else output

"""Dense features of open_clip's CLIP. Its blocks have the batch first, and perhaps layer scales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import linear

from t2ipal.backbones.frozen_block import Activation, BlockWeights
from t2ipal.backbones.openai.dense import resize_positions
from t2ipal.backbones.tower import TextTower

if TYPE_CHECKING:
    from torch import nn

ACTIVATIONS: dict[str, Activation] = {"QuickGELU": "quick_gelu", "GELU": "gelu"}
"""Activations that the packed text encoder has, by the names of their classes."""


def text_states(model: Any, embeddings: Tensor) -> Tensor:
    """States [B, L, D] of embeddings [B, L, W]: all positions through the final norm and the projection."""
    size = embeddings.shape[1]
    x = embeddings + model.positional_embedding[:size]
    return model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:size, :size])) @ model.text_projection


def can_be_packed(model: Any) -> bool:
    """Whether `text_tower` computes what the model does: blocks without layer scales, a known activation."""
    blocks = model.transformer.resblocks
    plain = all(type(block).__name__ == "ResidualAttentionBlock" for block in blocks)
    return plain and all(
        type(block.ls_1) is torch.nn.Identity and type(block.mlp.gelu).__name__ in ACTIVATIONS for block in blocks
    )


def text_tower(model: Any) -> TextTower:
    """The text encoder, taken apart for packed sequences."""
    blocks = list(model.transformer.resblocks)
    return TextTower(
        [_weights(block) for block in blocks],
        blocks[0].attn.num_heads,
        model.positional_embedding,
        (model.ln_final.weight, model.ln_final.bias),
        model.text_projection,
        ACTIVATIONS[type(blocks[0].mlp.gelu).__name__],
    )


def _weights(block: nn.Module) -> BlockWeights:
    parts = {"ln_1": block.ln_1, "out": block.attn.out_proj, "ln_2": block.ln_2}
    parts |= {"fc": block.mlp.c_fc, "proj": block.mlp.c_proj}
    weights = {f"{name}_{kind}": getattr(part, kind) for name, part in parts.items() for kind in ("weight", "bias")}
    return BlockWeights(**weights, qkv_weight=block.attn.in_proj_weight, qkv_bias=block.attn.in_proj_bias)


def image_dense(model: Any, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Global features with and without positions and local ones, not normalised: [B, D], [B, D], [B, HW, D].

    As of OpenAI's module, `t2ipal.backbones.openai.dense`.
    """
    visual = model.visual
    return (_resnet if hasattr(visual, "attnpool") else _vit)(visual, images)


def _resnet(visual: Any, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    cells = visual.stem(images)
    for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        cells = layer(cells)
    pool = visual.attnpool
    position = resize_positions(pool.positional_embedding, cells.shape[-2:])
    with_position, without = (
        torch.func.functional_call(pool, {"positional_embedding": value}, (cells,))
        for value in (position, torch.zeros_like(position))
    )
    return with_position, without, pool.c_proj(pool.v_proj(cells.flatten(2).mT))


def _vit(visual: Any, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    patches = visual.conv1(images)
    position = resize_positions(visual.positional_embedding, patches.shape[-2:])
    token = visual.class_embedding.expand(images.shape[0], 1, -1)
    x = visual.ln_pre(torch.cat([token, patches.flatten(2).mT], 1) + position)
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        x = block(x)
    weight, bias = (value.chunk(3)[2] for value in (last.attn.in_proj_weight, last.attn.in_proj_bias))
    alone = x + last.ls_1(last.attn.out_proj(linear(last.ln_1(x), weight, bias)))
    alone = alone + last.ls_2(last.mlp(last.ln_2(alone)))
    pooled = visual.ln_post(last(x)[:, 0]) @ visual.proj
    return pooled, pooled, visual.ln_post(alone[:, 1:]) @ visual.proj

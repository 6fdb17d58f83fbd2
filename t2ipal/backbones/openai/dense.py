"""Dense features of OpenAI's module: one vector per image or text, and one per cell or text position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from t2ipal.backbones.frozen_block import BlockWeights
from t2ipal.backbones.tower import TextTower

if TYPE_CHECKING:
    from clip.model import CLIP, AttentionPool2d, ModifiedResNet, ResidualAttentionBlock, VisionTransformer


def image_dense(model: CLIP, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Global features with and without positional embedding, and local ones: ([B, D], [B, D], [B, HW, D]).

    See `OpenAIEncoder.image_dense`.
    """
    from clip.model import ModifiedResNet

    encode = _encode_resnet if isinstance(model.visual, ModifiedResNet) else _encode_vit
    # CPUs convolve half as fast again with the channels last; the weights follow the images
    layout = torch.channels_last if images.device.type == "cpu" else torch.preserve_format
    images = images.to(torch.float32, memory_format=layout)
    return tuple(F.normalize(value, dim=-1) for value in encode(model.visual, images))


def text_states(model: CLIP, embeddings: Tensor) -> Tensor:
    """States [B, L, D] of embeddings [B, L, W]: every position through the final layer norm and the text projection.

    As in TaI-DPT.
    """
    x = embeddings + model.positional_embedding[: embeddings.shape[1]]
    return model.ln_final(model.transformer(x.transpose(0, 1)).transpose(0, 1)) @ model.text_projection


def text_tower(model: CLIP) -> TextTower:
    """The text encoder, taken apart for packed sequences."""
    blocks = list(model.transformer.resblocks)
    norm = (model.ln_final.weight, model.ln_final.bias)
    heads = blocks[0].attn.num_heads
    return TextTower(
        [_weights(block) for block in blocks], heads, model.positional_embedding, norm, model.text_projection
    )


def _weights(block: ResidualAttentionBlock) -> BlockWeights:
    parts = {"ln_1": block.ln_1, "out": block.attn.out_proj, "ln_2": block.ln_2}
    parts |= {"fc": block.mlp.c_fc, "proj": block.mlp.c_proj}
    weights = {f"{name}_{kind}": getattr(part, kind) for name, part in parts.items() for kind in ("weight", "bias")}
    return BlockWeights(**weights, qkv_weight=block.attn.in_proj_weight, qkv_bias=block.attn.in_proj_bias)


def _encode_resnet(visual: ModifiedResNet, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    cells = _layer4(visual, images)
    pool = visual.attnpool
    position = resize_positions(pool.positional_embedding, cells.shape[-2:])
    local = pool.c_proj(pool.v_proj(cells.flatten(2).mT))
    return _pool(pool, cells, position), _pool(pool, cells, torch.zeros_like(position)), local


def _layer4(visual: ModifiedResNet, x: Tensor) -> Tensor:
    """The feature map [B, channels, H / 32, W / 32] that the attention pooling receives."""
    for convolution, norm, relu in (
        (visual.conv1, visual.bn1, visual.relu1),
        (visual.conv2, visual.bn2, visual.relu2),
        (visual.conv3, visual.bn3, visual.relu3),
    ):
        x = relu(norm(convolution(x)))
    x = visual.avgpool(x)
    for layer in (visual.layer1, visual.layer2, visual.layer3, visual.layer4):
        x = layer(x)
    return x


def _pool(pool: AttentionPool2d, cells: Tensor, position: Tensor) -> Tensor:
    return torch.func.functional_call(pool, {"positional_embedding": position}, (cells,))


def _encode_vit(visual: VisionTransformer, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    patches = visual.conv1(images)
    position = resize_positions(visual.positional_embedding, patches.shape[-2:])
    token = visual.class_embedding.expand(len(images), 1, -1)
    x = visual.ln_pre(torch.cat([token, patches.flatten(2).mT], 1) + position).transpose(0, 1)
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        x = block(x)
    values = F.linear(
        last.ln_1(x), *(value.chunk(3)[2] for value in (last.attn.in_proj_weight, last.attn.in_proj_bias))
    )
    alone = x + last.attn.out_proj(values)
    alone = alone + last.mlp(last.ln_2(alone))
    pooled = visual.ln_post(last(x)[0]) @ visual.proj
    return pooled, pooled, (visual.ln_post(alone[1:]) @ visual.proj).transpose(0, 1)


def resize_positions(position: Tensor, grid: tuple[int, int]) -> Tensor:
    """Positional embedding [1 + n * n, W] for another grid, [1 + h * w, W]: bicubic, the first token's kept."""
    first, rest = position[:1], position[1:]
    side = round(len(rest) ** 0.5)
    if (side, side) == tuple(grid):
        return position
    square = rest.T.reshape(1, -1, side, side)
    resized = F.interpolate(square, size=tuple(grid), mode="bicubic", align_corners=False)
    return torch.cat([first, resized.flatten(2)[0].T])

"""Dense features of OpenAI's module: one vector per image or text, and one per cell or text position."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from t2ipal.backbones.frozen_block import GELU_SLOPE, BlockWeights
from t2ipal.backbones.tower import TextTower

if TYPE_CHECKING:
    from clip.model import CLIP, AttentionPool2d, ModifiedResNet, ResidualAttentionBlock, VisionTransformer


def image_dense(visual: ModifiedResNet | VisionTransformer, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Global features with and without positional embedding, and local ones: ([B, D], [B, D], [B, HW, D]).

    See `OpenAIEncoder.image_dense`.
    """
    from clip.model import ModifiedResNet

    encode = _encode_resnet if isinstance(visual, ModifiedResNet) else _encode_vit
    return tuple(F.normalize(value, dim=-1) for value in encode(visual, images.float()))


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


def folded(visual: ModifiedResNet) -> ModifiedResNet:
    """A copy for encoding whose batch norms are part of the convolutions before them; equal up to rounding."""
    result = copy.deepcopy(visual)
    for module in list(result.modules()):
        pairs = [(f"conv{i}", f"bn{i}") for i in (1, 2, 3)]
        for convolution, norm in [*pairs, ("0", "1")]:  # the last pair: of a shortcut
            if isinstance(getattr(module, norm, None), nn.BatchNorm2d):
                both = getattr(module, convolution), getattr(module, norm)
                setattr(module, convolution, fuse_conv_bn_eval(*both))
                setattr(module, norm, nn.Identity())
    return result


def _encode_resnet(visual: ModifiedResNet, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The attention pooling with and without positions, and its values alone.

    Projections are linear: those of the positions are added to those of the cells, which are computed once.
    """
    if images.device.type == "cpu":  # CPUs convolve half as fast again with the channels last; the weights follow
        images = images.contiguous(memory_format=torch.channels_last)
    cells, pool = _layer4(visual, images), visual.attnpool
    position = resize_positions(pool.positional_embedding, cells.shape[-2:])
    cells = cells.flatten(2).mT
    tokens = torch.cat([cells.mean(1, keepdim=True), cells], 1)
    layers = pool.q_proj, pool.k_proj, pool.v_proj
    plain = [layer(x) for layer, x in zip(layers, (tokens[:, :1], tokens, tokens), strict=True)]
    moved = [F.linear(x, layer.weight) for layer, x in zip(layers, (position[:1], position, position), strict=True)]
    pooled = _attend(pool, *(x + move for x, move in zip(plain, moved, strict=True)))
    return pooled, _attend(pool, *plain), pool.c_proj(plain[2][:, 1:])


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


def _attend(pool: AttentionPool2d, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """[B, D] of a query [B, 1, W] over keys and values [B, 1 + HW, W]."""
    heads = (x.unflatten(2, (pool.num_heads, -1)).transpose(1, 2) for x in (query, keys, values))
    return pool.c_proj(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(1))


def _encode_vit(visual: VisionTransformer, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    patches, grid = _patches(visual.conv1, images)
    position = resize_positions(visual.positional_embedding, grid)
    token = visual.class_embedding.expand(images.shape[0], 1, -1)
    x = visual.ln_pre(torch.cat([token, patches], 1) + position).transpose(0, 1)
    *blocks, last = visual.transformer.resblocks
    for block in blocks:
        x = x + block.attention(block.ln_1(x))
        x = x + _mlp(block, block.ln_2(x))
    # Of the last block the image's token alone attends, and no patch: a twelfth of the work of both together.
    weight, bias, width = last.attn.in_proj_weight, last.attn.in_proj_bias, x.shape[-1]
    normed = last.ln_1(x)
    query = F.linear(normed[:1], weight[:width], bias[:width])
    key, value = F.linear(normed, weight[width:], bias[width:]).chunk(2, -1)
    heads = (part.unflatten(-1, (last.attn.num_heads, -1)).permute(1, 2, 0, 3) for part in (query, key, value))
    attended = F.scaled_dot_product_attention(*heads).permute(2, 0, 1, 3).flatten(2)
    behind = x + last.attn.out_proj(torch.cat([attended, value[1:]]))
    behind = visual.ln_post(behind + _mlp(last, last.ln_2(behind))) @ visual.proj
    return behind[0], behind[0], behind[1:].transpose(0, 1)


def _patches(convolution: nn.Conv2d, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """The patch embedding [B, HW, W] and its grid: a convolution whose patches do not overlap is one product."""
    height, width = convolution.kernel_size
    cells = images.unflatten(3, (-1, width)).unflatten(2, (-1, height))  # [B, 3, H, p, W, p]
    grid = cells.shape[2], cells.shape[4]
    return F.linear(cells.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2), convolution.weight.flatten(1)), grid


def _mlp(block: ResidualAttentionBlock, normed: Tensor) -> Tensor:
    """The block's MLP. QuickGELU(x) is silu(1.702 x) / 1.702, and products scale for free."""
    first, second = block.mlp.c_fc, block.mlp.c_proj
    rows = normed.flatten(0, 1)
    hidden = torch.addmm(first.bias, rows, first.weight.T, beta=GELU_SLOPE, alpha=GELU_SLOPE)
    hidden = F.silu(hidden, inplace=True)
    return torch.addmm(second.bias, hidden, second.weight.T, alpha=1 / GELU_SLOPE).view_as(normed)


def resize_positions(position: Tensor, grid: tuple[int, int]) -> Tensor:
    """Positional embedding [1 + n * n, W] for another grid, [1 + h * w, W]: bicubic, the first token's kept."""
    first, rest = position[:1], position[1:]
    side = round(len(rest) ** 0.5)
    if (side, side) == tuple(grid):
        return position
    square = rest.T.reshape(1, -1, side, side)
    resized = F.interpolate(square, size=tuple(grid), mode="bicubic", align_corners=False)
    return torch.cat([first, resized.flatten(2)[0].T])

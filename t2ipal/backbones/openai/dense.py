"""Dense features of OpenAI's module: one vector per image or text, and one per cell or text position."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from t2ipal.backbones.frozen_block import GELU_SLOPE, BlockWeights, FrozenBlock
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
    return pool.c_proj(_attention(query, keys, values, pool.num_heads)[:, 0])


def _attention(query: Tensor, keys: Tensor, values: Tensor, heads: int) -> Tensor:
    """[B, Q, W] of queries [B, Q, W] over keys and values [B, L, W]."""
    parts = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, keys, values))
    return F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)


def _encode_vit(visual: VisionTransformer, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, last = _before_last(visual, images), visual.transformer.resblocks[-1]
    # Of the last block the image's token alone attends, and no patch: a twelfth of the work of both together.
    weight, bias, width = last.attn.in_proj_weight, last.attn.in_proj_bias, x.shape[-1]
    normed = last.ln_1(x)
    query = F.linear(normed[:, :1], weight[:width], bias[:width])
    key, value = F.linear(normed, weight[width:], bias[width:]).chunk(2, -1)
    attended = _attention(query, key, value, last.attn.num_heads)
    x = _with_mlp(_plus(x, torch.cat([attended, value[:, 1:]], 1), last.attn.out_proj), last)
    behind = visual.ln_post(x) @ visual.proj
    return behind[:, 0], behind[:, 0], behind[:, 1:]


def vit_global(visual: VisionTransformer, images: Tensor) -> Tensor:
    """The global feature [B, D] alone, L2-normalised. The last block computes the image's token alone: a fourteenth of
    the work less."""
    x, last = _before_last(visual, images.float()).transpose(0, 1), visual.transformer.resblocks[-1]
    block = FrozenBlock(_weights(last), last.attn.num_heads, "quick_gelu")
    sees_all, first = x.new_zeros(len(x), len(x)), torch.zeros(1, x.shape[1], dtype=torch.int64, device=x.device)
    token = block.last(x, None, x[:0, 0], sees_all, first)[0]
    return F.normalize(visual.ln_post(token) @ visual.proj, dim=-1)


def _before_last(visual: VisionTransformer, images: Tensor) -> Tensor:
    """States [B, 1 + HW, W] before the last block."""
    patches, grid = _patches(visual.conv1, images)
    position = resize_positions(visual.positional_embedding, grid)
    token = visual.class_embedding.expand(images.shape[0], 1, -1)
    x = visual.ln_pre(torch.cat([token, patches], 1) + position)
    for block in visual.transformer.resblocks[:-1]:
        attention = block.attn
        parts = F.linear(block.ln_1(x), attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
        x = _with_mlp(_plus(x, _attention(*parts, attention.num_heads), attention.out_proj), block)
    return x


def _patches(convolution: nn.Conv2d, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """The patch embedding [B, HW, W] and its grid: a convolution whose patches do not overlap is one product."""
    height, width = convolution.kernel_size
    cells = images.unflatten(3, (-1, width)).unflatten(2, (-1, height))  # [B, 3, H, p, W, p]
    grid = cells.shape[2], cells.shape[4]
    return F.linear(cells.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2), convolution.weight.flatten(1)), grid


def _with_mlp(x: Tensor, block: ResidualAttentionBlock) -> Tensor:
    """`x` and the block's MLP of it. QuickGELU(x) is silu(1.702 x) / 1.702, and products scale for free."""
    first = block.mlp.c_fc
    rows = block.ln_2(x).flatten(0, -2)
    hidden = torch.addmm(first.bias, rows, first.weight.T, beta=GELU_SLOPE, alpha=GELU_SLOPE)
    return _plus(x, F.silu(hidden, inplace=True), block.mlp.c_proj, 1 / GELU_SLOPE)


def _plus(x: Tensor, values: Tensor, layer: nn.Linear, factor: float = 1.0) -> Tensor:
    """`x` and the layer's output for `factor` times the values; the product adds to the sum of `x` and the bias."""
    rows, values = (x + layer.bias).flatten(0, -2), values.flatten(0, -2)
    return torch.addmm(rows, values, layer.weight.T, alpha=factor).view_as(x)


def resize_positions(position: Tensor, grid: tuple[int, int]) -> Tensor:
    """Positional embedding [1 + n * n, W] for another grid, [1 + h * w, W]: bicubic, the first token's kept."""
    first, rest = position[:1], position[1:]
    side = round(len(rest) ** 0.5)
    if (side, side) == tuple(grid):
        return position
    square = rest.T.reshape(1, -1, side, side)
    resized = F.interpolate(square, size=tuple(grid), mode="bicubic", align_corners=False)
    return torch.cat([first, resized.flatten(2)[0].T])

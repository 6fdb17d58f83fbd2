"""Dense features of a frozen CLIP: one vector per image or text, and one per cell or text position.

Shapes: B rows, D joint dimension, HW cells of the image map, L text positions. All outputs are L2-normalised along D.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from clip.model import CLIP, AttentionPool2d, ModifiedResNet, VisionTransformer

    from t2ipal.features.clip_models import Clip


def encode_image_dense(clip: Clip, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Global features with and without positional embedding, and local ones: ([B, D], [B, D], [B, HW, D]).

    ResNet: the attention pooling of layer 4 with its positional embedding (CLIP itself) and without (TaI-DPT); local
    features are layer 4 through the pooling's value and output projections, without positional embedding (TaI-DPT).
    ViT: the class token, twice; local features are the patch tokens after a last block in which each patch attends to
    itself alone, the value path of MaskCLIP (Zhou et al., ECCV 2022).

    Args:
        clip: the model; images of a side other than its own get interpolated positional embeddings.
        images: [B, 3, H, W], preprocessed.
    """
    from clip.model import ModifiedResNet

    visual = clip.model.visual
    encode = _encode_resnet if isinstance(visual, ModifiedResNet) else _encode_vit
    # CPUs convolve half as fast again with the channels last; the weights follow the images
    layout = torch.channels_last if clip.device.type == "cpu" else torch.preserve_format
    images = images.to(clip.device, torch.float32, memory_format=layout)
    return tuple(F.normalize(value, dim=-1) for value in encode(visual, images))


def encode_text_dense(clip: Clip, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """The feature at the end mark and those at every position: ([B, D], [B, L, D]).

    Every position goes through the final layer norm and the text projection (TaI-DPT). Positions after the end mark are
    computed as well; whoever uses them masks them, by token id 0. CLIP's text attention is causal, so `tokens` may be
    cut after the longest text's end mark without a change to what remains.

    Args:
        clip: the model.
        tokens: [B, L] ids, L <= 77; the end mark is the greatest id of a row.
    """
    model, tokens = clip.model, tokens.to(clip.device)
    local = F.normalize(_text_states(model, tokens) @ model.text_projection, dim=-1)
    end = tokens.argmax(-1)
    return local[torch.arange(len(local), device=local.device), end], local


def grid_of(clip: Clip, image_size: int) -> tuple[int, int]:
    """Rows and columns of the local map of a square image."""
    visual = clip.model.visual
    cell = visual.conv1.kernel_size[0] if hasattr(visual, "class_embedding") else 32
    return image_size // cell, image_size // cell


def _text_states(model: CLIP, tokens: Tensor) -> Tensor:
    x = model.token_embedding(tokens) + model.positional_embedding[: tokens.shape[1]]
    return model.ln_final(model.transformer(x.transpose(0, 1)).transpose(0, 1))


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

"""Layers of diffusers' U-Nets and decoders as CPUs compute them fastest in float32: equal up to rounding.

Convolutions want the channels last, and group norm is slow there; here it is written as sums over rows of channels.
Nothing is compiled, so no compiler is needed. Sizes: B images, C channels, N = H * W positions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers.models.embeddings import TextTimeEmbedding
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import BasicTransformerBlock
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

TAPS = ((1.0, 0, 0), (0, 1.0, 1.0)), ((1.0, 1.0, 0), (0, 0, 1.0))
"""Taps of a kernel of 3 that meet the same pixel of an image before it is doubled: even results, odd results."""


def replace_layers(module: nn.Module) -> None:
    """Replace, at any depth, each layer that is known here; others stay as they are."""
    for name, child in module.named_children():
        if isinstance(child, ResnetBlock2D) and ResidualBlock.fits(child):
            setattr(module, name, ResidualBlock(child))
        elif isinstance(child, Upsample2D) and Upsampling.fits(child):
            setattr(module, name, Upsampling(child))
        elif isinstance(child, nn.GroupNorm) and child.affine:
            setattr(module, name, GroupNorm(child))
        elif isinstance(child, TextTimeEmbedding):
            setattr(module, name, Remembered(child))
        else:
            replace_layers(child)
        if isinstance(child, BasicTransformerBlock) and child.attn2 is not None and not child.double_self_attention:
            child.attn2.to_k, child.attn2.to_v = Remembered(child.attn2.to_k), Remembered(child.attn2.to_v)


def _rows(x: Tensor) -> Tensor:
    """[B, C, ...] as contiguous [B, N, C]: a view, if the channels are last in memory."""
    return x.flatten(2).mT.contiguous()


class GroupNorm(nn.Module):
    """`torch.nn.GroupNorm` of `x + offset`, with SiLU if asked."""

    def __init__(self, norm: nn.GroupNorm, silu: bool = False) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        self.groups, self.eps, self.silu = norm.num_groups, norm.eps, silu

    def forward(self, x: Tensor, offset: Tensor | None = None) -> Tensor:
        """Normalise [B, C, ...]; `offset` [B, C] is added to every position first."""
        rows = _rows(x)
        batch, count, channels = rows.shape
        totals, squares = rows.sum(1), (rows * rows).sum(1)
        if offset is not None:
            squares, totals = squares + offset * (2 * totals + count * offset), totals + count * offset
        mean, square = (value.view(batch, self.groups, -1).mean(2, True) / count for value in (totals, squares))
        variance = (square - mean * mean).clamp(min=0)
        scale = self.weight.view(self.groups, -1) * (variance + self.eps).rsqrt()
        shift = self.bias.view(self.groups, -1) - mean * scale
        scale, shift = scale.view(batch, 1, channels), shift.view(batch, 1, channels)
        if offset is not None:
            shift = shift + offset[:, None] * scale
        result = torch.addcmul(shift, rows, scale)
        return (F.silu(result, inplace=True) if self.silu else result).mT.view(x.shape)


class ResidualBlock(nn.Module):
    """diffusers' `ResnetBlock2D`: the time embedding and the first bias are part of the second norm, and the shortcut
    is added by its own matrix product.
    """

    def __init__(self, block: ResnetBlock2D) -> None:
        super().__init__()
        self.norm1, self.norm2 = GroupNorm(block.norm1, silu=True), GroupNorm(block.norm2, silu=True)
        self.conv1, self.conv2, self.shortcut = block.conv1, block.conv2, block.conv_shortcut
        self.time_emb_proj = block.time_emb_proj

    @staticmethod
    def fits(block: ResnetBlock2D) -> bool:
        """Whether the block is of the plain kind: that of Stable Diffusion."""
        return (
            block.time_embedding_norm == "default"
            and isinstance(block.nonlinearity, nn.SiLU)
            and block.upsample is None
            and block.downsample is None
            and not block.skip_time_act
            and block.output_scale_factor == 1
        )

    def forward(self, x: Tensor, temb: Tensor | None = None) -> Tensor:
        """[B, C, H, W] to [B, C', H, W]; `temb` [B, E] embeds the time step."""
        bias, last_bias = self.conv1.bias, self.conv2.bias
        offset = bias.expand(len(x), -1) if self.time_emb_proj is None else self.time_emb_proj(F.silu(temb)) + bias
        result = F.conv2d(self.norm1(x), self.conv1.weight, padding=1)
        result = self.norm2(result, offset)
        if self.shortcut is None:
            return F.conv2d(result, self.conv2.weight, last_bias, padding=1).add_(x)
        if self.shortcut.bias is not None:
            last_bias = last_bias + self.shortcut.bias
        result = F.conv2d(result, self.conv2.weight, last_bias, padding=1)
        rows = _rows(result)
        rows.flatten(0, 1).addmm_(_rows(x).flatten(0, 1), self.shortcut.weight.flatten(1).T)
        return rows.mT.view(result.shape)


class Upsampling(nn.Module):
    """diffusers' `Upsample2D`: each pixel doubled, then a convolution of 3 x 3.

    Of the 9 products for a result, those that meet copies of one pixel are a single product with the sum of their
    weights: 4 are left, those of a transposed convolution of 4 x 4.
    """

    def __init__(self, layer: Upsample2D) -> None:
        super().__init__()
        self.plain = layer
        taps = torch.tensor(TAPS, dtype=torch.float64)
        products = torch.einsum("pai,qbj,kcij->ckpqab", taps, taps, layer.conv.weight.double())
        # tap a of parity p meets the kernel's row 3 - p - 2a
        kernel = products.permute(0, 1, 4, 2, 5, 3).flip(2, 3, 4, 5).flatten(4, 5).flatten(2, 3)
        self.weight = nn.Parameter(
            kernel.to(layer.conv.weight.dtype).contiguous(memory_format=torch.channels_last), requires_grad=False
        )

    @staticmethod
    def fits(layer: Upsample2D) -> bool:
        """Whether the layer doubles pixels and has one convolution of 3 x 3."""
        convolution = getattr(layer, "conv", None)
        return (
            layer.interpolate
            and layer.norm is None
            and isinstance(convolution, nn.Conv2d)
            and (convolution.kernel_size, convolution.padding) == ((3, 3), (1, 1))
        )

    def forward(self, x: Tensor, output_size: tuple[int, int] | None = None) -> Tensor:
        """[B, C, H, W] to [B, C', 2H, 2W]; another `output_size` is left to diffusers."""
        height, width = x.shape[2:]
        if output_size is not None and tuple(output_size) != (2 * height, 2 * width):
            return self.plain(x, output_size)
        return F.conv_transpose2d(x, self.weight, self.plain.conv.bias, stride=2, padding=1)


class Remembered(nn.Module):
    """A layer that sees the text alone, so that every step of a batch hands it the same tensor: computed once."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer, self.seen, self.result = layer, None, None

    def forward(self, x: Tensor) -> Tensor:
        """The layer's result, from memory if `x` is the tensor of the call before."""
        if x is not self.seen:
            self.seen, self.result = x, self.layer(x)
        return self.result

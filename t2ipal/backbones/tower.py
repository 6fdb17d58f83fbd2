"""The layers of a frozen causal text encoder, for sequences that share a prefix.

Packed sequences need an attention mask of their own, and only the features at their end marks. Any text encoder of
pre-norm blocks (layer norm, attention, layer norm, MLP; a final layer norm and a projection) can be taken apart for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GELU_SLOPE = 1.702

Activation = Literal["quick_gelu", "gelu"]


@dataclass(frozen=True)
class BlockWeights:
    """Weights of one block of width W: linear layers as `torch.nn.Linear` keeps them.

    Attributes:
        qkv_weight, qkv_bias: query, key and value, one after the other: [3 W, W], [3 W].
        fc_weight, fc_bias, proj_weight, proj_bias: of the MLP.
    """

    ln_1_weight: Tensor
    ln_1_bias: Tensor
    qkv_weight: Tensor
    qkv_bias: Tensor
    out_weight: Tensor
    out_bias: Tensor
    ln_2_weight: Tensor
    ln_2_bias: Tensor
    fc_weight: Tensor
    fc_bias: Tensor
    proj_weight: Tensor
    proj_bias: Tensor


class TextTower(nn.Module):
    """Frozen blocks, final norm and projection.

    Weights are held as buffers: shared with the model on its device, copied by `.to` another one.

    Attributes:
        positions: [T, W] positional embeddings, T the encoder's context.
        width: W.
    """

    positions: Tensor

    def __init__(
        self,
        blocks: Sequence[BlockWeights],
        heads: int,
        positions: Tensor,
        norm: tuple[Tensor, Tensor],
        projection: Tensor,
        activation: Activation = "quick_gelu",
    ) -> None:
        """
        Args:
            blocks: from the first to the last.
            heads: attention heads.
            positions: [T, W].
            norm: weight and bias of the final layer norm.
            projection: [W, D].
            activation: of the MLPs.
        """
        super().__init__()
        self.width = positions.shape[1]
        self.blocks = nn.ModuleList(_Block(weights, heads, activation) for weights in blocks)
        values = {"positions": positions, "norm_weight": norm[0], "norm_bias": norm[1], "projection": projection}
        for name, value in values.items():
            self.register_buffer(name, value.detach(), persistent=False)

    def forward(self, x: Tensor, mask: Tensor, ends: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Features [N, Q, D] at the positions `ends` of sequences [N, L, W], not normalised.

        Args:
            x: embeddings with their positions added.
            mask: [L, L], True where a position (row) sees another (column).
            ends: [N or 1, Q].
            dtype: of the products with the blocks' weights while gradients are recorded; without, it is float32.
        """
        lower = dtype != torch.float32 and torch.is_grad_enabled()
        ends = ends[..., None]
        with torch.autocast(x.device.type, dtype if lower else None, enabled=lower):
            for block in self.blocks[:-1]:
                x = block(x, mask)
            x = self.blocks[-1](x, mask, ends)
        x = F.layer_norm(x, (self.width,), self.norm_weight, self.norm_bias)
        return x @ self.projection


class _Block(nn.Module):
    """One residual attention block with frozen weights and any attention mask."""

    def __init__(self, weights: BlockWeights, heads: int, activation: Activation) -> None:
        super().__init__()
        self.heads, self.activation, self.width = heads, activation, weights.ln_1_weight.shape[0]
        for field in fields(weights):
            self.register_buffer(field.name, getattr(weights, field.name).detach(), persistent=False)

    def forward(self, x: Tensor, mask: Tensor, only: Tensor | None = None) -> Tensor:
        """[N, L, W] to the same, or to the positions `only` ([N or 1, Q, 1]) of it: [N, Q, W]."""
        normed = F.layer_norm(x, (self.width,), self.ln_1_weight, self.ln_1_bias)
        if only is None:
            query, key, value = F.linear(normed, self.qkv_weight, self.qkv_bias).chunk(3, -1)
        else:
            query = F.linear(normed.take_along_dim(only, 1), self.qkv_weight[: self.width], self.qkv_bias[: self.width])
            key, value = F.linear(normed, self.qkv_weight[self.width :], self.qkv_bias[self.width :]).chunk(2, -1)
            x, mask = x.take_along_dim(only, 1), mask[only[..., 0]].unsqueeze(1)
        query, key, value = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, key, value))
        x = x + F.linear(_attention(query, key, value, mask), self.out_weight, self.out_bias)
        return x + self._mlp(F.layer_norm(x, (self.width,), self.ln_2_weight, self.ln_2_bias))

    def _mlp(self, x: Tensor) -> Tensor:
        """QuickGELU, x sigmoid(1.702 x), is silu(1.702 x) / 1.702: its factors go into the products."""
        slope = GELU_SLOPE if self.activation == "quick_gelu" else 1.0
        activate = F.silu if self.activation == "quick_gelu" else F.gelu
        hidden = torch.addmm(self.fc_bias, x.flatten(0, 1), self.fc_weight.T, beta=slope, alpha=slope)
        out = torch.addmm(self.proj_bias, activate(hidden), self.proj_weight.T, alpha=1 / slope)
        return out.view_as(x)


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Attention of [N, heads, L, W / heads], heads joined: [N, L, W]. CPUs are slow at its gradient in bfloat16."""
    slow = query.dtype == torch.bfloat16 and query.device.type == "cpu"
    parts = [part.float() if slow else part for part in (query, key, value)]
    with torch.autocast("cpu", enabled=False) if slow else nullcontext():
        return F.scaled_dot_product_attention(*parts, attn_mask=mask).transpose(1, 2).flatten(2)

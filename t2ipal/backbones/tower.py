"""The layers of a frozen causal text encoder, for sequences that share their beginning.

Any text encoder of pre-norm blocks (layer norm, attention, layer norm, MLP; a final layer norm and a projection) can be
taken apart for it. Only the features at the sequences' end marks are computed, and no gradient of a weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2ipal.backbones.frozen_block import Activation, BlockWeights, FrozenBlock, Part


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
        self.blocks = nn.ModuleList(FrozenBlock(weights, heads, activation) for weights in blocks)
        values = {"positions": positions, "norm_weight": norm[0], "norm_bias": norm[1], "projection": projection}
        for name, value in values.items():
            self.register_buffer(name, value.detach(), persistent=False)
        self.rounded = self.blocks

    def round_products(self, dtype: torch.dtype) -> None:
        """Multiply by the blocks' weights in `dtype` where gradients are recorded; elsewhere it stays float32."""
        if dtype != torch.float32:
            self.rounded = nn.ModuleList(block.rounded(dtype) for block in self.blocks)

    def shared_states(self, beginning: Tensor) -> Tensor:
        """States [layers, P, W] before each block of what all sequences begin with, for `forward`.

        Args:
            beginning: [P, W], embeddings with their positions added; P may be 0.
        """
        states, x = [beginning], beginning[:, None]
        nothing, mask = beginning[:0], causal_mask(len(beginning), 0).to(beginning)
        with torch.no_grad():
            for block in self.blocks[:-1]:
                x = block(x, None, nothing, mask)
                states.append(x[:, 0])
        return torch.stack(states)

    def forward(
        self, x: Tensor, tail: Tensor, shared: Tensor, mask: Tensor, ends: Tensor, parts: Sequence[Part] = ()
    ) -> Tensor:
        """Features [Q, N, D] at the positions `ends` of N sequences, not normalised; gradients flow to `x`.

        Args:
            x: [M, N, W], embeddings with their positions added.
            tail: [L - M, N, W], constant positions behind them.
            shared: [layers, P, W], see `shared_states`.
            mask: [L, P + L], 0 where a position (row) sees another (column), -inf elsewhere.
            ends: [Q, N] positions, below L.
            parts: see `FrozenBlock.forward`.
        """
        blocks = self.rounded if torch.is_grad_enabled() else self.blocks
        constant: Tensor | None = tail
        for block, state in zip(blocks[:-1], shared[:-1], strict=True):
            x, constant = block(x, constant, state, mask, parts), None
        x = self.blocks[-1].last(x, constant, shared[-1], mask, ends)
        x = F.layer_norm(x, (self.width,), self.norm_weight, self.norm_bias)
        return x @ self.projection


def causal_mask(length: int, shared: int) -> Tensor:
    """The mask [L, P + L] of sequences behind `shared` positions: each sees these, itself and its past."""
    return mask_of(torch.ones(length, length, dtype=torch.bool).tril(), shared)


def mask_of(sees: Tensor, shared: int) -> Tensor:
    """The mask [L, P + L] of sequences behind `shared` positions, which all see, and `sees` [L, L] bool themselves."""
    return F.pad(torch.zeros(sees.shape).masked_fill(~sees, -torch.inf), (shared, 0))

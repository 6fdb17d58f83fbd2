"""A block of a frozen causal text encoder, and its gradient by hand.

Only the gradient of what goes in is ever needed, so little has to be kept for it: of the MLP the slope of its
activation, nothing of the products with weights. Positions come first, [L, N, W], so that some of them are a block of
memory: those that all sequences share are computed once, and those that are constant get no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

GELU_SLOPE = 1.702
EPS = 1e-5
"""Of CLIP's layer norms, torch's default."""

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


class Part(NamedTuple):
    """Positions and the keys that they see, among P + L: what no position of a part sees is not multiplied.

    Attributes:
        rows: the positions, a span of L.
        first: number of keys seen in front of all, the shared ones among them; a part before has these as its `own`.
        own: a span of keys seen behind them.
    """

    rows: slice
    first: int
    own: slice

    def columns(self, keys: Tensor) -> Tensor:
        """The seen ones of [P + L, ...]."""
        return torch.cat([keys[: self.first], keys[self.own]]) if self.first else keys[self.own]


class FrozenBlock(nn.Module):
    """One residual attention block. Weights are held as buffers, shared with the model; `.to` another device copies.

    N sequences of L positions follow P positions that all of them share; W is the width, M positions vary.
    """

    def __init__(self, weights: BlockWeights, heads: int, activation: Activation) -> None:
        super().__init__()
        self.heads, self.activation, self.width = heads, activation, weights.ln_1_weight.shape[0]
        for field in fields(weights):
            self.register_buffer(field.name, getattr(weights, field.name).detach(), persistent=False)

    def rounded(self, dtype: torch.dtype) -> FrozenBlock:
        """The same with products in `dtype`; norms and sums stay as they are."""
        weights = {field.name: getattr(self, field.name) for field in fields(BlockWeights)}
        weights |= {name: value.to(dtype) for name, value in weights.items() if not name.startswith("ln_")}
        return FrozenBlock(BlockWeights(**weights), self.heads, self.activation)

    def forward(
        self, x: Tensor, tail: Tensor | None, shared: Tensor, mask: Tensor, parts: Sequence[Part] = ()
    ) -> Tensor:
        """States [L, N, W] behind the block, of those before it.

        Args:
            x: [M, N, W], the positions that have a gradient.
            tail: [L - M, N, W], constant positions behind them; None: M = L.
            shared: [P, W], the positions in front of all sequences, before this block.
            mask: [L, P + L], 0 where a position (row) sees another (column), -inf elsewhere.
            parts: of the L positions, in their order, where the mask is mostly -inf; none: all see all.
        """
        parts = parts or [Part(slice(0, len(mask)), 0, slice(0, mask.shape[1]))]
        return _Block.apply(x, tail, shared, mask, parts, self)

    def last(self, x: Tensor, tail: Tensor | None, shared: Tensor, mask: Tensor, ends: Tensor) -> Tensor:
        """States [Q, N, W] behind the block at the positions `ends` [Q, N] alone; arguments as of `forward`.

        A query meets the key of a position in q (K x) = (q K) x, and the sum of values is V of a sum. So the weights
        of keys and values multiply a vector for each query and head, not one for each position.
        """
        x = x if tail is None else torch.cat([x, tail])
        normed = self.norm_1(torch.cat([shared[:, None].expand(-1, x.shape[1], -1), x]))
        query_weight, key_weight, value_weight = self.qkv_weight.chunk(3)
        query_bias, _, value_bias = self.qkv_bias.chunk(3)  # a key's bias moves all scores of a query alike
        key_weight, value_weight = (weight.unflatten(0, (self.heads, -1)) for weight in (key_weight, value_weight))
        at = ends[..., None]
        query = F.linear(normed.take_along_dim(at + len(shared), 0), query_weight, query_bias)
        query = query.unflatten(-1, (self.heads, -1))
        reach = torch.einsum("qnhd,hdw->nqhw", query * query.shape[-1] ** -0.5, key_weight)
        scores = torch.einsum("nqhw,lnw->nqhl", reach, normed) + mask[ends].transpose(0, 1)[:, :, None]
        seen = torch.einsum("nqhl,lnw->nqhw", scores.softmax(-1), normed)
        attended = torch.einsum("nqhw,hdw->qnhd", seen, value_weight).flatten(-2) + value_bias
        x = x.take_along_dim(at, 0) + F.linear(attended, self.out_weight, self.out_bias)
        hidden = F.linear(self.norm_2(x), self.fc_weight, self.fc_bias)
        hidden = hidden * torch.sigmoid(GELU_SLOPE * hidden) if self.activation == "quick_gelu" else F.gelu(hidden)
        return x + F.linear(hidden, self.proj_weight, self.proj_bias)

    def project(self, normed: Tensor, shared: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [L, N, W], keys and values [P + L, N, W] of `normed` [L, N, W] and `shared` [P, W]."""
        products, sums, width, count = self.qkv_weight.dtype, normed.dtype, self.width, len(shared)
        rows, sizes = normed.flatten(0, 1).to(products), (count + len(normed), *normed.shape[1:])
        weights, biases = self.qkv_weight.chunk(3), self.qkv_bias.chunk(3)
        parts = [F.linear(rows, weights[0], biases[0]).view_as(normed)]
        same = F.linear(shared.to(products), self.qkv_weight[width:], self.qkv_bias[width:]).chunk(2, -1)
        for weight, bias, first in zip(weights[1:], biases[1:], same, strict=True):
            part = rows.new_empty(sizes)
            part[:count] = first[:, None]
            torch.addmm(bias, rows, weight.T, out=part[count:].view_as(rows))
            parts.append(part)
        # CPUs are slow at small products in bfloat16
        return tuple(part.to(sums) if part.device.type == "cpu" else part for part in parts)

    @property
    def scale(self) -> float:
        """Factor on the scores of attention."""
        return (self.width // self.heads) ** -0.5

    def by_head(self, x: Tensor) -> Tensor:
        """A view [N heads, L, W / heads] of `x` [L, N, W]."""
        return x.view(len(x), -1, self.width // self.heads).transpose(0, 1)

    def activate(self, normed: Tensor) -> tuple[Tensor, Tensor, float]:
        """The MLP's activated hidden numbers up to a factor, their slope, and the factor: [T, 4 W] of [T, W].

        With u = 1.702 x and s its sigmoid, QuickGELU x s is u s / 1.702, and its slope is s + u s (1 - s).
        """
        factor = GELU_SLOPE if self.activation == "quick_gelu" else 1.0
        rows = normed.to(self.fc_weight.dtype)
        hidden = torch.addmm(self.fc_bias, rows, self.fc_weight.T, beta=factor, alpha=factor)
        if self.activation == "gelu":
            return F.gelu(hidden), torch.ops.aten.gelu_backward(torch.ones_like(hidden), hidden), 1.0
        sigmoid = hidden.sigmoid()
        slope = torch.ops.aten.sigmoid_backward(hidden, sigmoid).add_(sigmoid)
        return hidden.mul_(sigmoid), slope, 1 / factor

    def norm_1(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (self.width,), self.ln_1_weight, self.ln_1_bias)

    def norm_2(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (self.width,), self.ln_2_weight, self.ln_2_bias)


class _Block(torch.autograd.Function):
    """`FrozenBlock.forward`: products in the dtype of their weights, attention on CPUs and all sums in that of `x`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        tail: Tensor | None,
        shared: Tensor,
        mask: Tensor,
        parts: Sequence[Part],
        block: FrozenBlock,
    ) -> Tensor:
        ctx.block, ctx.parts, ctx.varied, ctx.shared = block, parts, len(x), len(shared)
        x = x if tail is None else torch.cat([x, tail])
        normed, *norm_1 = torch.native_layer_norm(x, (block.width,), block.ln_1_weight, block.ln_1_bias, EPS)
        query, key, value = block.project(normed, block.norm_1(shared))
        mask, scale, attended, weights = mask.to(query.dtype).T, block.scale, torch.empty_like(query), []
        for part in parts:
            keys, values = (block.by_head(part.columns(each)) for each in (key, value))
            scores = torch.baddbmm(
                part.columns(mask)[:, part.rows].T, block.by_head(query[part.rows]), keys.mT, alpha=scale
            )
            weights.append(scores.softmax(-1))
            torch.bmm(weights[-1], values, out=block.by_head(attended[part.rows]))
        middle = x + F.linear(attended.to(block.out_weight.dtype), block.out_weight, block.out_bias)
        normed, *norm_2 = torch.native_layer_norm(middle, (block.width,), block.ln_2_weight, block.ln_2_bias, EPS)
        active, slope, factor = block.activate(normed.flatten(0, 1))
        out = torch.addmm(block.proj_bias, active, block.proj_weight.T, alpha=factor)
        ctx.save_for_backward(x, *norm_1, query, key, value, middle, *norm_2, slope, *weights)
        return middle + out.view_as(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        block, varied = ctx.block, ctx.varied
        x, mean_1, rstd_1, query, key, value, middle, mean_2, rstd_2, slope, *weights = ctx.saved_tensors
        rows = gradient.flatten(0, 1).to(block.proj_weight.dtype)
        hidden = (rows @ block.proj_weight).mul_(slope) @ block.fc_weight
        gradient = gradient + _norm_backward(
            hidden.view_as(x), middle, mean_2, rstd_2, block.ln_2_weight, block.ln_2_bias
        )
        attended = gradient.to(block.out_weight.dtype).flatten(0, 1) @ block.out_weight
        attended = attended.to(query.dtype).view_as(x)
        normed = None
        for part, weight in zip(
            _attention_backward(ctx, attended, query, key, value, weights), block.qkv_weight.chunk(3), strict=True
        ):
            part = part.flatten(0, 1).to(weight.dtype)
            normed = part @ weight if normed is None else normed.addmm_(part, weight)
        inputs = x[:varied], mean_1[:varied], rstd_1[:varied]
        normed = _norm_backward(normed.view_as(inputs[0]), *inputs, block.ln_1_weight, block.ln_1_bias)
        return gradient[:varied] + normed, None, None, None, None, None


def _attention_backward(
    ctx: Any, gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, weights: Sequence[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of queries, keys and values at the positions that vary [M, N, W]; others need none."""
    block, shared, end = ctx.block, ctx.shared, ctx.shared + ctx.varied
    to_query, to_key, to_value = (torch.empty_like(query[: ctx.varied]) for _ in range(3))
    for part, weight in zip(ctx.parts, weights, strict=True):
        keys, values = (block.by_head(part.columns(each)) for each in (key, value))
        queries, inner = (block.by_head(each[part.rows]) for each in (query, gradient))
        scores = torch._softmax_backward_data(inner @ values.mT, weight, -1, weight.dtype).mul_(block.scale)
        rows = to_query[part.rows]
        if len(rows):
            torch.bmm(scores[:, : len(rows)], keys, out=block.by_head(rows))
        start, stop = max(part.own.start, shared), min(part.own.stop, end)
        own = slice(part.first + start - part.own.start, part.first + stop - part.own.start)
        for left, right, to in ((scores, queries, to_key), (weight, inner, to_value)):
            if part.first:
                block.by_head(to[: part.first - shared]).baddbmm_(left[..., shared : part.first].mT, right)
            if start < stop:
                torch.bmm(left[..., own].mT, right, out=block.by_head(to[start - shared : stop - shared]))
    return to_query, to_key, to_value


def _norm_backward(gradient: Tensor, x: Tensor, mean: Tensor, rstd: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The gradient of a layer norm's input `x` [..., W]."""
    wanted = [True, False, False]
    gradient = gradient.to(x.dtype)
    return torch.ops.aten.native_layer_norm_backward(gradient, x, weight.shape, mean, rstd, weight, bias, wanted)[0]

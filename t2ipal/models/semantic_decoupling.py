"""Semantic decoupling: one feature per class from the cells of an image, guided by the class's word vector.

S seeds, R rows, N cells, C classes, H width of a cell, I width of the attention. Source: Chen et al., ICCV 2019
(SSGRL), eqs. 1-4.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

AT_ONCE = {"cpu": 2**18, "cuda": 2**26}
"""How many numbers of tanh(U x_j * q_c) exist at once, by device: what a CPU's cache holds, 256 MiB of a GPU."""


class Decoupled(NamedTuple):
    """What `decouple` returns.

    Attributes:
        features: f_c, [S, C, R, H].
        heat: a_cj, [S, R, C, N], sums to 1 over N.
    """

    features: Tensor
    heat: Tensor


def decouple(
    cells: Tensor, image_map: Tensor, query: Tensor, attention: Tensor, at_once: int | None = None
) -> Decoupled:
    """f_c = sum_j a_cj x_j with a_c = softmax over j of v . tanh(U x_j * q_c).

    SSGRL has two linear layers behind the tanh with nothing between them; they are one vector v here, the same
    function. Its biases move all cells of a class alike, which the softmax takes out.

    Args:
        cells: x, [S, R, N, H].
        image_map: U, [S, H, I].
        query: q = V w of the classes' word vectors w, [S, C, I].
        attention: v, [S, I].
        at_once: see `AT_ONCE`; it changes memory and time, and results by rounding.
    """
    rows = cells.shape[1:3]
    mapped = image_map.mT @ cells.flatten(1, 2).mT
    logits = Attention.apply(mapped, query.mT.contiguous(), attention, at_once or AT_ONCE.get(cells.device.type, 2**24))
    heat = logits.unflatten(1, rows).softmax(2).transpose(2, 3)
    return Decoupled((heat @ cells).transpose(1, 2).contiguous(), heat)


class Attention(torch.autograd.Function):
    """v . tanh(u_p * q_c) of each position p and class c: [S, P, C] from u [S, I, P], q [S, I, C] and v [S, I].

    There are I numbers for each position and class (for COCO at 448 pixels some 2 million per image), so they are made
    for a few positions at a time, and made again for the gradient instead of being kept. tanh(x) is
    2 sigmoid(2 x) - 1: torch's own takes thrice as long on a CPU.
    """

    @staticmethod
    def forward(ctx: Any, mapped: Tensor, query: Tensor, attention: Tensor, at_once: int) -> Tensor:
        ctx.save_for_backward(mapped, query, attention)
        ctx.at_once = at_once
        logits = mapped.new_empty(mapped.shape[0], mapped.shape[2], query.shape[2])
        for columns, values in _activations(mapped, query, at_once):
            logits[:, columns] = (attention[:, None] @ values.flatten(2)).view_as(logits[:, columns])
        return logits.mul_(2).sub_(attention.sum(-1)[:, None, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        mapped, query, attention = ctx.saved_tensors
        to_mapped, to_query, to_attention = (torch.zeros_like(value) for value in ctx.saved_tensors)
        for columns, values in _activations(mapped, query, ctx.at_once):
            part = gradient[:, columns]
            # a row times a matrix: a matrix times a column takes several times as long
            to_attention += (part.flatten(1)[:, None] @ values.flatten(2).mT)[:, 0]
            # what reaches the product u q, but for the factor 4 v: s (1 - s) of the sigmoid s, times the gradient
            inside = torch.addcmul(values, values, values, value=-1, out=values).mul_(part[:, None])
            to_mapped[:, :, columns] = (query[:, :, None] @ inside.mT)[:, :, 0]
            to_query += (mapped[:, :, None, columns] @ inside)[:, :, 0]
        scale = 4 * attention[..., None]
        return to_mapped * scale, to_query * scale, 2 * to_attention - gradient.sum((1, 2))[:, None], None


def _activations(mapped: Tensor, query: Tensor, at_once: int) -> Iterator[tuple[slice, Tensor]]:
    """sigmoid(2 u_p * q_c), [S, I, p, C], of some positions p at a time."""
    step, twice = max(1, at_once // (mapped.shape[0] * query.shape[1] * query.shape[2])), 2 * query[:, :, None]
    for start in range(0, mapped.shape[2], step):
        columns = slice(start, start + step)
        yield columns, (mapped[:, :, columns, None] * twice).sigmoid_()

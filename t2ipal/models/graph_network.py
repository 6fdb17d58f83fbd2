"""A gated graph network over the classes, and the classifiers behind it.

S seeds, C classes, R rows, H width of a state. Classes come before rows, so that one product with the C x C graph
serves all rows. Source: Chen et al., ICCV 2019 (SSGRL), eqs. 5-8, after Li et al., ICLR 2016.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

WEIGHTS = ("message_gates", "message_candidate", "state_gates", "state_candidate", "gate_bias", "candidate_bias")


def propagate(states: Tensor, conditional: Tensor, weights: Mapping[str, Tensor], steps: int = 3) -> Tensor:
    """The states of the classes after `steps` rounds of messages along the graph: [S, C, R, H].

    m = [P h, P^T h]; z = sigmoid(W_z m + U_z h), r = sigmoid(W_r m + U_r h), n = tanh(W_n m + U_n (r * h)),
    h <- (1 - z) h + z n. Commit b6b4d12 of SSGRL's code has U_z in the reset gate too, by a slip that 816f573 mends.

    Args:
        states: h before the first round, [S, C, R, H].
        conditional: P, [S or 1, C, C]; it has no gradient.
        weights: "message_gates" [S, 2 H, 2 H], W of z and r side by side; "state_gates" [S, H, 2 H], their U;
            "gate_bias" [S, 2 H]; "message_candidate" [S, 2 H, H], "state_candidate" [S, H, H] and "candidate_bias"
            [S, H], those of n.
        steps: rounds.
    """
    graph = torch.cat([conditional, conditional.mT], 1)
    parts = [weights[name] for name in WEIGHTS]
    message, bias = torch.cat(parts[:2], -1), torch.cat(parts[4:], -1)  # those of z, r and n side by side
    flat = states.flatten(1, 2).contiguous()
    for _ in range(steps):
        flat = Round.apply(flat, graph, message, *parts[2:4], bias)
    return flat.view(states.shape)


class Round(torch.autograd.Function):
    """One round of messages: new states from h [S, C R, H], [P, P^T] [S or 1, 2 C, C], W, U of z and r, U of n, b.

    Autograd's own backward pass copies each part of what is cut or joined, and adds up gradients of the states that a
    product can add to.
    """

    @staticmethod
    def forward(
        ctx: Any, h: Tensor, graph: Tensor, message: Tensor, gates: Tensor, candidate: Tensor, bias: Tensor
    ) -> Tensor:
        width, (seeds, rows, _) = h.shape[-1], h.shape
        sent = (graph @ h.view(seeds, graph.shape[-1], -1)).view(seeds, 2, rows, width)
        m = sent.transpose(1, 2).reshape(seeds, rows, -1)
        values = torch.baddbmm(bias[:, None], m, message)
        values[..., : 2 * width].baddbmm_(h, gates).sigmoid_()
        z, r, n = values.split(width, -1)
        tanh_(n.baddbmm_(r * h, candidate))
        ctx.save_for_backward(h, graph, message, gates, candidate, m, values)
        return torch.lerp(h, n, z)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        h, graph, message, gates, candidate, m, values = ctx.saved_tensors
        gradient, (seeds, rows, width), (z, r, n) = gradient.contiguous(), h.shape, values.split(h.shape[-1], -1)
        inner = torch.empty_like(values)  # gradients in front of sigmoid and tanh
        to_z, to_r, to_n = inner.split(width, -1)
        share = gradient * z
        torch.addcmul(share, share * n, n, value=-1, out=to_n)
        part = (n - h).mul_(share)
        torch.addcmul(part, part, z, value=-1, out=to_z)
        to_product = to_n @ candidate.mT
        to_h = (gradient - share).addcmul_(to_product, r)
        product = r * h
        part = to_product.mul_(product)
        torch.addcmul(part, part, r, value=-1, out=to_r)
        to_gates = inner[..., : 2 * width]
        to_h.baddbmm_(to_gates, gates.mT)
        to_sent = (inner @ message.mT).view(seeds, rows, 2, width).transpose(1, 2).reshape(seeds, graph.shape[1], -1)
        to_h.view(seeds, graph.shape[-1], -1).baddbmm_(graph.mT.expand(seeds, -1, -1), to_sent)
        return to_h, None, m.mT @ inner, h.mT @ to_gates, product.mT @ to_n, inner.sum(1)


def tanh_(x: Tensor) -> Tensor:
    """tanh in place, as 2 sigmoid(2 x) - 1: torch's own takes thrice as long on a CPU."""
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)


def classify(states: Tensor, features: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Logits w_c . tanh(F [h_c, f_c] + b) + b_c: [S, R, C].

    Args:
        states: h, [S, C, R, H].
        features: f, [S, C, R, H].
        weights: "output" [S, 2 H, O], F; "output_bias" [S, O]; "classifier" [S, C, O]; "classifier_bias" [S, C].
    """
    # tanh(x) = 2 sigmoid(2 x) - 1 (`tanh_`), its factors and the 1 in the weights
    of_states, of_features = (2 * weights["output"]).chunk(2, 1)
    inner = torch.baddbmm(2 * weights["output_bias"][:, None], states.flatten(1, 2), of_states)
    output = inner.baddbmm_(features.flatten(1, 2), of_features).sigmoid()
    classifier = weights["classifier"]
    logits = (2 * classifier)[..., None, :] @ output.view(*states.shape[:3], -1).mT
    return logits[..., 0, :].mT + (weights["classifier_bias"] - classifier.sum(-1))[:, None]

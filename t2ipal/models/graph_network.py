"""A gated graph network over the classes, and the classifiers behind it.

S seeds, C classes, R rows, H width of a state. Classes come before rows, so that one product with the C x C graph
serves all rows. Source: Chen et al., ICCV 2019 (SSGRL), eqs. 5-8, after Li et al., ICLR 2016.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def propagate(states: Tensor, conditional: Tensor, weights: Mapping[str, Tensor], steps: int = 3) -> Tensor:
    """The states of the classes after `steps` rounds of messages along the graph: [S, C, R, H].

    m = [P h, P^T h]; z = sigmoid(W_z m + U_z h), r = sigmoid(W_r m + U_r h), n = tanh(W_n m + U_n (r * h)),
    h <- (1 - z) h + z n. The official SSGRL code uses U_z for the reset gate too; the paper's own U_r is taken here.

    Args:
        states: h before the first round, [S, C, R, H].
        conditional: P, [S or 1, C, C].
        weights: "messages_in" and "messages_out" [S, H, 3 H], the parts of W that read P h and P^T h, for z, r and n
            side by side; "gates" [S, H, 2 H], U of z and r; "candidate" [S, H, H], U of n; "gate_bias" [S, 3 H].
        steps: rounds.
    """
    shape = states.shape
    width = shape[-1]
    graph = torch.cat([conditional, conditional.mT], 1)
    bias, flat = weights["gate_bias"][:, None], states.flatten(1, 2)
    for _ in range(steps):
        sent = (graph @ flat.unflatten(1, shape[1:3]).flatten(2)).unflatten(1, (2, -1)).unflatten(-1, shape[2:])
        inward, outward = (part.flatten(1, 2) for part in sent.unbind(1))
        message = torch.baddbmm(bias, inward, weights["messages_in"])
        message = torch.baddbmm(message, outward, weights["messages_out"])
        for_gates, for_candidate = message.split((2 * width, width), -1)
        update, reset = torch.sigmoid(torch.baddbmm(for_gates, flat, weights["gates"])).split(width, -1)
        new = torch.tanh(torch.baddbmm(for_candidate, reset * flat, weights["candidate"]))
        flat = torch.lerp(flat, new, update)
    return flat.view(shape)


def classify(states: Tensor, features: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Logits w_c . tanh(F [h_c, f_c] + b) + b_c: [S, R, C].

    Args:
        states: h, [S, C, R, H].
        features: f, [S, C, R, H].
        weights: "output_state" and "output_feature" [S, H, O], the parts of F; "output_bias" [S, O]; "classifier"
            [S, C, O]; "classifier_bias" [S, C].
    """
    bias = weights["output_bias"][:, None]
    output = torch.baddbmm(bias, states.flatten(1, 2), weights["output_state"])
    output = torch.baddbmm(output, features.flatten(1, 2), weights["output_feature"]).tanh()
    logits = output.view(*states.shape[:3], -1) @ weights["classifier"][..., None]
    return logits[..., 0].mT + weights["classifier_bias"][:, None]

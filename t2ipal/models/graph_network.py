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
    h <- (1 - z) h + z n. Commit b6b4d12 of SSGRL's code has U_z in the reset gate too, by a slip that 816f573 mends.

    Args:
        states: h before the first round, [S, C, R, H].
        conditional: P, [S or 1, C, C].
        weights: "message_gates" [S, 2 H, 2 H], W of z and r side by side; "state_gates" [S, H, 2 H], their U;
            "gate_bias" [S, 2 H]; "message_candidate" [S, 2 H, H], "state_candidate" [S, H, H] and "candidate_bias"
            [S, H], those of n.
        steps: rounds.
    """
    shape, width = states.shape, states.shape[-1]
    graph = torch.cat([conditional, conditional.mT], 1)
    gate_bias, candidate_bias = (weights[name][:, None] for name in ("gate_bias", "candidate_bias"))
    flat = states.flatten(1, 2)
    for _ in range(steps):
        sent = graph @ flat.view(*shape[:2], -1)
        message = torch.cat([part.reshape(flat.shape) for part in sent.chunk(2, 1)], -1)
        # added in place: neither a product nor a sum is needed again for the gradient
        gates = (message @ weights["message_gates"]).baddbmm_(flat, weights["state_gates"]).add_(gate_bias)
        update, reset = gates.sigmoid().split(width, -1)
        new = (message @ weights["message_candidate"]).baddbmm_(reset * flat, weights["state_candidate"])
        flat = torch.lerp(flat, new.add_(candidate_bias).tanh(), update)
    return flat.view(shape)


def classify(states: Tensor, features: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Logits w_c . tanh(F [h_c, f_c] + b) + b_c: [S, R, C].

    Args:
        states: h, [S, C, R, H].
        features: f, [S, C, R, H].
        weights: "output" [S, 2 H, O], F; "output_bias" [S, O]; "classifier" [S, C, O]; "classifier_bias" [S, C].
    """
    both = torch.cat([states, features], -1).flatten(1, 2)
    output = (both @ weights["output"]).add_(weights["output_bias"][:, None]).tanh()
    logits = output.view(*states.shape[:3], -1) @ weights["classifier"][..., None]
    return logits[..., 0].mT + weights["classifier_bias"][:, None]

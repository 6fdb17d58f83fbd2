"""Semantic decoupling and the gated graph network, against loops written from the equations of SSGRL."""

import numpy as np
import pytest
import torch

from t2ipal.models.graph_network import classify, propagate
from t2ipal.models.semantic_decoupling import Attention, decouple

S, R, N, C, H, I = 2, 3, 4, 5, 6, 3  # noqa: E741 - the module's own letters


def draws(*shapes: tuple[int, ...], seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_decoupling_is_a_loop_over_cells_and_classes() -> None:
    cells, image_map, query, attention = draws((S, R, N, H), (S, H, I), (S, C, I), (S, I))
    found = decouple(cells, image_map, query, attention)
    for s in range(S):
        for r in range(R):
            for c in range(C):
                logits = []
                for x in cells[s, r].numpy():
                    product = (image_map[s].numpy().T @ x) * query[s, c].numpy()
                    logits.append(float(attention[s].numpy() @ np.tanh(product)))
                weights = np.exp(logits) / np.exp(logits).sum()
                assert found.heat[s, r, c].numpy() == pytest.approx(weights)
                expected = sum(weight * x for weight, x in zip(weights, cells[s, r].numpy(), strict=True))
                assert found.features[s, c, r].numpy() == pytest.approx(expected)


def test_the_two_layers_of_the_original_are_one_vector() -> None:
    """fc_a(fc_3(t)) with biases, as the code has it, gives the same attention as v = W_3^T w_a."""
    cells, image_map, query, third, bias, last = draws((1, R, N, H), (1, H, I), (1, C, I), (I, I), (I,), (I,))
    heat = decouple(cells, image_map, query, (third.T @ last)[None]).heat
    product = torch.tanh((cells[0] @ image_map[0])[:, :, None] * query[0])
    logits = (product @ third.T + bias) @ last + 0.7
    assert torch.allclose(heat[0], logits.softmax(1).transpose(1, 2))


@pytest.mark.parametrize("at_once", [1, 40, 10**6])
def test_the_gradient_of_the_attention_is_exact(at_once: int) -> None:
    inputs = [value.requires_grad_() for value in draws((S, I, 4), (S, I, C), (S, I))]
    assert torch.autograd.gradcheck(lambda *values: Attention.apply(*values, at_once), inputs)


def test_how_much_is_held_at_once_changes_nothing() -> None:
    results = []
    for at_once in (1, 50, None):
        inputs = [value.requires_grad_() for value in draws((S, R, N, H), (S, H, I), (S, C, I), (S, I))]
        features = decouple(*inputs, at_once).features
        features.square().sum().backward()
        results.append([features.detach(), *(value.grad for value in inputs)])
    for others in zip(*results, strict=True):
        assert torch.allclose(others[0], others[1])
        assert torch.allclose(others[0], others[2])


def test_the_attention_does_not_hold_all_its_numbers() -> None:
    """At COCO's size the product of cells and words is larger than all else together."""
    generator = torch.Generator().manual_seed(0)
    cells, image_map, query = (
        torch.randn(shape, generator=generator) for shape in ((1, 4, 196, 8), (1, 8, 64), (1, 80, 64))
    )
    saved: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda value: saved.append(value.numel()) or value, lambda value: value
    ):
        decouple(cells.requires_grad_(), image_map, query.requires_grad_(), torch.ones(1, 64)).features.sum().backward()
    assert sum(saved) < 4 * 196 * 80 * 64 / 10


def weights_of(width: int) -> dict[str, torch.Tensor]:
    shapes = {
        "message_gates": (S, 2 * width, 2 * width),
        "state_gates": (S, width, 2 * width),
        "gate_bias": (S, 2 * width),
        "message_candidate": (S, 2 * width, width),
        "state_candidate": (S, width, width),
        "candidate_bias": (S, width),
        "output": (S, 2 * width, 7),
        "output_bias": (S, 7),
        "classifier": (S, C, 7),
        "classifier_bias": (S, C),
    }
    return dict(zip(shapes, draws(*shapes.values(), seed=1), strict=True))


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_the_graph_network_is_a_loop_over_classes(steps: int) -> None:
    states, conditional = draws((S, C, R, H), (1, C, C), seed=2)
    weights = weights_of(H)
    found = propagate(states, conditional, weights, steps)
    for s in range(S):
        w = {name: value[s].numpy() for name, value in weights.items()}
        p = conditional[0].numpy()
        for r in range(R):
            h = states[s, :, r].numpy().copy()
            for _ in range(steps):
                new = np.empty_like(h)
                for c in range(C):
                    m = np.concatenate([sum(p[c, k] * h[k] for k in range(C)), sum(p[k, c] * h[k] for k in range(C))])
                    gates = sigmoid(w["message_gates"].T @ m + w["state_gates"].T @ h[c] + w["gate_bias"])
                    z, reset = gates[:H], gates[H:]
                    n = np.tanh(
                        w["message_candidate"].T @ m + w["state_candidate"].T @ (reset * h[c]) + w["candidate_bias"]
                    )
                    new[c] = (1 - z) * h[c] + z * n
                h = new
            assert found[s, :, r].numpy() == pytest.approx(h)


def test_each_class_has_a_classifier_of_its_own() -> None:
    states, features = draws((S, C, R, H), (S, C, R, H), seed=3)
    weights = weights_of(H)
    found = classify(states, features, weights)
    assert found.shape == (S, R, C)
    for s in range(S):
        w = {name: value[s].numpy() for name, value in weights.items()}
        for r in range(R):
            for c in range(C):
                both = np.concatenate([states[s, c, r].numpy(), features[s, c, r].numpy()])
                output = np.tanh(w["output"].T @ both + w["output_bias"])
                assert float(found[s, r, c]) == pytest.approx(
                    float(w["classifier"][c] @ output + w["classifier_bias"][c])
                )


def test_the_graph_network_has_its_gradients() -> None:
    """Sums are made in place: the gradient must not notice."""
    states, conditional = draws((S, C, R, H), (1, C, C), seed=4)
    weights = weights_of(H)
    names = list(weights)

    def logits(states: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        now = dict(zip(names, values, strict=True))
        return classify(propagate(states, conditional, now, 2), states, now)

    inputs = [value.requires_grad_() for value in (states, *weights.values())]
    assert torch.autograd.gradcheck(logits, inputs, fast_mode=True)

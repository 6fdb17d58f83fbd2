"""Semantic decoupling and the graph network of SSGRL against loops written from the equations."""

import math

import pytest
import torch
from torch import Tensor

from t2ipal.models.graph_network import classify, propagate
from t2ipal.models.semantic_decoupling import Attention, decouple

S, R, N, C, H, W = 2, 3, 5, 4, 6, 7


def draws(*shapes: tuple[int, ...], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def loop_decouple(cells: Tensor, image_map: Tensor, query: Tensor, attention: Tensor) -> Tensor:
    """Eqs. 1-4 of SSGRL for one image: f [C, H] from x [N, H], U [H, I], q [C, I] and v [I]."""
    features = []
    for q in query:
        logits = [float(attention @ torch.tanh((image_map.T @ cell) * q)) for cell in cells]
        weights = [math.exp(value) for value in logits]
        features.append(sum(weight / sum(weights) * cell for weight, cell in zip(weights, cells, strict=True)))
    return torch.stack(features)


def loop_propagate(states: Tensor, conditional: Tensor, weights: dict[str, Tensor], steps: int) -> Tensor:
    """Eqs. 5-7 of SSGRL for one image: the states [C, H] after `steps` rounds."""
    width, count = states.shape[1], range(len(states))
    for _ in range(steps):
        new = []
        for c in count:
            inward = sum(conditional[c, k] * states[k] for k in count)
            outward = sum(conditional[k, c] * states[k] for k in count)
            message = weights["messages_in"].T @ inward + weights["messages_out"].T @ outward + weights["gate_bias"]
            for_z, for_r, for_n = message.split(width)
            z = torch.sigmoid(for_z + weights["gates"][:, :width].T @ states[c])
            r = torch.sigmoid(for_r + weights["gates"][:, width:].T @ states[c])
            candidate = torch.tanh(for_n + weights["candidate"].T @ (r * states[c]))
            new.append((1 - z) * states[c] + z * candidate)
        states = torch.stack(new)
    return states


def loop_classify(states: Tensor, features: Tensor, weights: dict[str, Tensor]) -> list[float]:
    """Eq. 8 of SSGRL for one image: the logits of its classes."""
    found = []
    for c, (state, feature) in enumerate(zip(states, features, strict=True)):
        both = torch.cat([state, feature])
        layer = torch.cat([weights["output_state"], weights["output_feature"]])
        output = torch.tanh(layer.T @ both + weights["output_bias"])
        found.append(float(weights["classifier"][c] @ output + weights["classifier_bias"][c]))
    return found


def network(seed: int = 3) -> dict[str, Tensor]:
    shapes = {
        "messages_in": (S, H, 3 * H),
        "messages_out": (S, H, 3 * H),
        "gates": (S, H, 2 * H),
        "candidate": (S, H, H),
        "gate_bias": (S, 3 * H),
        "output_state": (S, H, W),
        "output_feature": (S, H, W),
        "output_bias": (S, W),
        "classifier": (S, C, W),
        "classifier_bias": (S, C),
    }
    return dict(zip(shapes, draws(*shapes.values(), seed=seed), strict=True))


def test_decouple_is_that_of_a_loop() -> None:
    inputs = draws((S, R, N, H), (S, H, W), (S, C, W), (S, W))
    found = decouple(*inputs)
    assert found.features.shape == (S, C, R, H)
    torch.testing.assert_close(found.heat.sum(-1), torch.ones(S, R, C, dtype=torch.float64))
    cells, *others = inputs
    for s in range(S):
        for r in range(R):
            expected = loop_decouple(cells[s, r], *(value[s] for value in others))
            torch.testing.assert_close(found.features[s, :, r], expected)
            torch.testing.assert_close(found.heat[s, r] @ cells[s, r], expected)


def plain(mapped: Tensor, query: Tensor, attention: Tensor) -> Tensor:
    """What `Attention` computes, all at once and left to autograd."""
    return torch.einsum("si,sipc->spc", attention, torch.tanh(mapped[..., None] * query[:, :, None]))


@pytest.mark.parametrize("at_once", [1, 2 * S * W * C, 7 * S * W * C, 2**20])
def test_written_gradient_is_autograds(at_once: int) -> None:
    inputs = [value.requires_grad_() for value in draws((S, W, 9), (S, W, C), (S, W))]
    (weight,) = draws((S, 9, C), seed=1)
    found, expected = Attention.apply(*inputs, at_once), plain(*inputs)
    torch.testing.assert_close(found, expected)
    ours = torch.autograd.grad((found * weight).sum(), inputs)
    theirs = torch.autograd.grad((expected * weight).sum(), inputs)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_gradient_passes_finite_differences() -> None:
    inputs = [value.requires_grad_() for value in draws((1, 2, 3), (1, 2, 2), (1, 2))]
    assert torch.autograd.gradcheck(lambda *values: Attention.apply(*values, 5), inputs)


def test_whole_decoupling_has_autograds_gradient() -> None:
    inputs = [value.requires_grad_() for value in draws((S, R, N, H), (S, H, W), (S, C, W), (S, W))]
    cells, image_map, query, attention = inputs
    (weight,) = draws((S, C, R, H), seed=1)
    mapped = torch.einsum("srnh,shi->srni", cells, image_map)
    logits = torch.tanh(mapped[:, :, None] * query[:, None, :, None]) @ attention[:, None, None, :, None]
    features = torch.einsum("srcn,srnh->scrh", logits[..., 0].softmax(-1), cells)
    found = decouple(*inputs, at_once=100).features
    torch.testing.assert_close(found, features)
    ours = torch.autograd.grad((found * weight).sum(), inputs)
    theirs = torch.autograd.grad((features * weight).sum(), inputs)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_how_much_exists_at_once_changes_nothing_else() -> None:
    inputs = draws((S, R, N, H), (S, H, W), (S, C, W), (S, W))
    whole = decouple(*inputs)
    for at_once in (1, 3 * S * W * C, 2**18, None):
        part = decouple(*inputs, at_once=at_once)
        torch.testing.assert_close(part.features, whole.features)
        torch.testing.assert_close(part.heat, whole.heat)


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("graphs", [1, S])
def test_graph_network_is_that_of_a_loop(steps: int, graphs: int) -> None:
    states, features, conditional = draws((S, C, R, H), (S, C, R, H), (graphs, C, C), seed=2)
    weights = network()
    found = propagate(states, conditional, weights, steps)
    logits = classify(found, features, weights)
    assert logits.shape == (S, R, C)
    for s in range(S):
        own = {name: value[s] for name, value in weights.items()}
        for r in range(R):
            expected = loop_propagate(states[s, :, r], conditional[min(s, graphs - 1)], own, steps)
            torch.testing.assert_close(found[s, :, r], expected)
            assert logits[s, r].tolist() == pytest.approx(loop_classify(expected, features[s, :, r], own))


def test_messages_go_both_ways_of_the_graph() -> None:
    states = torch.zeros(1, 2, 1, 1, dtype=torch.float64)
    states[0, 1] = 1.0
    weights = {name: torch.zeros(1, *shape, dtype=torch.float64) for name, shape in {
        "messages_in": (1, 3), "messages_out": (1, 3), "gates": (1, 2), "candidate": (1, 1), "gate_bias": (3,),
    }.items()}  # fmt: skip
    weights["messages_in"][0, 0, 2] = 1.0
    graph = torch.tensor([[[0.0, 0.8], [0.0, 0.0]]], dtype=torch.float64)  # P of class 0 given class 1's row
    there = propagate(states, graph, weights, 1)[0, :, 0, 0].tolist()
    back = propagate(states, graph.mT, weights, 1)[0, :, 0, 0].tolist()
    assert there == pytest.approx([0.5 * math.tanh(0.8), 0.5])
    assert back == pytest.approx([0.0, 0.5])

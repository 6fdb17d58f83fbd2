"""LaSO's set operations on features: what an image would look like with the objects of two, of both, of one alone.

Source: Alfassy et al., CVPR 2019; github.com/leokarlin/LaSO (SetOpsResModule, train_setops_stripped.py). There, the
features are rectified, of a network that may learn along. Here they are frozen and on a sphere: so do the results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from t2ipal.models.mlp import (
    Parameters,
    batch_norm,
    leaky,
    linear,
    start_linear,
    start_norm,
    start_statistics,
)

ANALYTIC: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "subtract": lambda a, b: F.relu(a - b),
    "intersect": torch.minimum,
    "union": torch.add,
}
"""The operations by name, and the fixed one that each learned network starts from."""

INPUT, HIDDEN, OUTPUT = "input", "hidden", "output"


class Results(NamedTuple):
    """What the networks make of pairs (a, b), each pair in both orders: [S, 2P, D], (a, b) first, then (b, a).

    Attributes:
        again: a as the union of what it has alone and what both have.
        subtract: S(a, b); the others are other ways to compute the same.
        subtract_twice: S(S(a, b), b).
        subtract_both: S(a, I(a, b)).
        subtract_both_swapped: S(a, I(b, a)).
        union: U(a, b).
        union_twice: U(U(a, b), b).
        intersect: I(a, b).
        intersect_twice: I(I(a, b), b).
    """

    again: Tensor
    subtract: Tensor
    subtract_twice: Tensor
    subtract_both: Tensor
    subtract_both_swapped: Tensor
    union: Tensor
    union_twice: Tensor
    intersect: Tensor
    intersect_twice: Tensor


def start_operations(seeds: Sequence[int], dim: int) -> tuple[Parameters, Parameters]:
    """Parameters and running statistics of the three networks."""
    learned, statistics = {}, {}
    for name in ANALYTIC:
        learned |= start_linear(seeds, f"{name}.{INPUT}", 2 * dim, dim, bias=False)
        learned |= start_linear(seeds, f"{name}.{HIDDEN}", dim, dim, bias=False)
        learned |= start_linear(seeds, f"{name}.{OUTPUT}", dim, dim)
        for layer in (INPUT, HIDDEN):
            learned |= start_norm(seeds, f"{name}.{layer}", dim)
            statistics |= start_statistics(seeds, f"{name}.{layer}", dim)
    return learned, statistics


def operate(
    parameters: Parameters,
    statistics: Parameters,
    name: str,
    a: Tensor,
    b: Tensor,
    training: bool,
    inner: Tensor | None = None,
) -> Tensor:
    """One set operation on pairs of features [S, R, D] of length sqrt(D); so is the result.

    A residual block: the fixed operation is added to a hidden layer, and a last layer maps the sum. Features of
    [S, K, R, D] are those of K calls, each normalised by itself (`batch_norm`). `inner` is what the first layer makes
    of [a, b], where it is known.
    """
    x = linear(parameters, f"{name}.{INPUT}", torch.cat([a, b], -1)) if inner is None else inner
    x = leaky(batch_norm(parameters, statistics, f"{name}.{INPUT}", x, training))
    x = linear(parameters, f"{name}.{HIDDEN}", x)
    x = batch_norm(parameters, statistics, f"{name}.{HIDDEN}", x, training)
    x = linear(parameters, f"{name}.{OUTPUT}", leaky(x + ANALYTIC[name](a, b)))
    return on_sphere(x)


def on_sphere(features: Tensor) -> Tensor:
    """Features [..., D] scaled to length sqrt(D): numbers near 1 in size suit the start of the networks."""
    return F.normalize(features, dim=-1) * features.shape[-1] ** 0.5


def all_operations(parameters: Parameters, statistics: Parameters, a: Tensor, b: Tensor) -> Results:
    """All results that LaSO's losses look at, for pairs of features [S, P, D], in training.

    As in the official code, each result and each order of the pairs is a call of its network with batch statistics of
    its own: 18 calls, of which each network makes its share in the official order. What needs no result of another
    call is computed together, and a network's first layer sees each input once: it maps the two sides apart and adds.
    """
    x, y = torch.stack([a, b], 1), torch.stack([b, a], 1)  # [S, 2, P, D]
    sides = {name: parameters[f"{name}.{INPUT}.weight"].chunk(2, 1) for name in ANALYTIC}

    def left(name: str, value: Tensor) -> Tensor:
        return (value.flatten(1, 2) @ sides[name][0]).view_as(value)

    def right(name: str, value: Tensor) -> Tensor:
        return (value.flatten(1, 2) @ sides[name][1]).view_as(value)

    def apply(name: str, *calls: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        first, second, *parts = (torch.cat(values, 1) for values in zip(*calls, strict=True))
        return operate(parameters, statistics, name, first, second, True, torch.add(*parts)).split(2, 1)

    of_x, of_y = {name: left(name, x) for name in ANALYTIC}, {name: right(name, y) for name in ANALYTIC}
    (subtract,), (union,), (intersect,) = (
        apply(name, (x, y, of_x[name], of_y[name])) for name in ("subtract", "union", "intersect")
    )
    common = right("subtract", intersect)
    twice, swapped, both = apply(
        "subtract",
        (subtract, y, left("subtract", subtract), of_y["subtract"]),
        (x, swap(intersect), of_x["subtract"], swap(common)),
        (x, intersect, of_x["subtract"], common),
    )
    union_twice, again = apply(
        "union",
        (union, y, left("union", union), of_y["union"]),
        (swapped, intersect, left("union", swapped), right("union", intersect)),
    )
    (intersect_twice,) = apply("intersect", (intersect, y, left("intersect", intersect), of_y["intersect"]))
    results = (again, subtract, twice, both, swapped, union, union_twice, intersect, intersect_twice)
    return Results(*(result.flatten(1, 2) for result in results))


def swap(results: Tensor) -> Tensor:
    """[S, 2P, ...] or [S, 2, P, ...] of the pairs (a, b), then (b, a): the same with the orders exchanged."""
    return torch.cat(results.chunk(2, 1)[::-1], 1)


def operation_labels(a: Tensor, b: Tensor) -> dict[str, Tensor]:
    """Labels [S, 2P, C] of "again", "subtract", "union" and "intersect", from those of a and b [S, P, C].

    1, 0, and -1 where a label of either image is unknown (of a alone for "again").
    """
    x, y = torch.cat([a, b], 1), torch.cat([b, a], 1)
    unknown = (x < 0) | (y < 0)
    results = {"subtract": x * (1 - y), "union": torch.maximum(x, y), "intersect": x * y}
    return {"again": x} | {name: labels.masked_fill(unknown, -1) for name, labels in results.items()}


def agreement(results: Results) -> Tensor:
    """Mean squared differences between results that ought to be the same, per pair: [S, P].

    Symmetry of union and intersection, and three tautologies of subtraction.
    """
    union, intersect = (_distance(part, swap(part)) for part in (results.union, results.intersect))
    others = (results.subtract_twice, results.subtract_both, results.subtract_both_swapped)
    subtract = sum(_distance(results.subtract, other) for other in others)
    # symmetry is one difference per pair, which is here twice; a tautology has one for each order
    return _per_pair((union + intersect) / 2 + subtract)


def reconstruction(results: Results, a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference of `again` and the features it should be, per pair: [S, P]. Guards against collapse."""
    return _per_pair(_distance(results.again, torch.cat([a, b], 1)))


def classification(classify: Callable[[Tensor], Tensor], results: Results, labels: dict[str, Tensor]) -> Tensor:
    """Multi-label soft margin loss of a classifier on all results against the labels they should have: [S, P]."""
    names = [name.split("_")[0] for name in results._fields]
    logits = classify(torch.cat(list(results), 1))
    losses = soft_margin(logits, torch.cat([labels[name] for name in names], 1))
    return sum(_per_pair(loss) for loss in losses.chunk(len(names), 1))


def soft_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy, the mean over the known classes of each row: [..., R] from [..., R, C]; -1 is unknown."""
    known = (labels >= 0).to(logits.dtype)
    losses = F.binary_cross_entropy_with_logits(logits, labels.clamp(min=0).to(logits.dtype), known, reduction="none")
    return losses.sum(-1) / known.sum(-1).clamp(min=1)


def _distance(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).square().mean(-1)


def _per_pair(values: Tensor) -> Tensor:
    """[S, 2P] -> [S, P]: the sum over both orders of a pair."""
    first, second = values.chunk(2, 1)
    return first + second

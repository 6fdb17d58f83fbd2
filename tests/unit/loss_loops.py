"""Losses written as loops over classes from their equations, to compare those of the package with."""

import math

from torch import Tensor


def loop_rank(z: list[float], labels: Tensor, eta: float) -> float:
    """Eq. 7 for one row."""
    positive = [i for i, y in enumerate(labels.tolist()) if y == 1]
    absent = [j for j, y in enumerate(labels.tolist()) if y == 0]
    return sum(max(0.0, eta - z[i] + z[j]) for i in positive for j in absent)


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def loop_asymmetric(
    logits: list[float], labels: list[int], gamma_neg: float, gamma_pos: float, clip: float, floor: float = 1e-8
) -> float:
    total = 0.0
    for z, y in zip(logits, labels, strict=True):
        if y == 1:
            total -= (1 - sigmoid(z)) ** gamma_pos * math.log(max(sigmoid(z), floor))
        elif y == 0:
            q = min(1 - sigmoid(z) + clip, 1.0)
            total -= (1 - q) ** gamma_neg * math.log(max(q, floor))
    return total

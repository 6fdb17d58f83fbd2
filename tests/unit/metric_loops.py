"""Random scores and labels, and a metric written as a loop from its definition: what the package must agree with."""

import numpy as np


def random_scores(
    rows: int = 60, classes: int = 5, seed: int = 0, levels: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random((rows, classes)) < 0.3).astype(np.int8)
    labels[0], labels[1] = 1, 0
    scores = rng.standard_normal((rows, classes)) + labels
    return (np.round(scores * levels) / levels if levels else scores).astype(np.float32), labels


def loop_ap(scores: list[float], labels: list[int]) -> float:
    """Mean over positives of the precision at their rank; a score's rank is that of the last row that has it."""
    precisions = []
    for score, label in zip(scores, labels, strict=True):
        if label == 1:
            above = [other for value, other in zip(scores, labels, strict=True) if value >= score]
            precisions.append(sum(other == 1 for other in above) / len(above))
    return 100 * sum(precisions) / len(precisions)

"""From scores to decisions, by what a recogniser's header has: probabilities, and which classes count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def decide(header: Mapping[str, Any], scores: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Probabilities float32 and whether each class counts, [N, C] as the scores; None where the header has none.

    With a calibration a class counts by its own threshold, or by that of probabilities; without, by that of scores.
    """
    fit = header.get("calibration")
    if fit is None:
        threshold = header.get("threshold")
        return None, None if threshold is None else scores >= threshold
    from t2ipal.metrics.calibration import Platt, decided

    probabilities = Platt(np.array(fit["a"]), np.array(fit["b"])).probabilities(scores)
    thresholds = header.get("thresholds") or [None] * len(fit["a"])
    return probabilities.astype(np.float32), decided(scores, probabilities, thresholds, fit["threshold"])

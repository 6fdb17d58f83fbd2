"""From scores to probabilities and labels with torch, for a graph: what `predict` does with NumPy, in float32."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def ruled(values: Tensor, rule: Mapping[str, Any] | None) -> Tensor:
    """Scores [S, N, C] after a score rule, as `t2ipal.metrics.score_rules.apply`.

    Args:
        rule: `score_rule` of a header; None: they stay as they are.
    """
    import torch

    if not rule or rule["kind"] == "own" or values.shape[-1] == 1:
        return values
    if rule["kind"] == "mean":
        return values - values.mean(-1, keepdim=True)
    k = torch.tensor(rule["k"], dtype=torch.float32)[:, None, None]
    return (torch.log_softmax(k * values, -1) + math.log(values.shape[-1])) / k


def decided(scores: Tensor, header: Mapping[str, Any]) -> list[Tensor]:
    """Probabilities, if there is a calibration, and whether each class counts, if there is a threshold: [N, C] each.

    As `t2ipal.prediction.decide.decide`; a score near a threshold falls on the same side.
    """
    import torch

    fit = header["calibration"]
    if fit is None:
        return [] if header["threshold"] is None else [scores >= torch.tensor(_upwards([header["threshold"]]))]
    probabilities = torch.sigmoid(torch.tensor(_float32(fit["a"])) * scores + torch.tensor(_float32(fit["b"])))
    thresholds = header["thresholds"] or [None] * len(fit["a"])
    own = torch.tensor(_upwards([0.0 if value is None else value for value in thresholds]))
    has_own = torch.tensor([value is not None for value in thresholds])
    shared = probabilities >= torch.tensor(_upwards([fit["threshold"]]))
    return [probabilities, (has_own & (scores >= own)) | (~has_own & shared)]


def _float32(values: list[float]) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)


def _upwards(values: list[float]) -> np.ndarray:
    """The smallest float32 that are not below values: those of float32 that reach one reach the other."""
    exact = np.asarray(values, dtype=np.float64)
    rounded = exact.astype(np.float32)
    return np.where(rounded < exact, np.nextafter(rounded, np.float32(np.inf)), rounded).astype(np.float32)

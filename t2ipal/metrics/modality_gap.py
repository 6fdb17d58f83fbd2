"""The modality gap: how far features of one kind are from features of another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from t2ipal.metrics.evaluate import as_array
from t2ipal.store import read_tensors


def modality_gap(image_features: ArrayLike, text_features: ArrayLike) -> float:
    """Distance of the mean image and the mean text feature, each feature L2-normalised first (Liang et al., 2022).

    Args:
        image_features: [N, D].
        text_features: [M, D].
    """
    means = []
    for features in (image_features, text_features):
        values = as_array(features).astype(np.float64)
        means.append((values / np.linalg.norm(values, axis=1, keepdims=True)).mean(0))
    return float(np.linalg.norm(means[0] - means[1]))


def prompt_gaps(model: str | Path, image_features: ArrayLike) -> list[float]:
    """The gap between a model's class prompts and images [N, D], for each seed; none for a model without prompts."""
    tensors, _ = read_tensors(model)
    return [modality_gap(image_features, prompts) for prompts in tensors.get("class_global", ())]

"""Scores by the rule `cells`: a model's class embeddings against the global and local features of images.

An adapter has no part in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from t2ipal.metrics.score_files import TEST, VALIDATION
from t2ipal.metrics.score_rules import apply, scale_of

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures
    from t2ipal.methods.base import Method, Tensors


def cell_scores(
    method: Method, tensors: Tensors, features: Mapping[str, ImageFeatures], scale: float | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Scores [S, N, C] float32 by part, and k of each model [S].

    Args:
        method: one with `has_cells`.
        tensors: what it learned; `class_local` is `class_global` where it has one embedding per class.
        features: of "test" and perhaps "validation" images.
        scale: k of all models; None: `scale_of` the global cosines of validation images, or of test images if there are
            none. One k serves both parts of the rule.
    """
    import torch

    from t2ipal.methods.prompt_learning import by_chunks, pooled_of

    of_global, variant = tensors["class_global"], method.settings.global_feature
    of_local = tensors.get("class_local", of_global)

    def cosines(images: ImageFeatures) -> np.ndarray:
        return (pooled_of(images, variant).to(of_global) @ of_global.mT).cpu().numpy()

    models = len(of_global)
    k = scale_of(cosines(features.get(VALIDATION, features[TEST]))) if scale is None else np.full(models, scale)

    def by_rule(pooled: Tensor, local: Tensor) -> Tensor:
        cells = (local.flatten(1, 2) @ of_local.mT).unflatten(1, local.shape[1:3])
        return torch.from_numpy(apply("cells", (pooled @ of_global.mT).cpu(), k, cells.cpu()))

    return {
        part: by_chunks(by_rule, images, variant, of_global.device, 256).numpy() for part, images in features.items()
    }, k

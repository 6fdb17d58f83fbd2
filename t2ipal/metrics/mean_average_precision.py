"""Mean average precision (mAP): the metric of the paper's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from t2ipal.metrics.base import Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike


class MeanAveragePrecision(Metric):
    """The mean over the classes of `t2ipal.metrics.evaluate.average_precision`, with label -1 left out of its class."""

    name = title = "mAP"
    bootstrap_column = "bootstrap"

    def of(self, scores: ArrayLike, labels: ArrayLike, threshold: float | None = None) -> float:
        from t2ipal.metrics.evaluate import mean_average_precision

        return mean_average_precision(scores, labels, "ignore")

    def bootstrap(
        self, scores: ArrayLike, labels: ArrayLike, counts: np.ndarray, threshold: float | None = None
    ) -> np.ndarray:
        from t2ipal.metrics.bootstrap import bootstrap_map

        return bootstrap_map(scores, labels, counts)

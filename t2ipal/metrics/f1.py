"""F1 of the predicted classes: per class (CF1) or over all decisions (OF1), by a threshold or of the best classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from t2ipal.metrics.base import Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class F1Metric(Metric):
    """CF1 or OF1 of `t2ipal.metrics.evaluate.F1`. Label -1 counts as absent.

    Attributes:
        average: "CF1" or "OF1".
        top: the number of classes predicted for each image, the best ones; None: those above the threshold.
    """

    name: str
    title: str
    average: Literal["CF1", "OF1"]
    top: int | None = None

    @property
    def needs_threshold(self) -> bool:
        """With a fixed number of predictions there is no threshold."""
        return self.top is None

    def of(self, scores: ArrayLike, labels: ArrayLike, threshold: float | None = None) -> float:
        from t2ipal.metrics.evaluate import f1_of

        return getattr(f1_of(self._predicted(scores, threshold), labels), self.average)

    def bootstrap(
        self, scores: ArrayLike, labels: ArrayLike, counts: np.ndarray, threshold: float | None = None
    ) -> np.ndarray:
        from t2ipal.metrics.bootstrap import bootstrap_f1

        return getattr(bootstrap_f1(self._predicted(scores, threshold), labels, counts), self.average)

    def _predicted(self, scores: ArrayLike, threshold: float | None) -> np.ndarray:
        from t2ipal.metrics.evaluate import predicted_above, predicted_top

        if self.top is not None:
            return predicted_top(scores, self.top)
        if threshold is None:
            raise ValueError(f"{self.name}: no threshold; expected one from validation images")
        return predicted_above(scores, threshold)


CF1 = F1Metric("CF1", "CF1", "CF1")
OF1 = F1Metric("OF1", "OF1", "OF1")
CF1_TOP3 = F1Metric("CF1_top3", "CF1 of the top 3", "CF1", top=3)
OF1_TOP3 = F1Metric("OF1_top3", "OF1 of the top 3", "OF1", top=3)

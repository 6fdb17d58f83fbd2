"""The interface of a metric: one number per model from scores, labels and a threshold, and how it is bootstrapped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike


class Metric(ABC):
    """A metric of a multi-label recogniser, registered in `t2ipal.metrics.registry.METRICS`.

    A subclass must not import NumPy at the top of its file: the configuration checks metric names before any job runs.

    Attributes:
        name: the config's `metric`, and the metric's column in metrics.parquet.
        title: the name in tables and figures.
        unit: of its values.
        higher_is_better: whether the greatest value leads a column of a table; None: no value leads.
        needs_threshold: whether it needs a threshold from validation images. Without them its value is null.
        needs_probabilities: whether it is one of rows with `scores: calibrated`. Of other runs its value is null.
    """

    name: str
    title: str
    unit: ClassVar[str] = "%"
    higher_is_better: bool | None = True
    needs_threshold: bool = False
    needs_probabilities: ClassVar[bool] = False

    @property
    def needs_validation(self) -> bool:
        """Whether it needs labelled validation images."""
        return self.needs_threshold or self.needs_probabilities

    @property
    def bootstrap_column(self) -> str:
        """The column of metrics.parquet with its values on resamples of the test images."""
        return f"bootstrap_{self.name}"

    @abstractmethod
    def of(self, scores: ArrayLike, labels: ArrayLike, threshold: float | None = None) -> float:
        """Its value.

        Args:
            scores: [N, C] of the test images.
            labels: [N, C] of 1 (positive), 0 (absent), -1 (left out, or absent, as the metric defines it).
            threshold: scores of at least this are predictions. It comes from validation images.
        """

    def bootstrap(
        self, scores: ArrayLike, labels: ArrayLike, counts: np.ndarray, threshold: float | None = None
    ) -> np.ndarray:
        """Its value on each resample: float32 [B].

        This one calls `of` once per resample. Override it where that is slow.

        Args:
            scores, labels, threshold: as in `of`.
            counts: [B, N], how often each image is in each resample, from `t2ipal.metrics.bootstrap.resample_counts`.
        """
        import numpy as np

        scores, labels = np.asarray(scores), np.asarray(labels)
        rows = (np.repeat(np.arange(len(scores)), count) for count in counts)
        return np.array([self.of(scores[row], labels[row], threshold) for row in rows], dtype=np.float32)

"""How far off probabilities are: class-wise ECE and Brier score, each with the floor that chance alone gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from t2ipal.metrics.base import Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class CalibrationError(Metric):
    """An error of `t2ipal.metrics.calibration.Errors`, or its floor. Label -1 is left out.

    It has no bootstrap: a resample repeats images, which raises an error of bins.

    Attributes:
        error: which.
        floor: whether it is that of labels sampled with the probabilities.
    """

    name: str
    title: str
    error: Literal["class_wise", "brier"]
    floor: bool = False
    needs_probabilities: ClassVar[bool] = True

    @property
    def higher_is_better(self) -> bool | None:
        """A floor is no achievement."""
        return None if self.floor else False

    def of(self, scores: ArrayLike, labels: ArrayLike, threshold: float | None = None) -> float:
        import numpy as np

        from t2ipal.metrics.calibration import errors, floors

        return getattr((floors if self.floor else errors)(np.asarray(scores), np.asarray(labels)), self.error)

    def bootstrap(
        self, scores: ArrayLike, labels: ArrayLike, counts: np.ndarray, threshold: float | None = None
    ) -> np.ndarray:
        import numpy as np

        return np.empty(0, dtype=np.float32)


ECE = CalibrationError("ECE", "class-wise ECE", "class_wise")
ECE_FLOOR = CalibrationError("ECE_floor", "its floor", "class_wise", floor=True)
BRIER = CalibrationError("Brier", "Brier score", "brier")
BRIER_FLOOR = CalibrationError("Brier_floor", "its floor", "brier", floor=True)

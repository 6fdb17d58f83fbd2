"""A recogniser's prediction for one photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Prediction:
    """A recogniser's prediction for one photo.

    Attributes:
        path: the file.
        classes: names, in the order of the scores.
        scores: [C] float32, higher is likelier; None for a photo that could not be read.
        problem: why it could not; "" for one that could.
        width, height: pixels, upright.
        threshold: scores from here on mean that a class is there; None: not known.
        thumbnail: the photo, small; only if asked for.
        heat: where classes look (eq. 4), [h, w] by class index, largest 1; only if asked for.
    """

    path: Path
    classes: tuple[str, ...]
    scores: np.ndarray | None = None
    problem: str = ""
    width: int | None = None
    height: int | None = None
    threshold: float | None = None
    thumbnail: Image | None = None
    heat: Mapping[int, np.ndarray] = field(default_factory=dict)

    def order(self, count: int) -> list[int]:
        """Indices of the `count` classes of the highest scores, the highest first; of equal ones the lower index."""
        return [] if self.scores is None else highest(self.scores, count)

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The `count` classes of the highest scores, with these."""
        return [(self.classes[index], float(self.scores[index])) for index in self.order(count)]

    @property
    def labels(self) -> list[str] | None:
        """The classes at or above the threshold, the highest score first; None where no threshold is known."""
        if self.scores is None or self.threshold is None:
            return None
        return [name for name, score in self.top(len(self.classes)) if score >= self.threshold]


def highest(scores: np.ndarray, count: int) -> list[int]:
    """Indices of the `count` highest scores, the highest first; of equal ones the lower index."""
    return np.argsort(-scores, kind="stable")[:count].tolist()

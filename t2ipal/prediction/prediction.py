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
        probabilities: [C] float32; None for a recogniser without calibration.
        there: [C] bool, whether each class counts; None if no threshold is known.
        thumbnail: the photo, small; only if asked for.
        heat: where classes look (eq. 4), [h, w] by class index, largest 1; only if asked for.
    """

    path: Path
    classes: tuple[str, ...]
    scores: np.ndarray | None = None
    problem: str = ""
    width: int | None = None
    height: int | None = None
    probabilities: np.ndarray | None = None
    there: np.ndarray | None = None
    thumbnail: Image | None = None
    heat: Mapping[int, np.ndarray] = field(default_factory=dict)

    @property
    def values(self) -> np.ndarray | None:
        """What classes are ordered by and pages show: probabilities, or else scores."""
        return self.scores if self.probabilities is None else self.probabilities

    def order(self, count: int) -> list[int]:
        """Indices of the `count` classes of the highest values, the highest first; of equal ones the lower index."""
        return [] if self.values is None else highest(self.values, count)

    def top(self, count: int = 5) -> list[tuple[str, float]]:
        """The `count` classes of the highest values, with these: probabilities if there are any, else scores."""
        return [(self.classes[index], float(self.values[index])) for index in self.order(count)]

    @property
    def labels(self) -> list[str] | None:
        """The classes that count, the highest value first; None if no threshold is known."""
        if self.there is None:
            return None
        return [self.classes[index] for index in self.order(len(self.classes)) if self.there[index]]

    def line(self, count: int = 5) -> str:
        """`a.jpg: dog 0.913, cat 0.482; labels: dog`, or the problem; labels only where a threshold is known."""
        if self.problem:
            return f"{self.path}: {self.problem}"
        shown = ", ".join(f"{name} {value:.3f}" for name, value in self.top(count))
        return f"{self.path}: {shown}" + (
            "" if self.labels is None else f"; labels: {', '.join(self.labels) or 'none'}"
        )


def highest(scores: np.ndarray, count: int) -> list[int]:
    """Indices of the `count` highest scores, the highest first; of equal ones the lower index."""
    return np.argsort(-scores, kind="stable")[:count].tolist()

"""Scenes of the micro world as a labelled image set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from t2ipal.datasets.rows import NEGATIVE, POSITIVE, ImageRow

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

PIXELS = 64
"""Side of a rendered scene: that of the images the micro text-to-image model draws."""


def read(size: int, classes: ClassList, role: str, seed: int, pixels: int = PIXELS) -> Iterator[ImageRow]:
    """Yield the first `size` scenes of a random stream, with the true labels of what they show.

    Args:
        role: "train", "test" or "validation"; streams are disjoint.
        seed: the global seed.

    Raises:
        UserError: a class that the micro world does not draw.
    """
    from t2ipal.datasets.names import match
    from t2ipal.images.encode import encode
    from t2ipal.micro.scenes import CLASSES, render, scene_of

    indices = match(classes, CLASSES, "micro world")
    for number in range(size):
        scene = scene_of(role, number, seed)
        present = {indices.get(CLASSES[label]) for label in scene.labels}
        labels = tuple(POSITIVE if index in present else NEGATIVE for index in range(len(classes.names)))
        yield ImageRow(f"{role}-{number:06d}", encode(render(scene, pixels)), None, pixels, pixels, "RGB", labels)

"""Scenes of the micro world as a labelled image set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.classes import load_classes
from t2ipal.sources.base import Counted, ImageSource
from t2ipal.sources.image_rows import NEGATIVE, POSITIVE, ImageRow
from t2ipal.validation import Count, Pixels

if TYPE_CHECKING:
    from t2ipal.classes import ClassList


class MicroImages(ImageSource):
    """Scenes of the micro world with true labels."""

    photographs = False

    source: Literal["micro"] = Field(description="scenes of the micro world")
    size: Count = Field(description="number of scenes, a whole number >= 1")
    pixels: Pixels = Field(64, description="side of a scene, a multiple of 8")

    def read(self, classes: ClassList, role: str = "test", seed: int = 0) -> Iterator[ImageRow]:
        """Yield the first scenes of a random stream, with the true labels of what they show.

        Args:
            role: "train", "test" or "validation"; streams are disjoint.

        Raises:
            UserError: a class that the micro world does not render.
        """
        from t2ipal.images.encode import encode
        from t2ipal.micro.scenes import CLASSES, render, scene_of
        from t2ipal.sources.reading.class_names import match

        indices, side = match(classes, CLASSES, "micro world"), self.pixels
        for number in range(self.size):
            scene = scene_of(role, number, seed)
            present = {indices.get(CLASSES[label]) for label in scene.labels}
            labels = tuple(POSITIVE if index in present else NEGATIVE for index in range(len(classes.names)))
            yield ImageRow(f"{role}-{number:06d}", encode(render(scene, side)), None, side, side, "RGB", labels)

    def count(self) -> Counted:
        return Counted(self.size)

    def needs_class_list(self, names: Sequence[str]) -> bool:
        """The micro world has the classes of VOC2007."""
        return not set(names) <= set(load_classes("voc2007").names)

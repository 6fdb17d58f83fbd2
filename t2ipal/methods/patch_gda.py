"""Patch GDA: PIAA's classifier of patches, fitted to generated images and their captions. Not in the paper.

Ours, not PIAA's: generated images take the place of photos, and a patch is an example only of a class that its caption
names. Nothing is sampled and nothing is trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.methods.base import Tensors
from t2ipal.methods.patch_learning import PatchLearning, PatchSettings
from t2ipal.rows import SYNTHETIC

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures
    from t2ipal.models.patches import Maps
    from t2ipal.rows.data import TrainingData


class Settings(PatchSettings):
    """Settings of Patch GDA."""

    restrict: Literal["caption", "none"] = Field(
        "caption", description="Patches that may be examples: of classes that the caption names, or all. Ours: caption."
    )
    spread: float = Field(
        3.0,
        gt=0,
        description="Temperature of the softmax within a cell, in deviations of z over classes: the scale of z falls "
        "with the number of patches. Ours: 3.",
    )


class PatchGDA(PatchLearning):
    """The score of a class is the highest of its cells' probabilities under the softmax over classes (cells)."""

    name = "patch_gda"
    title = "Patch GDA"
    source = "this project, after PIAA (arXiv 2605.25821; github.com/akang-wang/PIAA)"
    uses = frozenset({SYNTHETIC})
    Settings = Settings
    settings: Settings

    def maps(self, data: TrainingData) -> Iterator[Maps]:
        from t2ipal.models.patches import Maps

        synthetic = data[SYNTHETIC]
        positive = synthetic.labels == 1
        for sample, images in enumerate(synthetic.samples):
            captions = (synthetic.index[:, sample] >= 0).nonzero()[:, 0]
            allowed = positive[captions] if self.settings.restrict == "caption" else None
            yield Maps(images.local, synthetic.index[captions, sample], allowed)

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """The log of the highest probability among the cells: [1, N, C] on the CPU."""
        from t2ipal.methods.prompt_learning import by_chunks

        temperature = self.settings.spread * tensors["spread"]

        def highest(pooled: Tensor, local: Tensor) -> Tensor:
            return (self.z(tensors, local) / temperature).log_softmax(-1).amax(-2)

        return by_chunks(highest, images, None, tensors["weight"].device, chunk)

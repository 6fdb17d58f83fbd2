"""PIAA: a Gaussian classifier of the patches of unlabelled photos, in closed form. Not in the paper.

It needs photos of the kind that are tested, which no other system of Table 1 does; their labels are not read. The
original takes its patches from SCLIP, ITACLIP or SC-CLIP, whose last layers are altered; here they are the local
features that all rows read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from t2ipal.features.fields import GLOBAL_POS, LOCAL
from t2ipal.methods.base import Tensors
from t2ipal.methods.patch_learning import PatchLearning, PatchSettings
from t2ipal.rows import TRAIN

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures
    from t2ipal.models.patches import Maps, Patches
    from t2ipal.rows.data import TrainingData


class Settings(PatchSettings):
    """Settings of PIAA."""

    purify_scale: float = Field(
        100.0,
        gt=0,
        description="Factor on z under the softmax that purifies the patches. PIAA: 100 on VOC2007, 0.01 on COCO, "
        "500 on NUS-WIDE.",
    )
    least: int = Field(
        32,
        ge=1,
        description="Patches per class that stay at least, the surest. PIAA: 0, so that none stays where q is "
        "saturated.",
    )
    temperature: float = Field(
        500.0, gt=0, description="Temperature of the softmax over classes within a cell, on z. PIAA: 500."
    )
    spread: float | None = Field(
        None,
        gt=0,
        description="The same in deviations of z over classes, instead of `temperature`; null: `temperature`. PIAA: "
        "null.",
    )
    patch_scale: float = Field(
        200.0, gt=0, description="Factor on the highest probabilities of the cells. PIAA: 200 on VOC2007, else 400."
    )
    global_scale: float = Field(
        80.0, gt=0, description="Factor on the cosines of the global feature. PIAA: 80, 10 on NUS-WIDE."
    )
    merge: float = Field(0.1, ge=0, le=1, description="Share of the global score. PIAA: 0.1.")


class PIAA(PatchLearning):
    """merge softmax(global_scale cosines) + (1 - merge) softmax(patch_scale m), m the cells' highest probabilities."""

    name = "piaa"
    title = "PIAA (unlabelled photos)"
    source = "arXiv 2605.25821, ICML 2026; github.com/akang-wang/PIAA"
    uses = frozenset({TRAIN})
    Settings = Settings
    settings: Settings

    @classmethod
    def image_fields(cls, settings: Settings) -> frozenset[str]:
        return frozenset({GLOBAL_POS, LOCAL})

    def maps(self, data: TrainingData) -> Iterator[Maps]:
        from t2ipal.models.patches import Maps

        train = data[TRAIN]
        yield Maps(train.images.local, train.rows)

    def select(self, patches: Patches) -> Patches:
        """Those that a first fit is sure of."""
        from t2ipal.models.patches import purified

        return purified(patches, patches.fit(self.texts), self.settings.purify_scale, self.settings.least)

    def finish(self, learned: Tensors) -> Tensors:
        return super().finish(learned) | {"class_global": self.texts[None]}

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """Both parts, merged: [1, N, C] on the CPU."""
        from t2ipal.methods.prompt_learning import by_chunks

        chosen = self.settings
        temperature = chosen.temperature if chosen.spread is None else chosen.spread * tensors["spread"]

        def merged(pooled: Tensor, local: Tensor) -> Tensor:
            far = (chosen.global_scale * (pooled @ tensors["class_global"].mT)).softmax(-1)
            highest = (self.z(tensors, local) / temperature).softmax(-1).amax(-2)
            return chosen.merge * far + (1 - chosen.merge) * (chosen.patch_scale * highest).softmax(-1)

        return by_chunks(merged, images, "pos", tensors["weight"].device, chunk)

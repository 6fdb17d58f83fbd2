"""What PIAA and our `patch_gda` share: a Gaussian classifier of patches that are sure by zero-shot."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from t2ipal.features.fields import LOCAL
from t2ipal.methods.base import Method, MethodSettings, Tensors
from t2ipal.methods.zsclip import Template
from t2ipal.rows.base import RowRequest

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.models.patches import Maps, Patches
    from t2ipal.rows.data import TrainingData


class PatchSettings(MethodSettings):
    """Settings of classifiers of patches."""

    template: Template = Field("a photo of a {}", description="Prompt of a class, {} its name. PIAA: this.")
    entropy_scale: float = Field(
        60.0, gt=0, description="Factor on cosines under the softmax whose entropy says how sure a patch is. PIAA: 60."
    )
    patches: int = Field(512, ge=1, description="Patches per class, those of the lowest entropies. PIAA: 512.")


class PatchLearning(Method):
    """Each class has the patches closest to its text; those of the lowest entropies fit one mean per class."""

    in_paper = False
    settings: PatchSettings

    @classmethod
    def seeds(cls, seeds: Sequence[int]) -> tuple[int, ...]:
        return tuple(seeds[:1])

    @classmethod
    def image_fields(cls, settings: PatchSettings) -> frozenset[str]:
        return frozenset({LOCAL})

    def rows(self) -> RowRequest:
        return RowRequest(self.kinds(self.settings), batches=False)

    def prepare(self, backbone: ImageTextEncoder, device: torch.device) -> None:
        from t2ipal.methods.prompt_learning import encode_names

        self.texts = encode_names(backbone, self.class_names, self.settings.template).to(device)

    @abstractmethod
    def maps(self, data: TrainingData) -> Iterator[Maps]:
        """The local maps whose patches are examples."""

    def select(self, patches: Patches) -> Patches:
        """The examples of the last fit among the surest patches."""
        return patches

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        from t2ipal.models.patches import surest_patches

        scale, most = self.settings.entropy_scale, self.settings.patches
        examples = self.select(surest_patches(self.maps(data), self.texts, scale, most))
        self.classifier = examples.fit(self.texts)
        z = examples.features @ self.classifier.weight.T + self.classifier.bias
        self.spread = z.std(-1).mean()

    def finish(self, learned: Tensors) -> Tensors:
        """The classifier, and the standard deviation of z over the classes, mean over the examples."""
        weight, bias = self.classifier
        return {"weight": weight[None], "bias": bias[None], "spread": self.spread[None]}

    def z(self, tensors: Tensors, local: Tensor) -> Tensor:
        """The classifier's scores of patches: [1, ..., C] from `local` [1, ..., D]."""
        return local @ tensors["weight"][0].T + tensors["bias"][0]

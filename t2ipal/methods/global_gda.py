"""Global GDA: a Gaussian classifier of the generated images' global features, in closed form. Not in the paper.

Ours, not PIAA's: PIAA fits its classifier to patches of unlabelled photos (`piaa`). Captions and generated images are
those of all other rows; nothing is sampled and nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.features.fields import global_field
from t2ipal.methods.base import Method, MethodSettings, Tensors
from t2ipal.methods.zsclip import Template
from t2ipal.rows import SYNTHETIC
from t2ipal.rows.base import RowRequest

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.features.cache import ImageFeatures
    from t2ipal.rows.data import TrainingData
    from t2ipal.rows.synthetic import SyntheticRows

ROWS = 4096
"""Images whose sums are added together."""


class Settings(MethodSettings):
    """Settings of Global GDA."""

    template: Template = Field(
        "a photo of a {}", description="Prompt whose embedding is the mean of a class without an image. PIAA: this."
    )
    global_feature: Literal["nopos", "pos"] = Field(
        "nopos", description="Global image feature without or with positional embedding. Ours: nopos."
    )
    rule: Literal["raw", "mean", "z"] = Field(
        "z",
        description="Scores as they are, less their mean over an image's classes, or z-scored over them. Ours: z.",
    )


class GlobalGDA(Method):
    """One mean per class, one covariance: an image is an example of each class that its caption names."""

    name = "global_gda"
    title = "Global GDA"
    source = "this project, after PIAA (arXiv 2605.25821; github.com/akang-wang/PIAA)"
    uses = frozenset({SYNTHETIC})
    in_paper = False
    Settings = Settings
    settings: Settings

    @classmethod
    def seeds(cls, seeds: Sequence[int]) -> tuple[int, ...]:
        return tuple(seeds[:1])

    @classmethod
    def image_fields(cls, settings: Settings) -> frozenset[str]:
        return frozenset({global_field(settings.global_feature)})

    def rows(self) -> RowRequest:
        return RowRequest(self.uses, global_feature=self.settings.global_feature, batches=False)

    def prepare(self, backbone: ImageTextEncoder, device: torch.device) -> None:
        from t2ipal.methods.prompt_learning import encode_names

        self.texts = encode_names(backbone, self.class_names, self.settings.template).to(device)

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        """Fit the classifier to all images; an unknown class is no example."""
        from t2ipal.methods.prompt_learning import pooled_of
        from t2ipal.models.discriminant import ClassSums

        synthetic: SyntheticRows = data[SYNTHETIC]
        sums = ClassSums.none(*self.texts.shape, device=self.texts.device)
        for sample, images in enumerate(synthetic.samples):
            captions = (synthetic.index[:, sample] >= 0).nonzero()[:, 0]
            for some in captions.split(ROWS):
                features = pooled_of(images, self.settings.global_feature)[synthetic.index[some, sample]]
                sums.add(features.to(self.texts), (synthetic.labels[some] == 1).to(self.texts))
        self.classifier = sums.classifier(self.texts)

    def finish(self, learned: Tensors) -> Tensors:
        return {"weight": self.classifier.weight[None], "bias": self.classifier.bias[None]}

    def scores(self, tensors: Tensors, images: ImageFeatures, chunk: int = 256) -> Tensor:
        """x weight^T + bias under the rule: [1, N, C] on the CPU."""
        from t2ipal.methods.prompt_learning import pooled_of
        from t2ipal.models.image_offset import without_offset

        pooled = pooled_of(images, self.settings.global_feature).to(tensors["weight"])
        scores = pooled @ tensors["weight"].mT + tensors["bias"][:, None]
        return without_offset(scores, self.settings.rule).cpu()

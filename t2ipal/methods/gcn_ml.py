"""GCN-ML: classifiers made of the classes' word vectors by a graph network over their co-occurrence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.features.fields import LOCAL
from t2ipal.methods.base import Tensors
from t2ipal.methods.label_learning import WordLearning, WordSettings, linear_start
from t2ipal.rows.base import Branch

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.rows.data import TrainingData


class Settings(WordSettings):
    """Settings of GCN-ML."""

    lr: float = Field(0.03, gt=0, description="Learning rate. Code: 0.1.")
    optimizer: Literal["sgd", "adamw"] = Field("sgd", description="Code: SGD, momentum 0.9.")
    weight_decay: float = Field(1e-4, ge=0, description="Code: 1e-4.")
    hidden: float = Field(
        0.5, gt=0, description="Width of the first graph layer as a share of the features'. Code: 1024 of 2048."
    )
    threshold: float = Field(0.4, gt=0, le=1, description="P_ij from which on j follows i in the graph. Paper: 0.4.")
    neighbours: float = Field(
        0.25, ge=0, description="What a class takes from its neighbours together, next to 1 from itself. Code: 0.25."
    )
    slope: float = Field(0.2, ge=0, lt=1, description="Of the leaky ReLU between the graph layers. Paper: 0.2.")


class GCNML(WordLearning):
    """x W^T + b with x the largest value of each dimension over the cells, and W = A relu(A Z W_1) W_2.

    Z are the word vectors, A is the normalised graph. The original has no b: its features are not centred, and their
    mean takes that part. Its clipping of gradients is left out.
    """

    name = "gcn_ml"
    title = "GCN-ML"
    source = "Chen et al., Multi-Label Image Recognition with GCNs, CVPR 2019; github.com/megvii-research/ML-GCN"
    Settings = Settings
    settings: Settings

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        from t2ipal.models.label_graph import gcn_adjacency

        super().observe(data, seeds)
        self.graph = gcn_adjacency(self.conditional, self.settings.threshold, self.settings.neighbours)

    def start(self, seeds: Sequence[int]) -> Tensors:
        """The first layer is random, the second is 0, and with it the classifiers: they start from no opinion."""
        import torch

        words, hidden = self.words.shape[1], max(1, round(self.settings.hidden * self.dim))
        return super().start(seeds) | {
            "layer_1": linear_start(seeds, "layer_1", words, (words, hidden)).to(self.device),
            "layer_2": torch.zeros(len(seeds), hidden, self.dim, device=self.device),
        }

    def classifiers(self, learned: Tensors) -> Tensor:
        """W: [S, C, D]."""
        from torch.nn.functional import leaky_relu

        inner = leaky_relu(self.graph @ self.words @ learned["layer_1"], self.settings.slope)
        return self.graph @ inner @ learned["layer_2"]

    @classmethod
    def image_fields(cls, settings: Settings) -> frozenset[str]:
        return frozenset({LOCAL})

    def read(self, pooled: Tensor, local: Tensor) -> Tensor:
        return local.amax(-2)

    def logits(self, tensors: Tensors, features: Tensor) -> Tensor:
        made = tensors["classifier"] if "classifier" in tensors else self.classifiers(tensors)
        return features @ made.mT + tensors["classifier_bias"][:, None]

    def cost(self, logits: Tensor, branch: Branch) -> Tensor:
        from t2ipal.models.label_losses import masked_soft_margin

        return branch.mean(masked_soft_margin(logits, branch.labels))

    def finish(self, learned: Tensors) -> Tensors:
        """The classifiers and their biases: words and graph have done their part."""
        return super().finish({"classifier": self.classifiers(learned), "classifier_bias": learned["classifier_bias"]})

"""SSGRL: a feature for each class from the cells that fit its word vector, exchanged along their co-occurrence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from t2ipal.methods.base import Branch, Tensors
from t2ipal.methods.label_learning import WordLearning, WordSettings, linear

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.training_data import TrainingData


class DecoupledSettings(WordSettings):
    """Settings of SSGRL and of what is built on it."""

    hidden: float = Field(
        0.25,
        gt=0,
        description="Width of class features and graph states as a share of the features'. SSGRL: 1, 2048; SARB: 0.5.",
    )
    inner: float = Field(
        0.25, gt=0, description="Width of the attention as a share of the features'. SSGRL: 0.5, 1024; SARB: 0.25."
    )
    steps: int = Field(3, ge=0, description="Rounds of messages in the graph. Paper: 3.")


class Settings(DecoupledSettings):
    """Settings of SSGRL."""

    weight_decay: float = Field(0.0, ge=0, description="Code: 0.")


class DecoupledLearning(WordLearning):
    """Semantic decoupling, a gated graph network, and a classifier for each class.

    Cells are first mapped to the width of the graph, as SARB does; SSGRL tunes its last block instead.
    """

    settings: DecoupledSettings

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        super().observe(data, seeds)
        self.fixed |= {"conditional": self.conditional(data)[None], "words": self.words[None]}

    def start(self, seeds: Sequence[int]) -> Tensors:
        import torch

        classes, words = self.words.shape
        hidden, inner = (max(1, round(share * self.dim)) for share in (self.settings.hidden, self.settings.inner))
        maps = {
            "cell_map": (self.dim, (self.dim, hidden)),
            "image_map": (hidden, (hidden, inner)),
            "word_map": (words, (words, inner)),
            "attention": (inner, (inner,)),
            "messages_in": (2 * hidden, (hidden, 3 * hidden)),
            "messages_out": (2 * hidden, (hidden, 3 * hidden)),
            "gates": (hidden, (hidden, 2 * hidden)),
            "candidate": (hidden, (hidden, hidden)),
            "output_state": (2 * hidden, (hidden, hidden)),
            "output_feature": (2 * hidden, (hidden, hidden)),
            "classifier": (hidden, (classes, hidden)),
        }
        biases = {"cell_bias": hidden, "gate_bias": 3 * hidden, "output_bias": hidden, "classifier_bias": classes}
        learned = {name: linear(seeds, name, inputs, shape) for name, (inputs, shape) in maps.items()}
        learned |= {name: torch.zeros(len(seeds), size) for name, size in biases.items()}
        return {name: value.to(self.device) for name, value in learned.items()}

    def read(self, pooled: Tensor, local: Tensor) -> Tensor:
        return local

    def class_features(self, tensors: Tensors, features: Tensor) -> Tensor:
        """f_c: [S, C, R, H] from the scaled cells [S or 1, R, N, D]."""
        from t2ipal.models.semantic_decoupling import decouple

        rows = features.shape[1:3]
        cells = features.flatten(1, 2) @ tensors["cell_map"] + tensors["cell_bias"][:, None]
        query = tensors["words"] @ tensors["word_map"]
        return decouple(cells.unflatten(1, rows), tensors["image_map"], query, tensors["attention"]).features

    def classify(self, tensors: Tensors, class_features: Tensor) -> Tensor:
        """The logits [S, R, C] from f_c [S, C, R, H]."""
        from t2ipal.models.graph_network import classify, propagate

        states = propagate(class_features, tensors["conditional"], tensors, self.settings.steps)
        return classify(states, class_features, tensors)

    def logits(self, tensors: Tensors, features: Tensor) -> Tensor:
        return self.classify(tensors, self.class_features(tensors, features))

    def cost(self, logits: Tensor, branch: Branch) -> Tensor:
        from t2ipal.models.label_losses import masked_bce, targets_of

        targets, known = targets_of(branch.labels)
        return masked_bce(logits, targets, known * branch.weight[..., None])


class SSGRL(DecoupledLearning):
    """The cross entropy of the known labels, P of those known to be positive."""

    name = "ssgrl"
    title = "SSGRL"
    source = "Chen et al., Semantic-Specific Graph Representation, ICCV 2019; github.com/HCPLab-SYSU/SSGRL"
    Settings = Settings
    settings: Settings

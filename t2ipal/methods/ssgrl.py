"""SSGRL: a feature per class from the cells that fit its word vector, and messages between classes that co-occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from t2ipal.features.fields import LOCAL
from t2ipal.methods.base import Tensors
from t2ipal.methods.label_learning import WordLearning, WordSettings, linear_start
from t2ipal.rows.base import Branch

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.rows.data import TrainingData


class DecoupledSettings(WordSettings):
    """Settings of SSGRL and of what is built on it."""

    lr: float = Field(5e-3, gt=0, description="Learning rate. SSGRL, SARB: 1e-5, with their backbones.")
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

    epochs: int = Field(8, ge=1, description="Passes over the labelled images. Code: up to 200.")
    weight_decay: float = Field(0.0, ge=0, description="Code: 0.")


class DecoupledLearning(WordLearning):
    """Semantic decoupling, a gated graph network, and a classifier for each class.

    Cells are first mapped to the width of the graph, as SARB does; SSGRL tunes its last block instead, at full width.
    """

    settings: DecoupledSettings

    def observe(self, data: TrainingData, seeds: Sequence[int]) -> None:
        super().observe(data, seeds)
        self.fixed |= {"conditional": self.conditional[None], "words": self.words[None]}

    def start(self, seeds: Sequence[int]) -> Tensors:
        import torch

        classes, words = self.words.shape
        hidden, inner = (max(1, round(share * self.dim)) for share in (self.settings.hidden, self.settings.inner))
        maps = {
            "cell_map": (self.dim, (self.dim, hidden)),
            "image_map": (hidden, (hidden, inner)),
            "word_map": (words, (words, inner)),
            "attention": (inner, (inner,)),
            "message_gates": (2 * hidden, (2 * hidden, 2 * hidden)),
            "state_gates": (hidden, (hidden, 2 * hidden)),
            "message_candidate": (2 * hidden, (2 * hidden, hidden)),
            "state_candidate": (hidden, (hidden, hidden)),
            "output": (2 * hidden, (2 * hidden, hidden)),
            "classifier": (hidden, (classes, hidden)),
        }
        biases = {"cell_bias": hidden, "gate_bias": 2 * hidden, "candidate_bias": hidden, "output_bias": hidden}
        started = {
            name: linear_start(seeds, name, inputs, shape).to(self.device) for name, (inputs, shape) in maps.items()
        }
        zeros = {name: torch.zeros(len(seeds), size, device=self.device) for name, size in biases.items()}
        return super().start(seeds) | started | zeros

    @classmethod
    def image_fields(cls, settings: DecoupledSettings) -> frozenset[str]:
        return frozenset({LOCAL})

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
    own_metric = "voc2012"
    Settings = Settings
    settings: Settings

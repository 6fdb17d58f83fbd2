"""Labelled images, with the labels that a protocol reveals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from t2ipal.features.fields import LOCAL, global_field
from t2ipal.rows.base import TRAIN, Branch, RowKind, RowRequest, RowSource

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures
    from t2ipal.features.memory import MemoryBudget
    from t2ipal.rows.data import TrainingData, TrainingFiles
    from t2ipal.rows.randomness import EpochRandom

INPUTS = ("train", "train_images")


@dataclass(frozen=True)
class TrainRows(RowKind):
    """Labelled images in the order of their ids.

    Attributes:
        images: their features.
        labels: [M, C] int8, 1 positive, 0 absent, -1 unknown: all that a method may use of them.
        chosen: the rows to train on; None: all.
    """

    name: ClassVar[str] = TRAIN
    loss: ClassVar[str] = "loss_train"
    title: ClassVar[str] = "Real images, true labels"

    images: ImageFeatures
    labels: Tensor
    chosen: Tensor | None = None

    @classmethod
    def inputs(cls, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return INPUTS

    @classmethod
    def read(cls, files: TrainingFiles, data: TrainingData, classes: int, budget: MemoryBudget) -> TrainingData:
        from t2ipal.features.cache import load_image_features
        from t2ipal.rows.join import read_image_labels

        images = load_image_features(files["train"], budget, fields=files.fields)
        return data.with_rows(cls(images, read_image_labels(files["train_images"][0], images.ids)))

    @property
    def rows(self) -> Tensor:
        """The rows to train on, of all or of those chosen."""
        import torch

        return torch.arange(len(self.labels)) if self.chosen is None else self.chosen

    def source(self, data: TrainingData, request: RowRequest, seeds: Sequence[int]) -> RowSource:
        rows = self.rows
        return RowSource([len(rows)] * len(seeds), partial(self._branch, request.global_feature, rows), len(rows))

    def _branch(self, variant: str, chosen: Tensor, rows: Tensor, random: EpochRandom) -> Branch:
        return labelled_branch(self.images, self.labels, chosen[rows], variant)


def labelled_branch(images: ImageFeatures, labels: Tensor, rows: Tensor, variant: str) -> Branch:
    """The images at `rows` [S, R], whose `labels` are [M, C]; `variant` is the global feature, "pos" or "nopos"."""
    import torch

    pooled, local = (images.get(name)[rows].float() for name in (global_field(variant), LOCAL))
    return Branch(pooled, local, None, labels[rows], torch.ones(rows.shape))

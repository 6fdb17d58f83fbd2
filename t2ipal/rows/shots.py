"""The labelled images of a few-shot sample: each seed has its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from t2ipal.rows.base import SHOTS, TRAIN, Branch, RowKind, RowRequest, RowSource
from t2ipal.rows.train import INPUTS, TrainRows, labelled_branch

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.cache import ImageFeatures
    from t2ipal.features.memory import MemoryBudget
    from t2ipal.rows.data import TrainingData, TrainingFiles
    from t2ipal.rows.randomness import EpochRandom


@dataclass(frozen=True)
class ShotRows(RowKind):
    """A few labelled images for each seed.

    Attributes:
        images: features of labelled images.
        labels: [M, C] int8, 1 positive, 0 absent, -1 unknown: all that a method may use of them.
        chosen: for each seed, the rows of its sample.
        per_epoch: rows of an epoch, the same for all seeds, so that none depends on another's sample; 0: as many as the
            largest sample has.
    """

    name: ClassVar[str] = SHOTS
    loss: ClassVar[str] = "loss_shots"
    title: ClassVar[str] = "Few labelled images"

    images: ImageFeatures
    labels: Tensor
    chosen: tuple[Tensor, ...]
    per_epoch: int = 0

    @classmethod
    def inputs(cls, settings: Mapping[str, Any]) -> tuple[str, ...]:
        return INPUTS

    @classmethod
    def read(cls, files: TrainingFiles, data: TrainingData, classes: int, budget: MemoryBudget) -> TrainingData:
        """Read the labelled images: the protocol decides which of them are shots, level by level."""
        return data if TRAIN in data.rows else TrainRows.read(files, data, classes, budget)

    def source(self, data: TrainingData, request: RowRequest, seeds: Sequence[int]) -> RowSource:
        sizes = [len(rows) for rows in self.chosen]
        return RowSource(sizes, partial(self._branch, request.global_feature), self.per_epoch or max(sizes))

    def _branch(self, variant: str, rows: Tensor, random: EpochRandom) -> Branch:
        import torch

        chosen = torch.stack([own[row] for own, row in zip(self.chosen, rows, strict=True)])
        return labelled_branch(self.images, self.labels, chosen, variant)

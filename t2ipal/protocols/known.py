"""The training data with the labels that a protocol reveals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from t2ipal.protocols import FEW_SHOT, NOVEL, PARTIAL
from t2ipal.protocols.few_shot import read_few_shot
from t2ipal.protocols.partial import read_partial
from t2ipal.rows import TRAIN
from t2ipal.rows.shots import ShotRows
from t2ipal.rows.train import TrainRows

if TYPE_CHECKING:
    from t2ipal.rows.data import TrainingData

UNKNOWN = -1
"""A label that a protocol hides."""


@dataclass(frozen=True)
class KnownLabels:
    """A protocol and the file of what it sampled.

    Attributes:
        protocol: "" (all labels are known), "partial", "few_shot" or "novel".
        path: the file; None without a protocol.
        novel: indices of the novel classes; empty but for "novel".
    """

    protocol: str
    path: str | None
    novel: tuple[int, ...]

    @staticmethod
    def of_job(protocol: str, paths: Sequence[str | Path], classes: Sequence[str], novel: Sequence[str]) -> KnownLabels:
        """From a job's files and the names of all classes and of the novel ones."""
        return KnownLabels(protocol, str(paths[0]) if paths else None, tuple(classes.index(name) for name in novel))

    def reveal(self, data: TrainingData, level: int, seeds: Sequence[int]) -> TrainingData:
        """The training data with what is known at a level: percent of the labels, or shots.

        -1 marks what is not known; a reader that marks difficult objects so hides them from every method.

        Raises:
            UserError: the file holds no sample for the level, a seed or an image.
        """
        if TRAIN not in data.rows:
            return data
        images, labels = data[TRAIN].images, data[TRAIN].labels
        if self.protocol == PARTIAL:
            known = torch.from_numpy(read_partial(self.path, level, images.ids, labels.shape[1]))
            return data.with_rows(TrainRows(images, labels.masked_fill(~known, UNKNOWN)))
        if self.protocol not in (FEW_SHOT, NOVEL):
            return data
        shots = tuple(torch.from_numpy(rows) for rows in read_few_shot(self.path, level, seeds, images.ids))
        if self.protocol == FEW_SHOT:
            return data.with_rows(ShotRows(images, labels, shots, level * labels.shape[1]))
        novel = torch.zeros(labels.shape[1], dtype=torch.bool)
        novel[list(self.novel)] = True
        # as in LaSO's code, an image with a seen class is trained on even where novel things are in it
        seen = (labels == 1)[:, ~novel].any(1).nonzero()[:, 0]
        return data.with_rows(
            TrainRows(images, labels.masked_fill(novel, UNKNOWN), seen),
            ShotRows(images, labels.masked_fill(~novel, UNKNOWN), shots, level * len(self.novel)),
            novel=self.novel,
        )

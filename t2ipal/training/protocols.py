"""What a method may know of the labelled images: all, a share of the labels, or a few images per class."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from t2ipal.datasets import protocols as files

if TYPE_CHECKING:
    from t2ipal.training.data import TrainingData

PARTIAL, FEW_SHOT, NOVEL = "partial", "few_shot", "novel"
UNKNOWN = -1
"""A label that a protocol hides."""


@dataclass(frozen=True)
class Known:
    """A protocol and the file of what it drew.

    Attributes:
        protocol: "" (all labels are known), "partial", "few_shot" or "novel".
        path: the file; None without a protocol.
        novel: indices of the novel classes; empty but for "novel".
    """

    protocol: str
    path: str | None
    novel: tuple[int, ...]

    @staticmethod
    def read(protocol: str, paths: Sequence[str | Path], classes: Sequence[str], novel: Sequence[str]) -> Known:
        """From a job's files and the names of all classes and of the novel ones."""
        return Known(protocol, str(paths[0]) if paths else None, tuple(classes.index(name) for name in novel))

    def of(self, data: TrainingData, level: int, seeds: Sequence[int]) -> TrainingData:
        """The training data with what is known at a level: percent of the labels, or shots.

        -1 marks what is not known; a reader that marks difficult objects so hides them from every method.

        Raises:
            UserError: the file holds no draw for the level, a seed or an image.
        """
        if data.train is None:
            return data
        labels, ids = data.train_labels, data.train.ids
        if self.protocol == PARTIAL:
            known = torch.from_numpy(files.read_partial(self.path, level, ids, labels.shape[1]))
            return dataclasses.replace(data, train_labels=labels.masked_fill(~known, UNKNOWN))
        if self.protocol not in (FEW_SHOT, NOVEL):
            return dataclasses.replace(data, train_labels=labels)
        shots = tuple(torch.from_numpy(rows) for rows in files.read_few_shot(self.path, level, seeds, ids))
        if self.protocol == FEW_SHOT:
            drawn = {"shots": shots, "shot_labels": labels, "shot_rows": level * labels.shape[1]}
            return dataclasses.replace(data, train_labels=labels, **drawn)
        novel = torch.zeros(labels.shape[1], dtype=torch.bool)
        novel[list(self.novel)] = True
        return dataclasses.replace(
            data,
            train_labels=labels.masked_fill(novel, UNKNOWN),
            # as in LaSO's code, an image with a seen class is trained on even where novel things are in it
            train_rows=(labels == 1)[:, ~novel].any(1).nonzero()[:, 0],
            shots=shots,
            shot_labels=labels.masked_fill(~novel, UNKNOWN),
            shot_rows=level * len(self.novel),
            novel=self.novel,
        )

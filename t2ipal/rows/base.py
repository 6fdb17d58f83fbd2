"""What a kind of training rows is, and the batches that are made of it. No heavy import here: `snakemake -n` pays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from torch import Tensor

    from t2ipal.features.memory import MemoryBudget
    from t2ipal.rows.data import TrainingData, TrainingFiles
    from t2ipal.rows.randomness import EpochRandom

CAPTIONS, SYNTHETIC, TRAIN, SHOTS = "captions", "synthetic", "train", "shots"
"""Kinds that others than their own file speak of: captions with the noun filter's labels, their synthetic images,
labelled images with the labels that a protocol leaves known, and the labelled images of a few-shot sample."""

LEADING = "rows"
"""Name of the order that an epoch follows: that of the kind that leads it."""


@dataclass(frozen=True)
class Branch:
    """Rows of one kind in a batch: frozen features and their labels, for S seeds.

    Attributes:
        pooled: [S, R, D] global features, L2-normalised; [S, R, 0] where the method reads none of images.
        local: [S, R, N, D] local features, L2-normalised; [S, R, 0] likewise.
        mask: [S, R, N], True where a position counts, or None where all do.
        labels: [S, R, C] of 1 (positive), 0 (absent), -1 (unknown).
        weight: [S, R], the share of a row in the mean; 0 leaves it out.
    """

    pooled: Tensor
    local: Tensor
    mask: Tensor | None
    labels: Tensor
    weight: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """The weighted mean of `values` [S, R] over the rows: [S], 0 for a seed without rows."""
        return (values * self.weight).sum(-1) / self.weight.sum(-1).clamp_min(1e-12)


Batch = Mapping[str, Branch]
"""Kind of rows -> its rows."""


@dataclass(frozen=True)
class RowRequest:
    """Which training rows a method needs in its batches.

    Attributes:
        kinds: the kinds that have a part in the loss.
        global_feature: "pos" or "nopos", the variant of the images' global feature.
        templates: how many templates of each class join the captions.
        image_sampling: "one" of a caption's images per epoch; "all" of them, each with the caption, in a longer epoch;
            "mean_loss" or "mean_feature" of all in each step.
        pairing: "paired" (a caption and its image share a batch) or "independent".
        batches: False for a method that samples its rows by itself: its batches are empty, and only as many.
    """

    kinds: frozenset[str]
    global_feature: str = "nopos"
    templates: int = 0
    image_sampling: str = "one"
    pairing: str = "paired"
    batches: bool = True


@dataclass(frozen=True)
class RowSource:
    """The rows of one kind as a sampler uses them, for S seeds and one request.

    Attributes:
        sizes: how many rows each seed has, [S].
        branch: makes the branch of a batch from the numbers of its rows, [S, R] below `sizes`, and the epoch's random
            numbers.
        per_epoch: rows of an epoch that this kind leads.
        order: name of the order that the rows follow; None: the leading one for the kind that leads, else its own.
    """

    sizes: Sequence[int]
    branch: Callable[[Tensor, EpochRandom], Branch]
    per_epoch: int
    order: str | None = None


class RowKind(ABC):
    """Training rows of one kind. A class is a kind, an object its rows in a training.

    Attributes:
        name: in `Method.uses`, requests and batches.
        loss: what its part of the loss is called, in what `Method.loss` returns and in the history.
        title: what figures call it.
    """

    name: ClassVar[str]
    loss: ClassVar[str]
    title: ClassVar[str]

    @classmethod
    @abstractmethod
    def inputs(cls, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """Names of the inputs of a training job that these rows are read from; `settings` are those of the method."""

    @classmethod
    @abstractmethod
    def read(cls, files: TrainingFiles, data: TrainingData, classes: int, budget: MemoryBudget) -> TrainingData:
        """`data` with these rows added, read from a job's files and joined with the kinds that were read before.

        Raises:
            UserError: a file is missing or damaged, or rows do not match.
        """

    @abstractmethod
    def source(self, data: TrainingData, request: RowRequest, seeds: Sequence[int]) -> RowSource:
        """How a sampler gets these rows; `data` has all kinds of `request`."""

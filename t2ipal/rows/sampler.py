"""Batches of rows, sampled for each seed separately."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch

from t2ipal.errors import UserError
from t2ipal.rows import KINDS
from t2ipal.rows.base import LEADING, Batch, Branch, RowRequest
from t2ipal.rows.randomness import EpochRandom

if TYPE_CHECKING:
    from t2ipal.rows.data import TrainingData


class Sampler:
    """Samples a method's batches for all seeds; what a seed gets is the same whoever shares the job.

    The kind that is first in `KINDS` leads: an epoch has its rows, in an order of each seed's own. Synthetic images
    follow their captions ("paired") or an order of their own; other kinds have orders of their own, repeated as
    often as an epoch needs.

    Attributes:
        size: rows of an epoch.
        batch: rows of a batch.
        steps: batches of an epoch.
    """

    def __init__(
        self, data: TrainingData, request: RowRequest, seeds: Sequence[int], batch: int, drop_last: bool
    ) -> None:
        """`drop_last`: leave out an epoch's last, smaller batch.

        Raises:
            UserError: a kind of rows is asked for that `data` does not have.
        """
        for kind in sorted(request.kinds):
            if kind not in data.rows:
                raise UserError(f"training data: no {kind} rows; expected {', '.join(sorted(request.kinds))}")
        self.data, self.seeds, self.gathers = data, tuple(seeds), request.batches
        self.sources = {kind: data[kind].source(data, request, self.seeds) for kind in KINDS if kind in request.kinds}
        leader = next(iter(self.sources))
        self.order_of = {
            kind: source.order or (LEADING if kind == leader else kind) for kind, source in self.sources.items()
        }
        self.size = self.sources[leader].per_epoch
        self.batch = min(batch, self.size)
        self.steps = self.size // self.batch if drop_last else math.ceil(self.size / self.batch)

    def epoch(self, epoch: int, device: torch.device) -> Iterator[Batch]:
        """The batches of an epoch."""
        if not self.gathers:
            yield from ({} for _ in range(self.steps))
            return
        random = EpochRandom(self.seeds, epoch)
        orders: dict[str, torch.Tensor] = {}
        for kind, source in self.sources.items():  # of kinds that share an order, the first decides the number of rows
            if self.order_of[kind] not in orders:
                orders[self.order_of[kind]] = random.permutations(self.order_of[kind], source.sizes, self.size)
        for step in range(self.steps):
            span = slice(step * self.batch, min((step + 1) * self.batch, self.size))
            yield {
                kind: to_device(source.branch(orders[self.order_of[kind]][:, span], random), device)
                for kind, source in self.sources.items()
            }


def ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, each gathered while the one before is worked on."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


def to_device(branch: Branch, device: torch.device) -> Branch:
    """The same rows on `device`."""
    if device.type == "cpu":
        return branch
    mask = None if branch.mask is None else branch.mask.to(device)
    others = (branch.pooled, branch.local, branch.labels, branch.weight)
    pooled, local, labels, weight = (value.to(device) for value in others)
    return Branch(pooled, local, mask, labels, weight)

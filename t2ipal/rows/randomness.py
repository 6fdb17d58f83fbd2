"""Random numbers of a training. A seed's depend on the seed, what they are for and the epoch alone.

So they are the same whoever shares the job, and in whatever order a job makes its batches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from t2ipal.seeds import seed_of


def epoch_seed(seed: int, what: str, epoch: int) -> int:
    """The seed of a generator."""
    return seed_of("train", seed, what, epoch)


def epoch_generators(seeds: Sequence[int], what: str, epoch: int) -> list[torch.Generator]:
    """A generator for each seed."""
    return [torch.Generator().manual_seed(epoch_seed(seed, what, epoch)) for seed in seeds]


class EpochRandom:
    """What all batches of an epoch share."""

    def __init__(self, seeds: Sequence[int], epoch: int) -> None:
        self.seeds, self.epoch = tuple(seeds), epoch
        self._uniform: dict[str, Tensor] = {}

    def uniform(self, what: str, count: int) -> Tensor:
        """Numbers in [0, 1), [S, count]: the same for all batches."""
        if what not in self._uniform:
            generators = epoch_generators(self.seeds, what, self.epoch)
            self._uniform[what] = torch.stack([torch.rand(count, generator=generator) for generator in generators])
        return self._uniform[what]

    def permutations(self, what: str, sizes: Sequence[int], length: int) -> Tensor:
        """A permutation of each seed's rows, followed by others until there are `length` rows: [S, length]."""
        orders = []
        for generator, size in zip(epoch_generators(self.seeds, what, self.epoch), sizes, strict=True):
            times = math.ceil(length / size)
            orders.append(torch.cat([torch.randperm(size, generator=generator) for _ in range(times)])[:length])
        return torch.stack(orders)


def pick_valid(valid: Tensor, uniform: Tensor) -> Tensor:
    """One of each row's valid places, all as likely: [...] from `valid` [..., K] and `uniform` [...] in [0, 1)."""
    count = valid.sum(-1)
    wanted = (uniform * count).long().clamp(max=count - 1)
    return (valid.cumsum(-1) == wanted[..., None] + 1).int().argmax(-1)

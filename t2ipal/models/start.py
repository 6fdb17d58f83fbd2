"""Initial values of what a method learns: normal numbers, one generator per seed and tensor name."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from t2ipal.seeds import seed_of


def normal_start(seeds: Sequence[int], name: str, shape: Sequence[int], std: float) -> Tensor:
    """Normal numbers [S, *shape] of standard deviation `std`; a seed's depend on the seed and `name` alone."""
    generators = [torch.Generator().manual_seed(seed_of("train", seed, "start", name)) for seed in seeds]
    return torch.stack([std * torch.randn(tuple(shape), generator=generator) for generator in generators])

"""Layers of small networks, one network per seed: the seeds are the first dimension of weights and inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from t2ipal.models.start import normal_start

SLOPE = 0.2
"""Of the leaky rectifiers: LaSO's code."""
MOMENTUM = 0.1
"""Share of a batch in the running statistics of batch normalisation: PyTorch's default."""

Parameters = dict[str, Tensor]


def start_linear(seeds: Sequence[int], name: str, inputs: int, outputs: int, bias: bool = True) -> Parameters:
    """Weights [S, inputs, outputs] with the variance of a fresh `torch.nn.Linear`, and biases [S, 1, outputs] of 0.

    A layer in front of a batch normalisation has no bias: it would be taken out at once, and its gradient, of rounding
    errors alone, would be blown up by Adam, so that a seed's result depended on the other seeds of the job.
    """
    weight = {f"{name}.weight": normal_start(seeds, name, (inputs, outputs), (3 * inputs) ** -0.5)}
    return weight | ({f"{name}.bias": torch.zeros(len(seeds), 1, outputs)} if bias else {})


def linear(parameters: Parameters, name: str, x: Tensor) -> Tensor:
    """[S, R, inputs] -> [S, R, outputs]."""
    weight, bias = parameters[f"{name}.weight"], parameters.get(f"{name}.bias")
    return x @ weight if bias is None else torch.baddbmm(bias, x, weight)


def start_norm(seeds: Sequence[int], name: str, width: int) -> Parameters:
    """Scale 1 and shift 0 of a batch normalisation, [S, width] each."""
    shape = (len(seeds), width)
    return {f"{name}.scale": torch.ones(shape), f"{name}.shift": torch.zeros(shape)}


def start_statistics(seeds: Sequence[int], name: str, width: int) -> Parameters:
    """Running mean 0 and variance 1 of a batch normalisation, [S, width] each: kept, not learned."""
    shape = (len(seeds), width)
    return {f"{name}.mean": torch.zeros(shape), f"{name}.variance": torch.ones(shape)}


def batch_norm(parameters: Parameters, statistics: Parameters, name: str, x: Tensor, training: bool) -> Tensor:
    """Batch normalisation of [S, R, width] over the rows of each seed.

    In training by the statistics of the batch, which move the running ones in place; otherwise by the running ones.
    """
    flat = x.transpose(0, 1).flatten(1)  # seeds and units side by side: each is a channel of its own
    mean, variance = (statistics[f"{name}.{part}"].view(-1) for part in ("mean", "variance"))
    scale, shift = (parameters[f"{name}.{part}"].flatten() for part in ("scale", "shift"))
    normalised = F.batch_norm(flat, mean, variance, scale, shift, training, MOMENTUM)
    return normalised.unflatten(1, (len(x), -1)).transpose(0, 1)


def leaky(x: Tensor) -> Tensor:
    """The leaky rectifier."""
    return F.leaky_relu(x, SLOPE)


def dropout(x: Tensor, rate: float, generators: Sequence[torch.Generator]) -> Tensor:
    """Dropout of [S, R, width], each seed by its own generator (on the CPU, so that a GPU drops the same units)."""
    if rate == 0:
        return x
    kept = torch.stack([torch.rand(x.shape[1:], generator=generator) >= rate for generator in generators])
    return x * kept.to(x.device) / (1 - rate)

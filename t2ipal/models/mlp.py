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
    """[S, ..., inputs] -> [S, ..., outputs]."""
    weight, bias, rows = parameters[f"{name}.weight"], parameters.get(f"{name}.bias"), x.flatten(1, -2)
    y = rows @ weight if bias is None else torch.baddbmm(bias, rows, weight)
    return y.unflatten(1, x.shape[1:-1])


def start_norm(seeds: Sequence[int], name: str, width: int) -> Parameters:
    """Scale 1 and shift 0 of a batch normalisation, [S, width] each."""
    shape = (len(seeds), width)
    return {f"{name}.scale": torch.ones(shape), f"{name}.shift": torch.zeros(shape)}


def start_statistics(seeds: Sequence[int], name: str, width: int) -> Parameters:
    """Running mean 0 and variance 1 of a batch normalisation, [S, width] each: kept, not learned."""
    shape = (len(seeds), width)
    return {f"{name}.mean": torch.zeros(shape), f"{name}.variance": torch.ones(shape)}


def batch_norm(parameters: Parameters, statistics: Parameters, name: str, x: Tensor, training: bool) -> Tensor:
    """Batch normalisation of [S, R, width] or [S, K, R, width] over the R rows; K are calls, one after the other.

    In training each call has the statistics of its own rows and moves the running ones in place, in the order of the
    calls; otherwise the running ones serve all.
    """
    calls = x.reshape(len(x), -1, *x.shape[-2:])
    flat = calls.permute(2, 0, 1, 3).flatten(1)  # seeds, calls and units side by side: each is a channel of its own

    def each_call(value: Tensor) -> Tensor:
        return value[:, None].repeat(1, calls.shape[1], 1).flatten()

    running = [statistics[f"{name}.{part}"] for part in ("mean", "variance")]
    scale, shift = (each_call(parameters[f"{name}.{part}"]) for part in ("scale", "shift"))
    own = [each_call(value) for value in running]
    normalised = F.batch_norm(flat, *own, scale, shift, training, 1.0)  # in training, `own` becomes that of the rows
    if training:
        for value, found in zip(running, own, strict=True):
            for call in found.view(len(x), -1, x.shape[-1]).unbind(1):
                value.lerp_(call, MOMENTUM)
    return normalised.unflatten(1, (len(x), -1, x.shape[-1])).permute(1, 2, 0, 3).reshape(x.shape)


def leaky(x: Tensor) -> Tensor:
    """The leaky rectifier."""
    return F.leaky_relu(x, SLOPE)


def dropout(x: Tensor, rate: float, generators: Sequence[torch.Generator]) -> Tensor:
    """Dropout of [S, R, width], each seed by its own generator (on the CPU, so that a GPU drops the same units)."""
    if rate == 0:
        return x
    kept = torch.stack([torch.rand(x.shape[1:], generator=generator) >= rate for generator in generators])
    return x * kept.to(x.device) / (1 - rate)

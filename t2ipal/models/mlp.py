"""Layers of small networks, one network per seed: the seeds are the first dimension of weights and inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from t2ipal.models.start import normal_start

SLOPE = 0.2
"""Of the leaky rectifiers: LaSO's code."""
MOMENTUM = 0.1
"""Share of a batch in the running statistics of batch normalisation: PyTorch's default."""
EPSILON = 1e-5
"""Added to the variance by batch normalisation: PyTorch's default."""

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
    shape = (len(x), *[1] * (x.dim() - 2), x.shape[-1])
    scale, shift = (parameters[f"{name}.{part}"].view(shape) for part in ("scale", "shift"))
    running = {part: statistics[f"{name}.{part}"] for part in ("mean", "variance")}
    if not training:
        factor = scale * (running["variance"].view(shape) + EPSILON).rsqrt()
        return torch.addcmul(shift - factor * running["mean"].view(shape), x, factor)
    normalised, mean, variance = Normalisation.apply(x, scale, shift)
    rows = x.shape[-2]
    for value, own in ((running["mean"], mean), (running["variance"], variance * (rows / (rows - 1)))):
        for call in own.view(len(x), -1, x.shape[-1]).unbind(1):
            value.lerp_(call, MOMENTUM)
    return normalised


class Normalisation(torch.autograd.Function):
    """x [..., R, width] with mean 0 and variance 1 over R, times a scale, plus a shift; and the mean and the variance.

    torch's own wants all channels of all seeds side by side: to put them there and back takes as long as it does.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean = x.mean(-2, keepdim=True)
        unit = x - mean
        variance = unit.square().mean(-2, keepdim=True)
        rate = (variance + EPSILON).rsqrt()
        unit.mul_(rate)
        ctx.save_for_backward(unit, rate, scale)
        ctx.mark_non_differentiable(mean, variance)
        return torch.addcmul(shift, unit, scale), mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        unit, rate, scale = ctx.saved_tensors
        to_shift, to_scale = gradient.mean(-2, keepdim=True), (gradient * unit).mean(-2, keepdim=True)
        to_x = torch.addcmul(gradient - to_shift, unit, to_scale, value=-1).mul_(rate * scale)
        sums = (value.mul_(unit.shape[-2]).sum_to_size(scale.shape) for value in (to_scale, to_shift))
        return to_x, *sums


def leaky(x: Tensor) -> Tensor:
    """The leaky rectifier."""
    return F.leaky_relu(x, SLOPE)


def dropout(x: Tensor, rate: float, generators: Sequence[torch.Generator]) -> Tensor:
    """Dropout of [S, R, width], each seed by its own generator (on the CPU, so that a GPU drops the same units)."""
    if rate == 0:
        return x
    kept = torch.stack([torch.rand(x.shape[1:], generator=generator) >= rate for generator in generators])
    return x * kept.to(x.device) / (1 - rate)

"""Training on cached features: one loop for every method.

All seeds of a run train at once: what a method learns and what it sees have the seeds as first dimension, and the
losses of the seeds are added, so each seed's gradient is its own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from t2ipal.device import peak_memory, pick_device
from t2ipal.errors import UserError
from t2ipal.methods.base import Method, MethodSettings, Tensors
from t2ipal.rows.sampler import Sampler, ahead
from t2ipal.training.history import LOSSES

if TYPE_CHECKING:
    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.rows.data import TrainingData

OnEpoch = Callable[[int, int, dict[str, float]], None]
"""Called after each epoch with its number (from 1), the number of epochs, and the means over the seeds."""


def learning_rate(settings: Any, epoch: int) -> float:
    """Rate of an epoch (from 0): constant in w warm-up epochs, then lr (1 + cos(pi (epoch - w) / epochs)) / 2, or lr.

    Source: Dassl's schedule, which CoOp, TaI-DPT, DualCoOp and CoMC use. Warm-up holds the cosine back, so the first
    epoch after it has the whole lr and the last epoch more than it would have without warm-up.
    """
    if epoch < settings.warmup_epochs:
        return settings.warmup_lr
    if settings.schedule == "constant":
        return settings.lr
    return settings.lr * (1 + math.cos(math.pi * (epoch - settings.warmup_epochs) / settings.epochs)) / 2


def make_optimizer(settings: Any, learned: Tensors, scales: Mapping[str, float]) -> torch.optim.Optimizer:
    """SGD or AdamW, which act on each number separately, so seeds cannot influence each other."""
    groups = [{"params": [value], "scale": scales.get(name, 1.0)} for name, value in learned.items()]
    decay = settings.weight_decay
    if settings.optimizer == "adamw":
        betas = (settings.momentum, 0.999)
        return torch.optim.AdamW(groups, lr=settings.lr, betas=betas, weight_decay=decay, fused=True)
    return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, weight_decay=decay, fused=True)


def fit(
    method: type[Method],
    settings: MethodSettings,
    backbone: ImageTextEncoder,
    class_names: Sequence[str],
    data: TrainingData,
    seeds: Sequence[int],
    on_epoch: OnEpoch | None = None,
    device: str = "auto",
) -> tuple[Tensors, list[dict[str, Any]]]:
    """Train a method on all `seeds` at once and take the last epoch.

    Returns:
        What `method.scores` needs, the seeds in front, on the CPU; and one row per seed and epoch: seed, epoch (from
        1), `LOSSES` (None where the method has no such part), lr, seconds, peak_mb.

    Raises:
        UserError: the data lack a kind of rows that the method trains on, or a loss is not finite.
    """
    target = pick_device(device)
    model = method(settings, class_names)
    model.prepare(backbone, target)
    model.observe(data, seeds)
    history: list[dict[str, Any]] = []
    learned: Tensors = {}
    if model.rows().kinds:
        learned = {name: value.requires_grad_() for name, value in model.start(seeds).items()}
    if learned:
        sampler = Sampler(data, model.rows(), seeds, settings.batch, settings.drop_last)
        optimizer = make_optimizer(settings, learned, method.lr_scales(settings))
        for epoch in range(settings.epochs):
            model.begin_epoch(learned, epoch)
            rows = _epoch(model, learned, sampler, optimizer, epoch, target)
            history += rows
            if on_epoch is not None:
                on_epoch(epoch + 1, settings.epochs, _seed_means(rows))
    with torch.no_grad():
        return {name: value.detach().cpu() for name, value in model.finish(learned).items()}, history


def _epoch(
    model: Method,
    learned: Tensors,
    sampler: Sampler,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    device: torch.device,
) -> list[dict[str, Any]]:
    started, rate = time.perf_counter(), learning_rate(model.settings, epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["scale"]
    sums: dict[str, Tensor] = {}
    batches = sampler.epoch(epoch, device)
    # A CPU that does not wait for a disk gains nothing from a second thread.
    for batch in ahead(batches) if sampler.data.mapped or device.type == "cuda" else batches:
        optimizer.zero_grad(set_to_none=True)
        parts = model.loss(learned, batch)
        parts["loss"].sum().backward()
        optimizer.step()
        sums = {name: sums.get(name, 0) + value.detach().double() for name, value in parts.items()}
    means = {name: (value / sampler.steps).cpu() for name, value in sums.items()}
    seconds = time.perf_counter() - started
    _check_finite(model, sampler.seeds, means["loss"], epoch, rate)
    return [
        {"seed": seed, "epoch": epoch + 1}
        | {name: float(means[name][s]) if name in means else None for name in LOSSES}
        | {"lr": rate, "seconds": seconds, "peak_mb": peak_memory()}
        for s, seed in enumerate(sampler.seeds)
    ]


def _check_finite(model: Method, seeds: Sequence[int], losses: Tensor, epoch: int, rate: float) -> None:
    for seed, loss in zip(seeds, losses.tolist(), strict=True):
        if not math.isfinite(loss):
            raise UserError(
                f"training of {model.name}, seed {seed}, epoch {epoch + 1}: the loss is {loss}; "
                f"expected a finite number: try a lower lr (now {rate:g})"
            )


def _seed_means(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    names = [name for name, value in rows[0].items() if value is not None and name not in ("seed", "epoch")]
    return {name: sum(row[name] for row in rows) / len(rows) for name in names}

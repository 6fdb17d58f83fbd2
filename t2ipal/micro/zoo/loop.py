"""One resumable training loop for every model of the zoo: a process per CPU core or GPU, gradients averaged."""

from __future__ import annotations

import logging
import os
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from t2ipal.atomic import atomic
from t2ipal.seeds import seed_of

log = logging.getLogger(__name__)
CHECKPOINT_SECONDS = 60.0
REPORT_SECONDS = 15.0


@dataclass(frozen=True)
class Recipe:
    """How long and how fast a model is trained. `batch` counts the samples of all processes together."""

    steps: int
    batch: int
    lr: float
    warmup: int = 200
    tail: float = 1.0  # share of the steps, at the end, over which the rate falls to 0 along a cosine
    weight_decay: float = 0.01
    ema: float = 0.0  # decay of the averaged weights; 0 keeps the last ones
    clip_norm: float = 1.0
    seed: int = 0

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, constant, cosine tail."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        start = self.steps * (1 - self.tail)
        done = max(0.0, (step - start) / max(1.0, self.steps - start))
        return self.lr * 0.5 * (1 + float(np.cos(np.pi * min(1.0, done))))


class Stage(ABC):
    """One model of the zoo. Instances are sent to the worker processes, so they hold plain values only."""

    name: str
    recipe: Recipe
    channels_last = True  # memory layout on CPUs; group norm is faster without

    @abstractmethod
    def build(self) -> nn.Module:
        """The module to train, freshly initialised (the loop has seeded torch)."""

    @abstractmethod
    def loss(self, model: nn.Module, rng: np.random.Generator, batch: int, device: torch.device) -> dict[str, Tensor]:
        """Take `batch` samples with `rng` and return {"loss": scalar to minimise, other scalars to report}."""

    def compile(self, model: nn.Module) -> None:  # noqa: B027 - few stages need it
        """Compile in place what gains from it."""

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """Figures of the finished model for the manifest."""
        return {}


@dataclass(frozen=True)
class Result:
    """What a finished stage leaves: the weights (averaged ones where the recipe asks), figures, and its cost."""

    model: nn.Module
    figures: dict[str, float]
    record: dict[str, object]


def train(stage: Stage, work: Path, processes: int) -> Result:
    """Train `stage` from its last checkpoint below `work`, or from nothing, and return the finished model.

    The samples of step s on process r come from a generator seeded by (recipe seed, s, r): a resumed run sees what an
    uninterrupted one would have seen.
    """
    work.mkdir(parents=True, exist_ok=True)
    checkpoint = work / f"{stage.name}.pt"
    if not _finished(checkpoint, stage.recipe.steps):
        rendezvous = work.resolve() / f".{stage.name}.{os.getpid()}.rendezvous"
        rendezvous.unlink(missing_ok=True)
        if processes == 1:
            _worker(0, stage, checkpoint, 1, rendezvous)
        else:
            torch.multiprocessing.spawn(_worker, (stage, checkpoint, processes, rendezvous), processes)
        rendezvous.unlink(missing_ok=True)
    device = _device(0)
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = stage.build()
    model.load_state_dict(state["ema"] or state["model"])
    figures = stage.validate(model.eval().to(device), device)
    record = {
        "recipe": asdict(stage.recipe),
        "processes": processes,
        "device": state["device"],
        "seconds": round(state["seconds"], 1),
        "samples": state["step"] * stage.recipe.batch,
        "final": state["logs"],
        "figures": figures,
    }
    return Result(model.cpu(), figures, record)


def _finished(checkpoint: Path, steps: int) -> bool:
    return checkpoint.exists() and torch.load(checkpoint, map_location="cpu", weights_only=True)["step"] >= steps


def _device(rank: int) -> torch.device:
    return torch.device("cuda", rank) if torch.cuda.is_available() else torch.device("cpu")


def _worker(rank: int, stage: Stage, checkpoint: Path, processes: int, rendezvous: Path) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    device = _device(rank)
    if device.type == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes) if processes > 1 else 1)
    if processes > 1:
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, init_method=f"file://{rendezvous}", rank=rank, world_size=processes)
    try:
        _train(rank, stage, checkpoint, processes, device)
    finally:
        if processes > 1:
            dist.destroy_process_group()


def _train(rank: int, stage: Stage, checkpoint: Path, processes: int, device: torch.device) -> None:
    recipe = stage.recipe
    torch.manual_seed(recipe.seed)
    model = stage.build().to(device).train()
    if device.type == "cpu" and stage.channels_last:
        model = model.to(memory_format=torch.channels_last)
    stage.compile(model)
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.99), fused=True)
    ema = {key: value.detach().clone() for key, value in model.state_dict().items()} if recipe.ema else {}
    step, seconds = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        ema, step, seconds = state["ema"], state["step"], state["seconds"]
        if rank == 0:
            log.info("%s: resumed at step %d", stage.name, step)
    started = saved = reported = time.monotonic()
    first = step
    logs: dict[str, float] = {}
    while step < recipe.steps:
        rng = np.random.default_rng(seed_of("zoo", stage.name, recipe.seed, step, rank))
        torch.manual_seed(int(rng.integers(2**62)))
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        out = stage.loss(model, rng, recipe.batch // processes, device)
        optimizer.zero_grad(set_to_none=True)
        out["loss"].backward()
        params = [p for p in model.parameters() if p.grad is not None]
        if processes > 1:
            _average_gradients(params, processes)
        norm = nn.utils.clip_grad_norm_(params, recipe.clip_norm)
        optimizer.step()
        step += 1
        if recipe.ema and rank == 0:
            decay = min(recipe.ema, (1 + step) / (10 + step))
            for key, value in model.state_dict().items():
                if value.is_floating_point():
                    ema[key].lerp_(value, 1 - decay)
                else:
                    ema[key].copy_(value)
        for key, value in {**out, "norm": norm}.items():
            smooth = 0.98 if key in logs else 0.0
            logs[key] = smooth * logs.get(key, 0.0) + (1 - smooth) * float(value.detach())
        now = time.monotonic()
        if rank == 0 and (now - saved > CHECKPOINT_SECONDS or step == recipe.steps):
            state = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "ema": ema,
                "step": step,
                "seconds": seconds + now - started,
                "logs": dict(logs),
                "device": torch.cuda.get_device_name() if device.type == "cuda" else f"{processes} CPU cores",
            }
            with atomic(checkpoint) as part:
                torch.save(state, part)
            saved = now
        if rank == 0 and (now - reported > REPORT_SECONDS or step == recipe.steps):
            pace = (step - first) / (now - started)
            text = "  ".join(f"{key} {value:.4f}" for key, value in logs.items())
            log.info(
                "%s: step %d of %d  %.0f samples/s  %.0f min left  %s",
                stage.name, step, recipe.steps, pace * recipe.batch, (recipe.steps - step) / pace / 60, text,
            )  # fmt: skip
            reported = now


def _average_gradients(params: list[nn.Parameter], processes: int) -> None:
    flat = torch.cat([p.grad.reshape(-1) for p in params])
    dist.all_reduce(flat)
    flat /= processes
    offset = 0
    for p in params:
        p.grad.copy_(flat[offset : offset + p.numel()].view_as(p))
        offset += p.numel()

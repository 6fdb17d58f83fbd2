"""The judge: a small classifier trained on real renders with true labels, independent of CLIP and of the generator.

How recognisable generated images are: its mAP on them against what the captions name, as a fraction of its mAP
on real renders of the same captions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from t2ipal.metrics.evaluate import mean_average_precision
from t2ipal.micro.zoo.autoencoder import to_unit
from t2ipal.micro.zoo.loop import Recipe, Stage
from t2ipal.micro.zoo.world import World

WIDTHS = (32, 64, 96, 128)


class Judge(nn.Sequential):
    """uint8-like images in [-1, 1], [B, 3, 64, 64] -> one logit per class [B, 20], the maximum over positions."""

    def __init__(self) -> None:
        layers: list[nn.Module] = []
        for before, after in zip((3, *WIDTHS[:-1]), WIDTHS, strict=True):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers += [nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        super().__init__(*layers, nn.Conv2d(WIDTHS[-1], 20, 1), nn.AdaptiveMaxPool2d(1), nn.Flatten())


@dataclass(frozen=True)
class JudgeStage(Stage):
    """Binary cross-entropy per class on real renders of the training stream, whose scenes are like those it judges."""

    work: Path
    size: int
    recipe: Recipe
    name: str = "judge"

    def build(self) -> nn.Module:
        return Judge()

    def loss(self, model: nn.Module, rng: np.random.Generator, batch: int, device: torch.device) -> dict[str, Tensor]:
        world = World(self.work, "train", self.size)
        rows = np.sort(rng.choice(world.size, batch, replace=False))
        x = to_unit(world.images[rows], device).contiguous(memory_format=torch.channels_last)
        x = x + 0.1 * rng.random() * torch.randn_like(x)  # the generator's grain must not decide
        with torch.autocast(device.type, torch.bfloat16):
            logits = model(x)
        target = torch.from_numpy(world.labels[rows]).to(device).float()
        return {"loss": F.binary_cross_entropy_with_logits(logits.float(), target)}

    def validate(self, model: nn.Module, device: torch.device) -> dict[str, float]:
        """mAP on validation scenes with true labels."""
        world = World(self.work, "validation", 2000)
        return {"validation_mAP": mean_average_precision(judge_scores(model, world.images), world.labels)}


def judge_scores(model: nn.Module, images: np.ndarray) -> np.ndarray:
    """Logits float32 [N, 20] of uint8 images [N, 64, 64, 3]."""
    device = next(model.parameters()).device
    with torch.inference_mode():
        parts = [model(to_unit(images[start : start + 256], device)) for start in range(0, len(images), 256)]
    return torch.cat(parts).float().cpu().numpy()

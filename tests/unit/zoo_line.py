"""A stage of the zoo that is small enough to train in a test. The processes that train it import no more than this."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from t2ipal.micro.zoo.loop import Recipe, Stage


@dataclass(frozen=True)
class Line(Stage):
    """Fits y = 3 x + 1."""

    recipe: Recipe
    name: str = "line"

    def build(self) -> nn.Module:
        return nn.Linear(1, 1)

    def loss(self, model: nn.Module, rng: np.random.Generator, batch: int, device: torch.device) -> dict:
        x = torch.from_numpy(rng.standard_normal((batch, 1))).float()
        return {"loss": (model(x) - 3 * x - 1).square().mean()}

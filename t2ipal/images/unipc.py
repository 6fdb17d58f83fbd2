"""UniPC (Zhao et al. 2023) at time steps of one's choice; diffusers' own places a number of them evenly."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers import UniPCMultistepScheduler


class PlacedUniPC(UniPCMultistepScheduler):
    """diffusers' UniPC whose time steps may be listed, as its other solvers allow."""

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: str | torch.device | None = None,
        timesteps: list[int] | None = None,
        **options: Any,
    ) -> None:
        """As `UniPCMultistepScheduler.set_timesteps`; `timesteps` replace the evenly spaced ones and their noise.

        Raises:
            ValueError: time steps for a flow-matching model, which has none.
        """
        if timesteps is None:
            super().set_timesteps(num_inference_steps, device, **options)
            return
        if self.config.use_flow_sigmas:
            raise ValueError("a flow-matching model has no time steps to list")
        super().set_timesteps(len(timesteps), device, **options)
        kept = self.alphas_cumprod.numpy()[timesteps]
        self.sigmas = torch.from_numpy(np.append(np.sqrt((1 - kept) / kept), 0).astype(np.float32))
        self.timesteps = torch.tensor(timesteps, device=device)

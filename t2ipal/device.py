"""The device to work on, and the memory that this process has used."""

from __future__ import annotations

import resource
import sys
import warnings
from typing import TYPE_CHECKING

from t2ipal.errors import UserError

if TYPE_CHECKING:
    import torch


def pick_device(name: str = "auto") -> torch.device:
    """The torch device `name`; "auto" is a GPU where there is one.

    Raises:
        UserError: this machine has no such device.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            device = torch.device(name)
            torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        gpus = torch.cuda.device_count()
        there = f", cuda:0 to cuda:{gpus - 1}" if gpus > 1 else ", cuda" if gpus else "; this machine has no GPU"
        raise UserError(f"device {name!r}: not there (expected auto, cpu{there})") from error
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype `name`; "auto" is bfloat16 where the hardware computes in it, float32 elsewhere."""
    import torch

    if name != "auto":
        return getattr(torch, name)
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        features = torch.cpu.get_capabilities()
        native = bool(features.get("avx512_bf16") or features.get("amx_bf16"))
    return torch.bfloat16 if native else torch.float32


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3

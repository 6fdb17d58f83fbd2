"""The device to work on, and the memory that this process has used."""

from __future__ import annotations

import logging
import resource
import sys
import warnings
from typing import TYPE_CHECKING

from t2ipal.errors import UserError

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


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
    """The dtype `name`; "auto" is bfloat16 where the hardware is fast in it, float32 elsewhere. The log has the choice.

    A GPU is from compute capability 8.0 on, a CPU if it has AMX. With the bfloat16 of AVX512 alone, float32 was faster:
    matrix products 130 against 78 GFLOP/s on a core, generation 15.3 against 11.6 images/s, a training step of the text
    encoder 130 against 185 ms. The CPU's features decide, no timing: all jobs on a machine choose alike.
    """
    import torch

    dtype = getattr(torch, name) if name != "auto" else torch.bfloat16 if _fast_bfloat16(device) else torch.float32
    log.debug("dtype %s on %s: %s", name, device, dtype)
    return dtype


def _fast_bfloat16(device: torch.device) -> bool:
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return bool(torch.cpu.get_capabilities().get("amx_bf16"))


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3

"""Where features are kept while a job works on them: on a GPU, in memory, or in a scratch file mapped into memory.

Where they are changes no number, so size alone decides. A scratch file is read by the pages that a batch needs; the
operating system keeps the others in memory as long as nobody else needs it, and takes them back from a job that is at
its limit instead of ending it.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from t2ipal.errors import UserError

if TYPE_CHECKING:
    from typing import Self

MEMORY_SHARE = 0.5
"""Share of a job's memory that features may fill: the rest is for libraries, the model and its gradients."""

DEVICE_SHARE = 0.5
"""Share of a GPU's free memory that features may fill: the rest is for the model and what a step computes."""


@dataclass
class MemoryBudget:
    """Memory for features, which shrinks as it is taken.

    Attributes:
        memory: bytes left in memory; None: without limit. What does not fit goes to a scratch file.
        device: a GPU for what is read in every step; None: none.
        device_memory: bytes left on it.
        folder: where scratch files go; None: TMPDIR, or what the system has for it.
        mapped: bytes that went to scratch files.
    """

    memory: int | None = None
    device: torch.device | None = None
    device_memory: int = 0
    folder: str | None = None
    mapped: int = 0

    @classmethod
    def of_job(cls, mem_mb: int | None, device: torch.device | None = None) -> Self:
        """What a job of `mem_mb` megabytes has on the machine, and on `device` if that is a GPU."""
        memory = None if mem_mb is None else int(MEMORY_SHARE * mem_mb * 1e6)
        if device is None or device.type != "cuda":
            return cls(memory)
        return cls(memory, device, int(DEVICE_SHARE * torch.cuda.mem_get_info(device)[0]))

    def take(self, shape: Sequence[int], dtype: torch.dtype = torch.float16, in_steps: bool = False) -> Tensor:
        """A tensor to fill: on the GPU for what is read `in_steps` and fits, in memory if it fits, or mapped.

        Raises:
            UserError: there is no disk space for a scratch file.
        """
        size = math.prod(shape) * dtype.itemsize
        if in_steps and self.device is not None and size <= self.device_memory:
            self.device_memory -= size
            return torch.empty(*shape, dtype=dtype, device=self.device)
        if self.memory is None or size <= self.memory or size == 0:
            self.memory = None if self.memory is None else self.memory - size
            return torch.empty(*shape, dtype=dtype)
        self.mapped += size
        return _scratch(size, self.folder).view(dtype).view(*shape)


def _scratch(size: int, folder: str | None) -> Tensor:
    """Bytes [size] of a file that nobody else sees, and that is gone when the tensor is, however the job ends."""
    folder = folder or tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            # Reserved at once: a full disk would otherwise end the job at some later write, without a word.
            os.posix_fallocate(file.fileno(), 0, size)
            return torch.frombuffer(mmap.mmap(file.fileno(), size), dtype=torch.uint8)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOENT):
            raise
        raise UserError(
            f"{folder}: {os.strerror(error.errno).lower()}: {size / 1e9:.1f} GB of features fit neither into the job's "
            "memory nor here; expected a larger mem_mb, or a TMPDIR with free space"
        ) from error

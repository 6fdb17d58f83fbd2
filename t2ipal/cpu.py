"""The CPU of this machine: its name, its cores, and the widest instructions that matter to products of matrices."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

KINDS = {"AMX": "amx_bf16", "AVX512": "avx512f", "AVX2": "avx2"}
"""Name -> the flag of Linux that says so, the widest first."""


@dataclass(frozen=True)
class Cpu:
    """A CPU.

    Attributes:
        model: its name, or that of its architecture.
        cores: those that this process may use.
        kind: one of `KINDS`, "" for none of them or unknown.
    """

    model: str
    cores: int
    kind: str

    def __str__(self) -> str:
        limit = {"AMX": "AMX", "": "no AVX2"}.get(self.kind, f"{self.kind}, no AMX")
        return f"{self.cores} core{'s' * (self.cores > 1)} of {self.model}, {limit}"


def this_cpu(info: Path = Path("/proc/cpuinfo")) -> Cpu:
    """The CPU of this machine; without Linux's list its architecture alone."""
    text = info.read_text(encoding="utf-8", errors="replace") if info.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.+)$", text, re.MULTILINE)
    known = " ".join(model[1].split()) if model else platform.machine()
    return Cpu(known, _cores(), kind_of(set(flags[1].split()) if flags else set()))


def kind_of(flags: Set[str]) -> str:
    """The widest kind of these flags."""
    return next((kind for kind, flag in KINDS.items() if flag in flags), "")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""What a job used, as the last line of its log.

Snakemake's `benchmarks/` have the seconds of a job, but no CPU time to rely on: it samples the process now and then,
and what the process uses after the last sample is lost.
"""

from __future__ import annotations

import importlib
import re
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

LINE = re.compile(r"used (\d+\.\d+) CPU-seconds, (\d+) MB$")

INTERVAL = 10
"""Seconds between Snakemake's samples of a job in its first minutes, in the place of half a second."""


def sample_rarely() -> None:
    """Let Snakemake sample its jobs every `INTERVAL`, where this process is Snakemake's.

    A sample of a fork takes 40 ms of CPU: the kernel walks all the memory that it shares with other forks. Every half
    second, samples took a tenth of the CPU-seconds of short jobs, for numbers that a job writes itself.
    """
    if "snakemake" in sys.modules:
        importlib.import_module("snakemake.benchmark").BENCHMARK_INTERVAL_SHORT = INTERVAL


@dataclass(frozen=True)
class Usage:
    """What a process and those that it started used.

    Attributes:
        cpu: seconds of all cores, for the user and the system.
        memory: peak of the largest of these processes, in MB.
    """

    cpu: float
    memory: float

    def __str__(self) -> str:
        return f"used {self.cpu:.2f} CPU-seconds, {self.memory:.0f} MB"


def used() -> Usage:
    """What this process and those that it waited for have used since they began; a fork begins at the fork."""
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = sum(each.ru_utime + each.ru_stime for each in (own, others))
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return Usage(cpu, max(_own_peak(own.ru_maxrss / unit), others.ru_maxrss / unit))


def _own_peak(known: float, status: Path = Path("/proc/self/status")) -> float:
    """Peak memory of this process in MB. On Linux `ru_maxrss`, here `known`, is that of its parent if larger."""
    match = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(), re.MULTILINE) if status.exists() else None
    return int(match[1]) * 1.024e-3 if match else known


def read_usage(log: Path) -> Usage | None:
    """What the job of a log used; None where it has no such line: the job failed, or is of an earlier version."""
    try:
        last = log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
    except OSError:
        return None
    match = LINE.search(last)
    return Usage(float(match[1]), float(match[2])) if match else None

"""What a job used, as the last line of its log.

Snakemake's `benchmarks/` have the seconds of a job, but no CPU time to rely on: it looks at the process every half
second during the first 15 s and every 30 s from then on, and what the process uses after the last look is lost. Of a
job of 40 s that is 25 s.
"""

from __future__ import annotations

import re
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

LINE = re.compile(r"used (\d+\.\d+) CPU-seconds, (\d+) MB$")


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

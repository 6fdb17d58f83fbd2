"""How fast the CPU of this machine multiplies matrices, in a second: most of a run without a GPU is that.

    python -m t2ipal.costs.speed

prints the speed of the core that it runs on. `gflops` runs one of these per core at once: a run has all cores at work.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import mean, median
from subprocess import DEVNULL, PIPE

SIDE = 512
"""Of the matrices; three of them fit into a core's cache."""
SECONDS = 0.05
"""Of a measurement."""
REPEATS = 5


def gflops(cores: int) -> float:
    """Billions of operations per second of a core in float32, while `cores` of them compute; 0 if not known."""
    command = [sys.executable, "-m", "t2ipal.costs.speed"]
    one = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    jobs = [subprocess.Popen(command, stdout=PIPE, stderr=DEVNULL, text=True, env=one) for _ in range(cores)]
    texts = [job.communicate()[0] for job in jobs]
    return mean(map(float, texts)) if not any(job.returncode for job in jobs) else 0.0


def measure() -> float:
    """The same of this core, by its CPU time: what else runs on the machine takes no part. The median of `REPEATS`."""
    import numpy as np

    left, right = np.random.default_rng(0).standard_normal((2, SIDE, SIDE), dtype=np.float32)
    left @ right
    speeds = []
    for _ in range(REPEATS):
        products, started = 0, time.thread_time()
        while (passed := time.thread_time() - started) < SECONDS:
            left @ right
            products += 1
        speeds.append(2e-9 * SIDE**3 * products / passed)
    return median(speeds)


if __name__ == "__main__":
    print(measure())

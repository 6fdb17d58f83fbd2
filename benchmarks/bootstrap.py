"""Seconds of the paired bootstrap of one seed's mAP, against a loop over scikit-learn on some of the resamples.

    python benchmarks/bootstrap.py [--images N] [--classes C] [--replicates B]

Without options it measures the size of the embedded default and that of COCO's test set, on one core.
"""

from __future__ import annotations

import argparse
import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))  # before NumPy

import resource
import time
from collections.abc import Callable

import numpy as np
from sklearn.metrics import average_precision_score

from t2ipal.metrics.bootstrap import bootstrap_map, resample_counts

REPLICATES = 500
"""Resamples in the default config."""
SIZES = ((2000, 20), (40_000, 80))
POSITIVE = 0.05
COMPARED = 2
"""Resamples that scikit-learn is timed on; its time for all of them is scaled up from these."""


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int)
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--replicates", type=int, default=REPLICATES)
    options = parser.parse_args()
    sizes = [(options.images, options.classes)] if options.images else SIZES
    columns = ("images", "classes", "resamples", "sample s", "mAP s", "sklearn s", "peak MB")
    print(" ".join(f"{column:>9}" for column in columns))
    for images, classes in sizes:
        values = measure(images, classes, options.replicates)
        print(" ".join(f"{value:>9}" for value in (images, classes, options.replicates, *values)), flush=True)


def measure(images: int, classes: int, replicates: int) -> tuple[str, ...]:
    """Seconds of sampling, of the mAP of all resamples, of scikit-learn for the same (scaled up), and peak memory."""
    random = np.random.default_rng(0)
    labels = random.random((images, classes)) < POSITIVE
    scores = random.standard_normal((images, classes)).astype(np.float32) + labels
    started = time.perf_counter()
    counts = resample_counts(images, replicates, 0)
    sampling = time.perf_counter() - started
    repeats = 3 if images * classes < 1_000_000 else 1
    ours = min(seconds(lambda: bootstrap_map(scores, labels, counts)) for _ in range(repeats))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    plain = seconds(lambda: [_plain(scores, labels, weights) for weights in counts[:COMPARED]])
    return f"{sampling:.3f}", f"{ours:.3f}", f"{plain * replicates / COMPARED:.0f}", f"{peak:.0f}"


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _plain(scores: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    values = [average_precision_score(y, s, sample_weight=weights) for y, s in zip(labels.T, scores.T, strict=True)]
    return float(np.mean(values))


if __name__ == "__main__":
    main()

"""Coverage of 95 % bootstrap intervals of mAP and of a difference of two systems' mAP, on small test sets.

    python benchmarks/intervals.py [--repeats R] [--images N ...] [--features FILE]

It samples test sets from a known population, makes each kind of interval from the package's bootstrap, and counts how
often an interval contains the true value. There are two true values: the expected mAP of test sets of this size, and
the mAP of an infinite test set, which differs where classes have few positives.

Without --features the population is simulated: 20 classes, each with 2 to 20 expected positives, and three systems:
the first, another as good, and a better one. With --features it is the images of the file (CLIP features `image` and
`text`, `classes` [C, D], `labels` [N, C]) with noise on their scores, so that a repeated image is a similar one. The
three systems are then zero-shot CLIP on images, on their captions, and the mean of both.
"""

from __future__ import annotations

import argparse
import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))  # before NumPy

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from t2ipal.metrics.bootstrap import bootstrap_map, resample_counts
from t2ipal.metrics.evaluate import mean_average_precision
from t2ipal.metrics.interval import centred_interval

SIZES = (100, 250, 1000)
RESAMPLES = 500
"""As in the default config."""
EXPECTED = 4
"""Test sets per repeat that only the expected mAP is measured on."""
INFINITE = 40_000
"""Images that stand for an infinite test set."""
TAILS = (0.025, 0.975)
STATISTICS = ((0, None), (1, 0), (2, 0))
"""The system, and the one that is subtracted."""
SIMULATED = ("mAP", "difference, equally good", "difference, better")
REAL = ("mAP of images", "captions minus images", "mean minus images")
"""Names of the statistics."""

TestSet = tuple[np.ndarray, list[np.ndarray]]
"""Labels [N, C], and the scores [N, C] of each system."""
Sample = Callable[[np.random.Generator, int], TestSet]
Interval = tuple[float, float]


def percentile(estimate: float, resamples: np.ndarray, acceleration: float) -> Interval:
    """The percentiles of the resamples."""
    return tuple(np.quantile(resamples, TAILS))


def centred(estimate: float, resamples: np.ndarray, acceleration: float) -> Interval:
    """The percentiles, shifted so that the resamples' mean is the estimate: what the package uses."""
    return centred_interval(estimate, resamples)


def basic(estimate: float, resamples: np.ndarray, acceleration: float) -> Interval:
    """The percentiles, mirrored at the estimate."""
    low, high = np.quantile(resamples, TAILS)
    return 2 * estimate - high, 2 * estimate - low


def bias_corrected(estimate: float, resamples: np.ndarray, acceleration: float) -> Interval:
    """BC: other percentiles, by the share of the resamples below the estimate."""
    return accelerated(estimate, resamples, 0.0)


def accelerated(estimate: float, resamples: np.ndarray, acceleration: float) -> Interval:
    """BCa: BC, corrected for a variance that changes with the true value."""
    normal, count = NormalDist(), len(resamples)
    below = ((resamples < estimate).sum() + (resamples <= estimate).sum()) / 2
    bias = normal.inv_cdf(min(max(below, 0.5), count - 0.5) / count)
    moved = [bias + normal.inv_cdf(tail) for tail in TAILS]
    return tuple(np.quantile(resamples, [normal.cdf(bias + z / (1 - acceleration * z)) for z in moved]))


KINDS: dict[str, Callable[[float, np.ndarray, float], Interval]] = {
    "percentile": percentile,
    "centred": centred,
    "basic": basic,
    "BC": bias_corrected,
    "BCa": accelerated,
}


def acceleration_of(influence: np.ndarray) -> float:
    """BCa's acceleration, from the influence of each image."""
    return float((influence**3).sum() / (6 * (influence**2).sum() ** 1.5))


def influence_on_map(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The derivative of mAP (percent) by the weight of each image, [N], for scores without ties."""
    total = np.zeros(len(scores))
    for column, positive in zip(scores.T, labels.T == 1, strict=True):
        order = np.argsort(-column)
        hit = positive[order].astype(float)
        seen, hits = np.arange(1.0, len(hit) + 1), np.cumsum(hit)
        precision = hits / seen
        average = (hit * precision).sum() / hit.sum()
        # a weight counts in the precision at each positive of its rank or a later one
        later = [np.cumsum((hit * part)[::-1])[::-1] for part in (1 / seen, precision / seen)]
        total[order] += (hit * (precision - average) + hit * later[0] - later[1]) / hit.sum()
    return 100 * total / scores.shape[1]


def simulated(seed: int, images: int, classes: int = 20) -> Sample:
    """A population of images whose scores are normal: positives score higher, by another distance for each class."""
    chance = np.random.default_rng([seed, images])
    share = np.exp(chance.uniform(math.log(2), math.log(20), classes)) / images
    distance = chance.normal(2.0, 0.5, classes)

    def sample(random: np.random.Generator, count: int) -> TestSet:
        labels = np.zeros((count, classes), dtype=np.int8)
        while (missing := ~labels.any(0)).any():  # a class without positives has no average precision
            labels[:, missing] = random.random((count, missing.sum())) < share[missing]
        shared = math.sqrt(0.9) * random.standard_normal((count, classes))
        shared += math.sqrt(0.1) * random.standard_normal((count, 1))
        own = random.standard_normal((2, count, classes))
        noise = [shared, *(0.8 * shared + 0.6 * part for part in own)]
        return labels, [
            part + labels * distance + labels * better for part, better in zip(noise, (0, 0, 0.25), strict=True)
        ]

    return sample


def real(path: Path, images: int) -> Sample:
    """A population of the images of a file, by their zero-shot scores with a little noise.

    Its classes are those that test sets of this size seldom lack: 3 positives are expected.
    """
    with np.load(path) as data:
        names, labels = data["classes"], data["labels"]
        systems = [data[part] @ names.T for part in ("image", "text")]
    kept = labels.mean(0) * images >= 3
    labels = labels[:, kept]
    systems = [(scores[:, kept] - scores[:, kept].mean()) / scores[:, kept].std() for scores in systems]
    systems.append((systems[0] + systems[1]) / 2)

    def sample(random: np.random.Generator, count: int) -> TestSet:
        while True:
            rows = random.integers(len(labels), size=count)
            if labels[rows].any(0).all():
                noise = 0.2 * random.standard_normal((count, labels.shape[1]))
                return labels[rows], [scores[rows] + noise for scores in systems]

    return sample


class Trial(NamedTuple):
    """What one test set says of one statistic: the estimate, the resamples' mean, and an interval of each kind."""

    estimate: float
    mean: float
    intervals: dict[str, Interval]


def trials(test_set: TestSet, seed: int) -> list[Trial]:
    """A trial for each of STATISTICS."""
    labels, systems = test_set
    counts = resample_counts(len(labels), RESAMPLES, seed)
    estimates = [mean_average_precision(scores, labels) for scores in systems]
    resamples = [bootstrap_map(scores, labels, counts).astype(np.float64) for scores in systems]
    influences = [influence_on_map(scores, labels) for scores in systems]
    found = []
    for left, right in STATISTICS:
        estimate, values, influence = (
            part[left] - (0 if right is None else part[right]) for part in (estimates, resamples, influences)
        )
        acceleration = acceleration_of(influence)
        intervals = {name: kind(estimate, values, acceleration) for name, kind in KINDS.items()}
        found.append(Trial(estimate, values.mean(), intervals))
    return found


def study(sample: Sample, names: Sequence[str], images: int, repeats: int, seed: int) -> list[list[str]]:
    """A row for each statistic: its spread and bias, and the coverage of each kind of interval for both true values."""
    random = np.random.default_rng([seed, images])
    infinite = [_maps(sample(random, INFINITE)) for _ in range(5)]
    expected = [_maps(sample(random, images)) for _ in range(EXPECTED * repeats)]
    every = [trials(sample(random, images), repeat) for repeat in range(repeats)]
    rows = []
    for place, (name, (left, right)) in enumerate(zip(names, STATISTICS, strict=True)):
        found = [each[place] for each in every]
        at_infinity, at_size = (
            np.mean([maps[left] - (0 if right is None else maps[right]) for maps in many])
            for many in (infinite, expected)
        )
        estimates = np.array([trial.estimate for trial in found])
        bias = np.mean([trial.mean - trial.estimate for trial in found])
        row = [name, f"{at_size:.1f}", f"{estimates.std():.1f}", f"{at_size - at_infinity:+.1f}", f"{bias:+.1f}"]
        for true in (at_size, at_infinity):
            for kind in KINDS:
                inside = [trial.intervals[kind][0] <= true <= trial.intervals[kind][1] for trial in found]
                row.append(f"{100 * np.mean(inside):.1f}")
        rows.append(row)
    return rows


def _maps(test_set: TestSet) -> list[float]:
    labels, systems = test_set
    return [mean_average_precision(scores, labels) for scores in systems]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the study and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000, help="test sets of each size")
    parser.add_argument("--images", type=int, nargs="+", default=SIZES, help="sizes of the test sets")
    parser.add_argument("--features", type=Path, help="a .npz file of CLIP features and labels")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    head = ["images", "statistic", "expected", "deviation", "bias", "bootstrap bias"]
    head += [f"{kind}, {true}" for true in ("this size", "infinite") for kind in KINDS]
    print("", *head, "", sep=" | ")
    print("|", "---|" * len(head), sep="")
    population = partial(real, options.features) if options.features else partial(simulated, options.seed)
    names = REAL if options.features else SIMULATED
    for images in options.images:
        for row in study(population(images), names, images, options.repeats, options.seed):
            print("", images, *row, "", sep=" | ", flush=True)


if __name__ == "__main__":
    main()

"""Choosing settings of methods on validation images, by one grid that can be run again."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from t2ipal.metrics.evaluate import average_precision
from t2ipal.runtime.frame import framed
from t2ipal.store import read_parquet
from t2ipal.training.train import fit

if TYPE_CHECKING:
    from t2ipal.backbones.base import ImageTextEncoder
    from t2ipal.features.cache import ImageFeatures
    from t2ipal.methods.base import Method, MethodSettings
    from t2ipal.rows.data import TrainingData


def grid(values: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every choice of one value per setting, in the order of the keys."""
    return [dict(zip(values, choice, strict=True)) for choice in product(*values.values())]


def try_all(
    values: Mapping[str, Sequence[Any]],
    then: Mapping[str, Sequence[Any]],
    attempt: Callable[[dict[str, Any]], dict[str, Any]],
    report: Callable[[int, int], None],
) -> list[dict[str, Any]]:
    """The rows of all points, the best first.

    Args:
        values: the grid, every choice of which is tried.
        then: values that are tried with the best of the grid, one setting at a time.
        attempt: from a point to its row, with `mAP`.
        report: called after each attempt with its number and that of all.
    """
    tried: list[tuple[dict[str, Any], dict[str, Any]]] = []
    count = len(grid(values)) + sum(map(len, then.values()))

    def try_each(points: Sequence[dict[str, Any]]) -> None:
        for point in points:
            tried.append((point, attempt(point)))
            report(len(tried), count)
        tried.sort(key=lambda pair: -pair[1]["mAP"])

    try_each(grid(values))
    best = tried[0][0]
    try_each([{**best, key: value} for key, choices in then.items() for value in choices])
    return [row for _, row in tried]


def try_settings(
    method: type[Method],
    settings: MethodSettings,
    point: Mapping[str, Any],
    backbone: ImageTextEncoder,
    spec: Mapping[str, Any],
    data: TrainingData,
    images: ImageFeatures,
    labels: np.ndarray,
) -> dict[str, Any]:
    """Train once and measure on validation images: a row with the point and its mean AP over seeds.

    Args:
        method, settings: what is trained.
        point: the settings that are tried, as they are recorded.
        backbone: the frozen model.
        spec: method, protocol, level, seeds, classes.
        data: the training rows, with what the protocol reveals of them.
        images: the validation images.
        labels: [N, C] of the scored classes.
    """
    tensors, history = fit(method, settings, backbone, spec["classes"], data, spec["seeds"])
    scores = method(settings, spec["classes"]).scores(tensors, images).numpy()
    precisions = [float(average_precision(seed, labels).mean()) for seed in scores]
    seconds = sum({row["epoch"]: row["seconds"] for row in history}.values())
    about = {name: spec[name] for name in ("method", "protocol", "level")}
    return about | {
        "set": json.dumps(dict(point), sort_keys=True),
        "mAP": float(np.mean(precisions)),
        "seconds": seconds,
    }


def table(paths: Sequence[str]) -> str:
    """All that was tried, best first by method, as a Markdown table."""
    lines = ["| method | at | tried | validation mAP | s |", "|---|---|---|---:|---:|"]
    units = {
        "partial": "{} % of the labels",
        "few_shot": "{} shots",
        "novel": "{} shots, novel classes",
        "": "all rows",
    }
    for path in paths:
        for row in read_parquet(path).to_pylist():
            tried = ", ".join(f"`{key}` {value}" for key, value in json.loads(row["set"]).items())
            at = units[row["protocol"]].format(row["level"])
            lines.append(f"| `{row['method']}` | {at} | {tried} | {row['mAP']:.2f} | {row['seconds']:.0f} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables of searches; the exit code is 1 where a file is missing or is none."""
    parser = argparse.ArgumentParser(prog="python -m t2ipal.training.search", description=table.__doc__)
    parser.add_argument("files", nargs="+", help="results/{name}/search/{clip}/{dataset}/*.parquet")
    options = parser.parse_args(arguments)
    return framed(lambda: print(table(options.files), end=""))


if __name__ == "__main__":
    sys.exit(main())

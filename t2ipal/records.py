"""Metric records: one row per run and seed, all that a table or a figure needs to know of it."""

from __future__ import annotations

import json
import resource
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from t2ipal.errors import UserError

Record = Mapping[str, Any]
"""Keys: those of KEY, seed, mAP, ap (percent, one per class), bootstrap (mAP of each resample), settings, ..."""

KEY = ("dataset", "method", "variant", "level")
"""What names a run's records: level is 0 without labels, the percentage of known labels, or the number of shots."""
READ = (*KEY, "seed", "mAP", "ap", "bootstrap", "settings")
"""The columns that tables and figures need."""
RunKey = tuple[str, str, str, int]

PACKAGES = ("t2ipal", "torch", "clip-anytorch", "diffusers", "transformers", "torchmetrics", "numpy")


def make_records(
    key: RunKey,
    seeds: Sequence[int],
    metrics: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    seconds: float,
) -> list[dict[str, Any]]:
    """One record per seed.

    Args:
        key: dataset, method, variant, level.
        seeds: the seeds, in the order of `metrics`.
        metrics: what was measured for each seed, at least mAP, ap and bootstrap.
        settings: all settings of the run.
        seconds: of the run's training, all seeds together.
    """
    shared = {"settings": json.dumps(settings, sort_keys=True), "seconds": float(seconds), "peak_mb": peak_memory()}
    shared["versions"] = json.dumps(versions(), sort_keys=True)
    named = dict(zip(KEY, key, strict=True))
    return [named | {"seed": seed} | dict(values) | shared for seed, values in zip(seeds, metrics, strict=True)]


def read_records(paths: Iterable[str | Path]) -> list[dict[str, Any]]:
    """The records of metrics.parquet files; settings and versions as mappings."""
    from t2ipal.store import read_parquet

    rows = [row for path in paths for row in read_parquet(path, READ).to_pylist()]
    return [row | {"settings": json.loads(row["settings"])} for row in rows]


def by_run(records: Iterable[Record]) -> dict[RunKey, list[Record]]:
    """The records of each run and level, by seed.

    Raises:
        UserError: a seed twice in a run.
    """
    runs: dict[RunKey, list[Record]] = defaultdict(list)
    for record in records:
        runs[tuple(record[name] for name in KEY)].append(record)
    for key, rows in runs.items():
        rows.sort(key=lambda row: row["seed"])
        if len({row["seed"] for row in rows}) < len(rows):
            raise UserError(f"metrics of {_named(key)}: a seed is there twice; expected each once")
    return dict(runs)


def run_of(runs: Mapping[RunKey, Sequence[Record]], key: RunKey, what: str) -> Sequence[Record]:
    """The records of the run and level `key`.

    Raises:
        UserError: there are none; `what` names the table or figure that needs them.
    """
    if not runs.get(key):
        raise UserError(f"{what}: no metrics of {_named(key)}; expected runs/{'/'.join(key[:3])}/metrics.parquet")
    return runs[key]


def _named(key: RunKey) -> str:
    *run, level = key
    return f"run {'/'.join(map(str, run))}" + (f" at level {level}" if level else "")


def peak_memory() -> float:
    """Peak resident memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    found = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

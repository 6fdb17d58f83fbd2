"""Metric records: one row per run and seed, all that a table or a figure needs to know of it."""

from __future__ import annotations

import json
import resource
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.errors import UserError
from t2ipal.version import VERSION

if TYPE_CHECKING:
    import pyarrow as pa

Record = Mapping[str, Any]
"""Keys: those of KEY, seed, mAP, ap (percent, one per class), bootstrap (mAP of each resample), settings, ..."""

KEY = ("dataset", "method", "variant", "level")
"""What names a run's records: level is 0 without labels, the percentage of known labels, or the number of shots."""
READ = (*KEY, "seed", "mAP", "ap", "bootstrap", "own_metric", "own", "settings")
"""The columns that tables and figures need."""
RunKey = tuple[str, str, str, int]

PACKAGES = ("torch", "clip-anytorch", "diffusers", "transformers", "torchmetrics", "numpy")


def record_schema() -> pa.Schema:
    """Columns of metrics.parquet."""
    import pyarrow as pa

    text, number, numbers = pa.string(), pa.float64(), pa.list_(pa.float64())
    names = ("CF1", "OF1", "threshold", "CF1_top3", "OF1_top3")
    columns = [*((name, text) for name in KEY[:3]), ("level", pa.int64()), ("seed", pa.int64()), ("mAP", number)]
    columns += [("ap", numbers), *((name, number) for name in names), ("own_metric", text), ("own", number)]
    columns += [("bootstrap", pa.list_(pa.float32()))]
    return pa.schema([*columns, ("settings", text), ("versions", text), ("seconds", number), ("peak_mb", number)])


def write_records(
    path: str | Path,
    key: tuple[str, str, str],
    metrics: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    cost: Mapping[int, tuple[float, float]],
) -> None:
    """Write one record per level and seed.

    Args:
        path: a metrics.parquet.
        key: dataset, method, variant.
        metrics: what was measured of each model: at least level, seed, mAP and ap.
        settings: all settings of the run.
        cost: seconds of training, all seeds together, and its peak memory in MB, by level; none for a run without.
    """
    import pyarrow as pa

    from t2ipal.store import write_parquet

    shared = dict(zip(KEY[:3], key, strict=True))
    about = {"settings": json.dumps(settings, sort_keys=True), "versions": json.dumps(versions(), sort_keys=True)}
    records = []
    for values in metrics:
        seconds, peak = cost.get(values["level"], (None, None))
        records.append(shared | dict(values) | about | {"seconds": seconds, "peak_mb": peak})
    write_parquet(pa.Table.from_pylist(records, record_schema()), path)


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
    """Versions of Python, of this project, and of the packages that numbers depend on."""
    found = {"python": sys.version.split()[0], "t2ipal": VERSION}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found

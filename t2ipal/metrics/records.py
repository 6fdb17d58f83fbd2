"""Metric records: one row per run and seed, all that a table or a figure needs of it."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.errors import UserError
from t2ipal.metrics.registry import DEFAULT, METRICS
from t2ipal.version import VERSION

if TYPE_CHECKING:
    import pyarrow as pa

Record = Mapping[str, Any]
"""Keys: those of KEY, seed, ap (percent, one per class), settings, and for each metric its name (the value) and its
`bootstrap_column` (the value on each resample). A metric that needs a threshold is None without validation images."""

KEY = ("dataset", "method", "variant", "level")
"""What names a run's records: level is 0 without labels, the percentage of known labels, or the number of shots."""
READ = (*KEY, "seed", "ap", "own_metric", "own", "settings")
"""The columns that tables and figures need besides those of their metric."""
VALIDATION_MAP = "validation_mAP"
"""The column of the mAP on validation images, None without them: what a choice among runs may look at."""
RecordKey = tuple[str, str, str, int]

PACKAGES = ("torch", "clip-anytorch", "diffusers", "transformers", "torchmetrics", "numpy")
"""Packages that numbers depend on, besides this one."""


def record_schema() -> pa.Schema:
    """Columns of metrics.parquet."""
    import pyarrow as pa

    text, number, numbers, resamples = pa.string(), pa.float64(), pa.list_(pa.float64()), pa.list_(pa.float32())
    values = dict.fromkeys(METRICS, number)
    columns = {**dict.fromkeys(KEY[:3], text), "level": pa.int64(), "seed": pa.int64()}
    columns |= {DEFAULT: values.pop(DEFAULT), "ap": numbers, "threshold": number, **values}
    columns |= {VALIDATION_MAP: number}
    columns |= {"own_metric": text, "own": number}
    columns |= {metric.bootstrap_column: resamples for metric in METRICS.values()}
    columns |= {"settings": text, "versions": text, "seconds": number, "peak_mb": number}
    return pa.schema(columns)


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
        metrics: what was measured of each model, from `t2ipal.metrics.measure.measure`.
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


def read_records(
    paths: Iterable[str | Path], metrics: Sequence[str] = (DEFAULT,), validation: bool = False
) -> list[dict[str, Any]]:
    """The records of metrics.parquet files with the columns of `metrics`; settings as a mapping.

    With `validation`, the mAP on validation images too.
    """
    from t2ipal.store import read_parquet

    columns = [*READ, *([VALIDATION_MAP] if validation else ())]
    columns += [column for name in metrics for column in (name, METRICS[name].bootstrap_column)]
    rows = [row for path in paths for row in read_parquet(path, columns).to_pylist()]
    return [row | {"settings": json.loads(row["settings"])} for row in rows]


def by_run(records: Iterable[Record], seeds: Collection[int] = ()) -> dict[RecordKey, list[Record]]:
    """The records of each run and level, by seed; those of `seeds` alone, if any are named.

    Raises:
        UserError: a seed twice in a run.
    """
    runs: dict[RecordKey, list[Record]] = defaultdict(list)
    for record in records:
        if seeds and record["seed"] not in seeds:
            continue
        runs[tuple(record[name] for name in KEY)].append(record)
    for key, rows in runs.items():
        rows.sort(key=lambda row: row["seed"])
        if len({row["seed"] for row in rows}) < len(rows):
            raise UserError(f"metrics of {_named(key)}: a seed is there twice; expected each once")
    return dict(runs)


def run_of(runs: Mapping[RecordKey, Sequence[Record]], key: RecordKey, what: str) -> Sequence[Record]:
    """The records of the run and level `key`.

    Raises:
        UserError: there are none; `what` names the table or figure that needs them.
    """
    if not runs.get(key):
        raise UserError(f"{what}: no metrics of {_named(key)}; expected runs/{'/'.join(key[:3])}/metrics.parquet")
    return runs[key]


def _named(key: RecordKey) -> str:
    *run, level = key
    return f"run {'/'.join(map(str, run))}" + (f" at level {level}" if level else "")


def versions() -> dict[str, str]:
    """Versions of Python, of t2ipal and of the packages that numbers depend on; a missing package is left out."""
    known = {"python": sys.version.split()[0], "t2ipal": VERSION}
    for name in PACKAGES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            continue
    return known

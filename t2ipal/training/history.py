"""The course of a training: losses by level, seed and epoch, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from t2ipal.rows import KINDS

if TYPE_CHECKING:
    import pyarrow as pa

LOSSES = ("loss", *(kind.loss for kind in KINDS.values()))
"""The loss, and the parts of it that a method has: one for each kind of rows."""


def history_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The training history as a table; without rows for a method that trains nothing."""
    import pyarrow as pa

    numbers = (*LOSSES, "lr", "seconds", "peak_mb")
    keys = [("level", pa.int64()), ("seed", pa.int64()), ("epoch", pa.int32())]
    return pa.Table.from_pylist(list(rows), pa.schema([*keys, *((name, pa.float64()) for name in numbers)]))


def training_cost(history: pa.Table) -> dict[int, tuple[float, float]]:
    """By level: seconds of all epochs, each of which has a row per seed, and the peak memory in MB."""
    seconds: dict[tuple[int, int], float] = {}
    peak: dict[int, float] = {}
    for row in history.select(["level", "epoch", "seconds", "peak_mb"]).to_pylist():
        seconds[row["level"], row["epoch"]] = row["seconds"]
        peak[row["level"]] = max(peak.get(row["level"], 0.0), row["peak_mb"])
    return {level: (sum(s for (at, _), s in seconds.items() if at == level), mb) for level, mb in peak.items()}

"""The images of a shard that are not to be used, as a small table of their own: training reads it, not the images."""

from __future__ import annotations

from pathlib import Path

from t2ipal.store import read_parquet, write_parquet


def write_flagged(shard: str | Path, path: str | Path) -> int:
    """Write caption_id, sample and flag of a shard's black, NaN and flagged images; return their number."""
    import pyarrow.compute as pc

    table = read_parquet(shard, ["caption_id", "sample", "flag"]).replace_schema_metadata()
    table = table.filter(pc.not_equal(table["flag"], ""))
    write_parquet(table, path)
    return table.num_rows

"""Counts of the safety policy: images generated, retried with another seed, and left out in the end."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from t2ipal.images.generate import image_seed
from t2ipal.store import read_parquet

FLAGS = ("black", "nan", "flagged", "missing", "broken")
COLUMNS = ("sample", "images", "retried", *FLAGS)


def tally(shards: Iterable[str | Path], seed: int) -> list[dict[str, int]]:
    """Counts by sample: images; `retried`, whose first seed gave a bad image; the bad ones by flag.

    An image was retried if its seed is not the first one of its caption and sample; one that existed has none.

    Args:
        shards: files of generated images.
        seed: the config's global seed.
    """
    counts: dict[int, Counter[str]] = {}
    for shard in shards:
        for row in read_parquet(shard, ["caption_id", "sample", "seed", "flag"]).to_pylist():
            of_sample = counts.setdefault(row["sample"], Counter())
            of_sample["images"] += 1
            of_sample["retried"] += row["seed"] not in (None, image_seed(seed, row["caption_id"], row["sample"]))
            if row["flag"]:
                of_sample[row["flag"]] += 1
    return [{"sample": sample, **{name: counts[sample][name] for name in COLUMNS[1:]}} for sample in sorted(counts)]


def tally_csv(rows: Iterable[Mapping[str, int]]) -> str:
    """The counts as a CSV file."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def tally_line(text: str) -> str:
    """The counts of a CSV file in one line: "9 images, 2 of them generated again with another seed; left out: 0"."""
    rows = list(csv.DictReader(io.StringIO(text)))
    sums = {name: sum(int(row[name]) for row in rows) for name in COLUMNS[1:]}
    kinds = [f"{sums[name]:,} {name}" for name in FLAGS if sums[name]]
    left = f"{sum(sums[name] for name in FLAGS):,}" + (f" ({', '.join(kinds)})" if kinds else "")
    return f"{sums['images']:,} images, {sums['retried']:,} of them generated again with another seed; left out: {left}"

"""Counts of generated images: what was retried, and what was left out."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from t2ipal.images.flagged import write_flagged
from t2ipal.images.generate import image_seed, shard_schema
from t2ipal.images.tally import tally, tally_csv, tally_line
from t2ipal.rows.synthetic import read_flagged
from t2ipal.store import read_parquet, write_parquet


def shard(path: Path, rows: list[tuple[str, int, int, str]], seed: int = 3) -> Path:
    """A shard of (caption id, sample, retry, flag)."""
    schema = shard_schema()
    table = [
        {
            "caption_id": caption,
            "sample": sample,
            "seed": image_seed(seed, caption, sample, retry),
            "image": {"bytes": b"x", "path": None},
            "width": 8,
            "height": 8,
            "flag": flag,
        }
        for caption, sample, retry, flag in rows
    ]
    write_parquet(pa.Table.from_pylist(table, schema), path)
    return path


def test_every_image_is_counted_once(tmp_path: Path) -> None:
    shards = [
        shard(tmp_path / "a", [("a", 0, 0, ""), ("b", 0, 1, ""), ("c", 0, 2, "flagged")]),
        shard(tmp_path / "b", [("d", 0, 2, "black"), ("e", 0, 0, "")]),
        shard(tmp_path / "c", [("a", 1, 0, ""), ("b", 1, 2, "nan")]),
    ]
    rows = tally(shards, 3)
    assert rows == [
        {"sample": 0, "images": 5, "retried": 3, "black": 1, "nan": 0, "flagged": 1, "missing": 0, "broken": 0},
        {"sample": 1, "images": 2, "retried": 1, "black": 0, "nan": 1, "flagged": 0, "missing": 0, "broken": 0},
    ]
    text = tally_csv(rows)
    assert text.splitlines()[0] == "sample,images,retried,black,nan,flagged,missing,broken"
    assert tally_line(text) == (
        "7 images, 4 of them generated again with another seed; left out: 3 (1 black, 1 nan, 1 flagged)"
    )


def test_nothing_left_out(tmp_path: Path) -> None:
    line = tally_line(tally_csv(tally([shard(tmp_path / "a", [("a", 0, 0, "")])], 3)))
    assert line == "1 images, 0 of them generated again with another seed; left out: 0"


def test_what_training_leaves_out_are_the_bad_images_and_no_good_one(tmp_path: Path) -> None:
    rows = [("a", 0, 0, ""), ("b", 0, 2, "flagged"), ("c", 0, 2, "black"), ("d", 0, 1, ""), ("e", 1, 2, "nan")]
    path = tmp_path / "flagged.parquet"
    assert write_flagged(shard(tmp_path / "shard.parquet", rows), path) == 3
    table = read_parquet(path)
    assert table.to_pylist() == [
        {"caption_id": caption, "sample": sample, "flag": flag} for caption, sample, _, flag in rows if flag
    ]
    assert table.schema.metadata is None
    assert read_flagged([path]) == {("b", 0), ("c", 0), ("e", 1)}

"""Caption pools by the settings of the config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from t2ipal.captions import coco, openimages, text
from t2ipal.captions.degrade import drop_words
from t2ipal.captions.id_list import read_ids
from t2ipal.captions.rows import Caption, Reject


def read_captions(pool: Mapping[str, Any], seed: int) -> Iterator[Caption | Reject]:
    """Yield every caption of a pool, in the order of its source: taken or rejected.

    Args:
        pool: `source` and its settings: micro {size}; coco {root, splits, captions, ids};
            openimages {path, split, captions}; text {path}. Of any source: `drop_words`, the chance of each word to be
            left out (default 0).
        seed: the global seed of draws.

    Raises:
        UserError: a file is missing or malformed.
        ValueError: no such source.
    """
    rows, rate = _source(pool, seed), pool.get("drop_words", 0.0)
    return drop_words(rows, rate, seed) if rate > 0 else rows


def _source(pool: Mapping[str, Any], seed: int) -> Iterator[Caption | Reject]:
    if pool["source"] == "micro":
        return micro_captions(pool["size"], seed)
    if pool["source"] == "coco":
        ids = read_ids(pool["ids"]) if pool.get("ids") else None
        return coco.read(pool["root"], pool["splits"], pool.get("captions", "one"), seed, ids=ids)
    if pool["source"] == "openimages":
        return openimages.read(pool["path"], pool.get("split", "train"), pool.get("captions", "all"), seed)
    if pool["source"] == "text":
        return text.read(pool["path"], pool.get("text_column"), pool.get("id_column"))
    raise ValueError(f"no caption source {pool['source']!r}")


def micro_captions(size: int, seed: int) -> Iterator[Caption]:
    """Yield captions of the micro world, each of a scene of its own that nothing else sees."""
    from t2ipal.micro.grammar import captions_of

    for index in range(size):
        (caption,) = captions_of("captions", index, n=1, seed=seed)
        yield Caption(f"micro-{index:07d}", None, caption.text, "micro")

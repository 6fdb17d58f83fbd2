"""Images that exist already, as a shard like that of generated ones: the same columns, the same checks, a row each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from t2ipal.errors import UserError
from t2ipal.images.checks import FLAT
from t2ipal.images.decoding import read_picture
from t2ipal.images.encode import encode, shrink
from t2ipal.images.generate import ROW_GROUP, Progress, shard_schema
from t2ipal.store import parquet_writer

if TYPE_CHECKING:
    from PIL.Image import Image

Key = tuple[str, int]
"""(caption_id, sample)"""
Content = bytes | Path
Opener = Callable[[], Content]
"""Called for the bytes of an image file, or for its path."""

WORKERS = 4
"""Threads that decode images."""
SIDE = 224
"""Pixels of what a model sees, about: a giant is decoded no larger than is needed for it."""
BLANK = 8
"""Pixels of the side of the black image in the row of a missing or broken one: a shard has an image in every row."""


@dataclass
class ExistingCounts:
    """Counts of a shard: `rows` images in all; `flags` counts those that are not used; `reasons` says why some are."""

    rows: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, str] = field(default_factory=dict)


def existing_shard(
    captions: Sequence[str],
    images: Mapping[Key, Opener],
    path: str | Path,
    *,
    sample: int,
    store_size: int | None = None,
    metadata: Mapping[str, Any] | None = None,
    on_progress: Progress | None = None,
) -> ExistingCounts:
    """Write one image per caption into one Parquet file, sorted by caption_id; its `seed` is null.

    An image is stored as its file has it, byte for byte. It is flagged as "missing", "broken" (it cannot be decoded)
    or "black" (one flat colour), and its row stays: rows in = rows out. `reasons` has the first by flag.

    Args:
        captions: ids of the shard.
        images: what is there, of any captions and samples.
        sample: which of the captions' images, from 0.
        store_size: pixels of the shorter side; a larger image is made smaller and stored as PNG.
        metadata: facts about the source.

    Raises:
        UserError: the file cannot be written.
    """
    import pyarrow as pa

    counts, schema = ExistingCounts(), shard_schema({**(metadata or {}), "sample": sample})
    jobs = iter([(caption, images.get((caption, sample))) for caption in sorted(captions)])
    with parquet_writer(path, schema) as writer, ThreadPoolExecutor(WORKERS) as pool:
        while group := list(islice(jobs, ROW_GROUP)):
            rows = list(pool.map(lambda job: _row(*job, sample, store_size), group))
            for row, reason in rows:
                if row["flag"]:
                    counts.flags[row["flag"]] += 1
                    counts.reasons.setdefault(row["flag"], f"image {sample} of caption {row['caption_id']!r}{reason}")
            writer.write_table(pa.Table.from_pylist([row for row, _ in rows], schema))
            counts.rows += len(rows)
            if on_progress:
                on_progress(counts.rows, len(captions))
    if counts.rows != len(captions):
        raise AssertionError(f"{path}: {len(captions)} captions in, {counts.rows} images out")
    return counts


def _row(caption: str, opener: Opener | None, sample: int, store_size: int | None) -> tuple[dict[str, Any], str]:
    """The row of an image, and the reason for its flag."""
    flag, reason, stored, width, height = "missing", "", _blank(), BLANK, BLANK
    if opener is not None:
        content = opener()
        where = f": {content}" if isinstance(content, Path) else ""
        try:
            stored, width, height, flag = _checked(content, store_size)
        except UserError as error:
            flag, reason = "broken", f"{where}: {error}"
        else:
            reason = where
    about = {"caption_id": caption, "sample": sample, "seed": None, "width": width, "height": height, "flag": flag}
    return about | {"image": {"bytes": stored, "path": None}}, reason


def _checked(content: Content, store_size: int | None) -> tuple[bytes, int, int, str]:
    """Bytes to store, width, height and flag of an image.

    Raises:
        UserError: it cannot be decoded.
    """
    picture = read_picture(content, max(store_size or 0, SIDE))
    flag = "black" if is_flat(picture.image) else ""
    if store_size and store_size < min(picture.width, picture.height):
        pixels = shrink(np.asarray(picture.image), store_size)
        return encode(pixels), pixels.shape[1], pixels.shape[0], flag
    return content if isinstance(content, bytes) else content.read_bytes(), picture.width, picture.height, flag


def is_flat(image: Image) -> bool:
    """Whether an RGB image is of one colour: no channel varies by more than the limit for generated images."""
    return all(high - low <= round(FLAT * 255) for low, high in image.getextrema())


@cache
def _blank() -> bytes:
    return encode(np.zeros((BLANK, BLANK, 3), np.uint8))


def shown_counts(counts: ExistingCounts) -> Iterator[str]:
    """A line for each flag: how many images have it, and the first of them."""
    for flag, number in sorted(counts.flags.items()):
        verb = "is" if number == 1 else "are"
        yield (
            f"{number:,} of {counts.rows:,} images {verb} {flag}; training leaves them out. The first: "
            f"{counts.reasons[flag]}"
        )

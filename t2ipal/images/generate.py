"""Drawing captions: seeds, shards, redraws, and the parquet file of a shard."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.errors import UserError
from t2ipal.images.checks import flags, to_uint8
from t2ipal.images.encode import encode, shrink, stored_size
from t2ipal.images.pipeline import Painter
from t2ipal.seeds import seed_of
from t2ipal.store import parquet_writer, read_parquet

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from torch import Tensor

    from t2ipal.images.settings import DrawSettings

ROW_GROUP = 256
"""Images per row group: what a shard holds in memory."""

ENCODERS = 2
"""Threads that turn pixels into files while the next batch is drawn."""

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""

Pixels = Callable[[], "np.ndarray"]
"""Called for [H, W, 3] uint8 pixels that may still be on their way from a device."""


@dataclass(frozen=True)
class Drawn:
    """One row of a shard: an encoded image, the seed that drew it, and what is wrong with it ("" for nothing)."""

    caption_id: str
    sample: int
    seed: int
    image: bytes
    width: int
    height: int
    flag: str
    redraws: int


@dataclass
class DrawCounts:
    """What happened in a shard. `rows` images in all; `redrawn` needed another seed; `flags` counts those still bad."""

    rows: int = 0
    redrawn: int = 0
    cut_prompts: int = 0
    flags: dict[str, int] = field(default_factory=dict)


def image_seed(seed: int, caption_id: str, sample: int, redraw: int = 0) -> int:
    """Seed of a caption's image: depends on nothing but these, so no shard, batch or restart can change an image.

    Args:
        seed: the global seed of draws.
        sample: which of the caption's images, from 0.
        redraw: 0 for the first try, then 1, 2, ... for the seeds that follow.
    """
    return seed_of("image", seed, caption_id, sample, *([redraw] if redraw else []))


def shard_of(caption_id: str, shards: int) -> int:
    """Shard in [0, shards) that draws a caption: a hash of its id, so other captions do not move it."""
    return seed_of("shard", caption_id) % shards


def read_shard(path: str | Path, shard: int, shards: int) -> list[tuple[str, str]]:
    """Read the (caption_id, text) rows of one shard from a generation list, sorted by id.

    Raises:
        UserError: the list is missing or damaged, or holds an id twice.
    """
    table = read_parquet(path, ["caption_id", "text"])
    ids = table["caption_id"].to_pylist()
    twice = [key for key, count in Counter(ids).items() if count > 1]
    if twice:
        raise UserError(f"{path}: caption_id {twice[0]!r} occurs more than once; expected unique ids")
    rows = zip(ids, table["text"].to_pylist(), strict=True)
    return sorted((key, text) for key, text in rows if shard_of(key, shards) == shard)


def generate(
    painter: Painter,
    captions: Sequence[tuple[str, str]],
    sample: int,
    seed: int,
    on_progress: Progress | None = None,
) -> Iterator[Drawn]:
    """Draw one image per (caption_id, text), in the order given.

    An image that is NaN, of one flat colour, or flagged by the safety checker is drawn again with its next seed, up to
    `settings.redraws` times. What is still bad then is kept with its flag, so rows in = rows out; training drops
    flagged rows and says how many.

    Args:
        sample: which of the captions' images, from 0.
        seed: the global seed of draws.
    """
    batch, total, done = painter.settings.batch, len(captions), 0
    with ThreadPoolExecutor(ENCODERS) as pool:
        waiting: list[tuple[Drawn, Future[bytes]]] = []
        for start in range(0, total, batch):
            chunk = captions[start : start + batch]
            drawn = [
                (row, pool.submit(_to_file, pixels, painter.settings))
                for row, pixels in _draw_batch(painter, chunk, sample, seed)
            ]
            yield from _finished(waiting)
            waiting = drawn
            done += len(chunk)
            if on_progress:
                on_progress(done, total)
        yield from _finished(waiting)


def _finished(waiting: Iterable[tuple[Drawn, Future[bytes]]]) -> Iterator[Drawn]:
    for row, image in waiting:
        yield Drawn(**{**row.__dict__, "image": image.result()})


def _to_file(pixels: Pixels, settings: DrawSettings) -> bytes:
    """File bytes of an image, in a thread of their own: here, too, one waits for the pixels."""
    return encode(shrink(pixels(), settings.store_size), settings.encoding, settings.quality)


def _to_host(images: Tensor) -> Callable[[], np.ndarray]:
    """Start to copy images off the device that drew them; call the answer for the copy.

    From a GPU they go to pinned memory while it draws on; whoever needs them waits for them alone.
    """
    import torch

    if images.device.type != "cuda":
        return images.cpu().numpy
    copy = torch.empty(images.shape, dtype=images.dtype, pin_memory=True).copy_(images, non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record()

    def wait() -> np.ndarray:
        arrived.synchronize()
        return copy.numpy()

    return wait


def _one(copy: Callable[[], np.ndarray], position: int) -> Pixels:
    return lambda: copy()[position]


def _draw_batch(
    painter: Painter, captions: Sequence[tuple[str, str]], sample: int, seed: int
) -> Iterator[tuple[Drawn, Pixels]]:
    """Draw a batch with its redraws; yield each row (its image still empty) with a call for its uint8 pixels."""
    images: dict[int, tuple[Pixels, str, int]] = {}
    size = (0, 0)
    todo = list(range(len(captions)))
    for redraw in range(painter.settings.redraws + 1):
        texts = [captions[index][1] for index in todo]
        seeds = [image_seed(seed, captions[index][0], sample, redraw) for index in todo]
        pixels, unsafe = painter.paint(texts, seeds)
        size = stored_size(*pixels.shape[1:3], painter.settings.store_size)
        copy = _to_host(to_uint8(pixels))
        for position, (index, problem) in enumerate(zip(todo, flags(pixels, unsafe), strict=True)):
            images[index] = (_one(copy, position), problem, redraw)
        todo = [index for index in todo if images[index][1]]
        if not todo:
            break
    for index, (caption_id, _) in enumerate(captions):
        picture, problem, redraw = images[index]
        used = image_seed(seed, caption_id, sample, redraw)
        yield Drawn(caption_id, sample, used, b"", size[1], size[0], problem, redraw), picture


def shard_schema(metadata: dict[str, Any] | None = None) -> pa.Schema:
    """Columns of a shard; `metadata` values are kept as JSON."""
    import pyarrow as pa

    return pa.schema(
        [
            ("caption_id", pa.string()),
            ("sample", pa.int16()),
            ("seed", pa.int64()),
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("flag", pa.string()),
        ],
        metadata={key: json.dumps(value) for key, value in (metadata or {}).items()},
    )


def draw_shard(
    painter: Painter,
    captions: Sequence[tuple[str, str]],
    path: str | Path,
    *,
    sample: int,
    seed: int,
    on_progress: Progress | None = None,
    opened: Callable[..., AbstractContextManager[Any]] = parquet_writer,
) -> DrawCounts:
    """Draw captions into one parquet file, sorted by caption_id; an interrupted shard leaves nothing behind.

    `opened` makes the writer of a path and a schema.

    Raises:
        UserError: most images are NaN or of one colour even after redraws, so the model, its dtype or its settings
            cannot be right; or the file cannot be written.
    """
    captions = sorted(captions)
    counts = DrawCounts(cut_prompts=painter.cut([text for _, text in captions]))
    problems: Counter[str] = Counter()
    facts = {"settings": painter.settings.deciding(), "dtype": str(painter.dtype), "sample": sample, "seed": seed}
    schema = shard_schema(facts)
    rows = generate(painter, captions, sample, seed, on_progress)
    with opened(path, schema) as writer:
        while group := list(islice(rows, ROW_GROUP)):
            writer.write_table(_table(group, schema))
            counts.rows += len(group)
            counts.redrawn += sum(row.redraws > 0 for row in group)
            problems.update(row.flag for row in group if row.flag)
            broken = problems["nan"] + problems["black"]
            if broken >= 8 and broken > counts.rows / 2:
                raise UserError(
                    f"text_to_image: {broken} of the first {counts.rows} images are NaN or one flat colour with"
                    f" model {painter.settings.model} in {painter.dtype}; try dtype: float32 or another solver"
                )
        if counts.rows != len(captions):
            raise AssertionError(f"{path}: {len(captions)} captions in, {counts.rows} images out")
    counts.flags = dict(sorted(problems.items()))
    return counts


def _table(rows: Sequence[Drawn], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    columns = {name: [getattr(row, name) for row in rows] for name in schema.names if name != "image"}
    columns["image"] = [{"bytes": row.image, "path": None} for row in rows]
    return pa.Table.from_pydict(columns, schema)

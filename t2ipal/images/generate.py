"""Generating images from captions: seeds, shards, retries, and the parquet file of a shard."""

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
from t2ipal.images.pipeline import ImageGenerator
from t2ipal.seeds import seed_of
from t2ipal.store import parquet_writer, read_parquet

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from torch import Tensor

    from t2ipal.images.settings import GenerationSettings

ROW_GROUP = 256
"""Images per row group: what a shard holds in memory."""

ENCODERS = 2
"""Threads that turn pixels into files while the next batch is generated."""

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""

Pixels = Callable[[], "np.ndarray"]
"""Called for [H, W, 3] uint8 pixels that may still be on their way from a device."""


@dataclass(frozen=True)
class GeneratedImage:
    """One row of a shard: an encoded image, its seed, and its flag ("" if the image is good)."""

    caption_id: str
    sample: int
    seed: int
    image: bytes
    width: int
    height: int
    flag: str
    retries: int


@dataclass
class GenerationCounts:
    """Counts of a shard: `rows` images in all; `retried` needed another seed; `flags` counts those still bad."""

    rows: int = 0
    retried: int = 0
    cut_prompts: int = 0
    flags: dict[str, int] = field(default_factory=dict)


def image_seed(seed: int, caption_id: str, sample: int, retry: int = 0) -> int:
    """Seed of a caption's image: a function of these alone, so no shard, batch or restart can change an image.

    Args:
        seed: the config's global seed.
        sample: which of the caption's images, from 0.
        retry: 0 for the first try, then 1, 2, ... for the next ones.
    """
    return seed_of("image", seed, caption_id, sample, *([retry] if retry else []))


def shard_of(caption_id: str, shards: int) -> int:
    """Shard in [0, shards) that generates a caption's images: a hash of its id, so other captions do not move it."""
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
    generator: ImageGenerator,
    captions: Sequence[tuple[str, str]],
    sample: int,
    seed: int,
    on_progress: Progress | None = None,
) -> Iterator[GeneratedImage]:
    """Generate one image per (caption_id, text), in the order given.

    An image that is NaN, of one flat colour, or flagged by the safety checker is generated again with its next seed,
    up to `settings.retries` times. What is still bad then is kept with its flag, so rows in = rows out; training drops
    flagged rows and reports how many.

    Args:
        sample: which of the captions' images, from 0.
        seed: the config's global seed.
    """
    batch, total, done = generator.settings.batch, len(captions), 0
    with ThreadPoolExecutor(ENCODERS) as pool:
        waiting: list[tuple[GeneratedImage, Future[bytes]]] = []
        for start in range(0, total, batch):
            chunk = captions[start : start + batch]
            encoded = [
                (row, pool.submit(_to_file, pixels, generator.settings))
                for row, pixels in _generate_batch(generator, chunk, sample, seed)
            ]
            yield from _finished(waiting)
            waiting = encoded
            done += len(chunk)
            if on_progress:
                on_progress(done, total)
        yield from _finished(waiting)


def _finished(waiting: Iterable[tuple[GeneratedImage, Future[bytes]]]) -> Iterator[GeneratedImage]:
    for row, image in waiting:
        yield GeneratedImage(**{**row.__dict__, "image": image.result()})


def _to_file(pixels: Pixels, settings: GenerationSettings) -> bytes:
    """File bytes of an image, in an encoder thread, which waits for the pixels."""
    return encode(shrink(pixels(), settings.store_size), settings.encoding, settings.quality)


def _to_host(images: Tensor) -> Callable[[], np.ndarray]:
    """Start to copy images off the device that generated them; call the result to get the copy.

    From a GPU they go to pinned memory while it generates the next batch; only the caller of the result waits for them.
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


def _generate_batch(
    generator: ImageGenerator, captions: Sequence[tuple[str, str]], sample: int, seed: int
) -> Iterator[tuple[GeneratedImage, Pixels]]:
    """Generate a batch with its retries; yield each row (its image still empty) with a call for its uint8 pixels."""
    images: dict[int, tuple[Pixels, str, int]] = {}
    size = (0, 0)
    todo = list(range(len(captions)))
    for retry in range(generator.settings.retries + 1):
        texts = [captions[index][1] for index in todo]
        seeds = [image_seed(seed, captions[index][0], sample, retry) for index in todo]
        pixels, unsafe = generator.generate(texts, seeds)
        size = stored_size(*pixels.shape[1:3], generator.settings.store_size)
        copy = _to_host(to_uint8(pixels))
        for position, (index, problem) in enumerate(zip(todo, flags(pixels, unsafe), strict=True)):
            images[index] = (_one(copy, position), problem, retry)
        todo = [index for index in todo if images[index][1]]
        if not todo:
            break
    for index, (caption_id, _) in enumerate(captions):
        picture, problem, retry = images[index]
        used = image_seed(seed, caption_id, sample, retry)
        yield GeneratedImage(caption_id, sample, used, b"", size[1], size[0], problem, retry), picture


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


def generate_shard(
    generator: ImageGenerator,
    captions: Sequence[tuple[str, str]],
    path: str | Path,
    *,
    sample: int,
    seed: int,
    on_progress: Progress | None = None,
    opened: Callable[..., AbstractContextManager[Any]] = parquet_writer,
) -> GenerationCounts:
    """Generate images into one parquet file, sorted by caption_id; an interrupted shard leaves nothing behind.

    `opened` makes the writer of a path and a schema.

    Raises:
        UserError: most images are NaN or of one colour even after retries, so the model, its dtype or its settings
            cannot be right; or the file cannot be written.
    """
    captions = sorted(captions)
    counts = GenerationCounts(cut_prompts=generator.cut([text for _, text in captions]))
    problems: Counter[str] = Counter()
    facts = {"settings": generator.settings.deciding(), "dtype": str(generator.dtype), "sample": sample, "seed": seed}
    schema = shard_schema(facts)
    rows = generate(generator, captions, sample, seed, on_progress)
    with opened(path, schema) as writer:
        while group := list(islice(rows, ROW_GROUP)):
            writer.write_table(_table(group, schema))
            counts.rows += len(group)
            counts.retried += sum(row.retries > 0 for row in group)
            problems.update(row.flag for row in group if row.flag)
            broken = problems["nan"] + problems["black"]
            if broken >= 8 and broken > counts.rows / 2:
                raise UserError(
                    f"text_to_image: {broken} of the first {counts.rows} images are NaN or one flat colour with"
                    f" model {generator.settings.model} in {generator.dtype}; try dtype: float32 or another solver"
                )
        if counts.rows != len(captions):
            raise AssertionError(f"{path}: {len(captions)} captions in, {counts.rows} images out")
    counts.flags = dict(sorted(problems.items()))
    return counts


def _table(rows: Sequence[GeneratedImage], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    columns = {name: [getattr(row, name) for row in rows] for name in schema.names if name != "image"}
    columns["image"] = [{"bytes": row.image, "path": None} for row in rows]
    return pa.Table.from_pydict(columns, schema)

"""Run a backbone over images and texts once and write their features, a batch in memory at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from t2ipal.errors import UserError
from t2ipal.features.cache import image_schema, text_schema
from t2ipal.features.encoding import encoded
from t2ipal.features.fields import ALL_FIELDS, FIELDS, LOCAL, Store
from t2ipal.images.encode import decode
from t2ipal.store import open_parquet, parquet_writer, read_batches

if TYPE_CHECKING:
    import pyarrow as pa

    from t2ipal.backbones.base import ImageTextEncoder

OnProgress = Callable[[int], None]
"""Called with the number of rows done."""

CPU_PIXELS = 600_000
"""Pixels per pass on a CPU: more of them leave its cache, and take twice the time for each."""

TEXT_GROUP = 16
"""Batches of texts that are sorted by length together, so that a batch pads little."""


def extract_images(
    source: str | Path,
    target: str | Path,
    backbone: ImageTextEncoder,
    *,
    image_size: int,
    crop: str | None = "center",
    batch: int = 256,
    workers: int | None = None,
    fields: Collection[str] = ALL_FIELDS,
    store: Store = "float16",
    on_progress: OnProgress | None = None,
) -> int:
    """Features of every image of a parquet file, in its order; returns the number of rows.

    Args:
        source: has the columns image (struct of bytes and path; bytes win) and caption_id or image_id, perhaps sample.
        target: where the features go.
        backbone: the model.
        image_size: side in pixels at which it sees the images.
        crop: see `ImageTextEncoder.preprocess`.
        batch: images written together; on a GPU also encoded together.
        workers: threads that decode images while a GPU encodes earlier ones. On a CPU each decodes and encodes images
            of its own, with its share of torch's threads, and waits for no other. None: as many as torch has.
        fields: the features to write.
        store: how to write them, see `t2ipal.features.encoding`.
        on_progress: called after each batch.

    Raises:
        UserError: the source is missing or damaged, or an image of it cannot be read.
    """
    to_input, grid = backbone.preprocess(image_size, crop), backbone.grid(image_size)
    on_cpu, with_local = backbone.device.type == "cpu", LOCAL in fields
    workers = workers or torch.get_num_threads()

    def opened(rows: Sequence[tuple[str, dict[str, Any]]]) -> Tensor:
        return torch.stack([_open(*row, to_input, image_size) for row in rows])

    def encoded_here(rows: Sequence[tuple[str, dict[str, Any]]]) -> list[Tensor]:
        return encode_images(backbone, opened(rows), with_local)

    def submit(table: pa.RecordBatch) -> list[Future[Any]]:
        rows = list(zip(table.column(key).to_pylist(), table.column("image").to_pylist(), strict=True))
        size = min(images_per_pass(image_size**2), -(-len(rows) // workers)) if on_cpu else 1
        parts = (rows[start : start + size] for start in range(0, len(rows), size))
        return [pool.submit(encoded_here if on_cpu else opened, part) for part in parts]

    with open_parquet(source, ["image"]) as file, own_threads(workers, on_cpu) as pool:
        names = file.schema_arrow.names
        key, with_sample, rows = _id_column(names, source), "sample" in names, file.metadata.num_rows
        about = metadata(backbone, "image", grid, backbone.resized(crop), store)
        schema = image_schema(backbone.dim, grid[0] * grid[1], with_sample, about, fields, store)
        columns = [key, "image", *(["sample"] if with_sample else [])]
        done = 0
        with parquet_writer(target, schema) as writer:
            for table, made in _ahead(read_batches(file, source, columns, batch), submit):
                vectors = _joined(made) if on_cpu else encode_images(backbone, torch.cat(made), with_local)
                ids = table.column(key).to_pylist()
                parts = {name: value for name, value in zip(FIELDS, vectors, strict=False) if name in fields}
                written = _encoded({name: _finite(value, ids, source) for name, value in parts.items()}, schema, store)
                extra = [table.column("sample")] if with_sample else []
                writer.write_table(_table([table.column(key), *extra, *written], schema))
                done += len(ids)
                if on_progress:
                    on_progress(done)
    if done != rows:
        raise AssertionError(f"{target}: {rows} images in, {done} rows out")
    return done


def extract_captions(
    source: str | Path,
    target: str | Path,
    backbone: ImageTextEncoder,
    *,
    batch: int = 256,
    store: Store = "float16",
    on_progress: OnProgress | None = None,
) -> int:
    """Features of every caption of a parquet file, in its order; returns the number of rows.

    Args:
        source: has the columns caption_id and text.
        target: where the features go.
        backbone: the model.
        batch: captions encoded together.
        store: as `extract_images`.
        on_progress: called after each group of batches.

    Raises:
        UserError: the source is missing or damaged.
    """
    with open_parquet(source, ["caption_id", "text"]) as file:
        rows = file.metadata.num_rows
        tables = read_batches(file, source, ["caption_id", "text"], batch * TEXT_GROUP)
        pairs = (
            zip(*(table.column(name).to_pylist() for name in ("caption_id", "text")), strict=True) for table in tables
        )
        done = extract_texts(
            (pair for group in pairs for pair in group),
            target,
            backbone,
            batch=batch,
            store=store,
            on_progress=on_progress,
        )
    if done != rows:
        raise AssertionError(f"{target}: {rows} captions in, {done} rows out")
    return done


def extract_texts(
    texts: Iterable[tuple[str, str]],
    target: str | Path,
    backbone: ImageTextEncoder,
    *,
    batch: int = 256,
    store: Store = "float16",
    on_progress: OnProgress | None = None,
) -> int:
    """Features of (id, text) pairs, in their order; returns their number. A text beyond the context is cut."""
    schema = text_schema(backbone.dim, metadata(backbone, "text", store=store), store)
    done = 0
    with parquet_writer(target, schema) as writer:
        for group in _groups(texts, batch * TEXT_GROUP):
            ids = [identity for identity, _ in group]
            pooled, local, tokens = encode_ragged(backbone, [text for _, text in group], batch)
            lengths = np.array([len(part) for part in tokens])
            parts = {"global": _finite(pooled, ids, target), "local": torch.cat(local)}
            columns = [*_encoded(parts, schema, store, {"local": lengths}), _ragged(tokens)]
            writer.write_table(_table([_strings(ids), *columns], schema))
            done += len(ids)
            if on_progress:
                on_progress(done)
    return done


def encode_ragged(
    backbone: ImageTextEncoder, texts: Sequence[str], batch: int
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Global features [N, D], and local features [n, D] and tokens [n] of each text, n from start to end mark.

    Texts of like length are encoded together, without padding where it changes nothing.
    """
    tokens, lengths = backbone.tokenize(texts)
    order = lengths.argsort(stable=True)
    pooled = torch.empty(len(texts), backbone.dim)
    local: list[Tensor] = [pooled] * len(texts)
    for rows in order.split(batch):
        with torch.inference_mode():
            dense = backbone.text_dense(backbone.cut(tokens[rows], lengths[rows]), lengths[rows])
        pooled[rows], states = (value.cpu() for value in dense)
        for row, values in zip(rows.tolist(), states, strict=True):
            local[row] = values[: lengths[row]]
    return pooled, local, [row[:length] for row, length in zip(tokens, lengths.tolist(), strict=True)]


def metadata(
    backbone: ImageTextEncoder,
    kind: str,
    grid: tuple[int, int] | None = None,
    resize: str = "",
    store: Store = "float16",
) -> dict[str, str]:
    """Schema metadata of a feature file of `kind` image or text; `grid` and `resize` are of images."""
    return {
        "clip_sha256": backbone.sha256,
        "clip_name": backbone.name,
        "dim": str(backbone.dim),
        "kind": kind,
        "grid": "" if grid is None else f"{grid[0]},{grid[1]}",
        "encoder": backbone.kind,
        "pad_id": str(backbone.pad_id),
        "resize": resize,
        "store": store,
    }


def _id_column(names: Sequence[str], source: str | Path) -> str:
    keys = [name for name in ("caption_id", "image_id") if name in names]
    if len(keys) != 1:
        raise UserError(f"{source}: columns {', '.join(names)}; expected one of caption_id and image_id")
    return keys[0]


@contextmanager
def own_threads(workers: int, share: bool) -> Iterator[ThreadPoolExecutor]:
    """Threads, each with its share of those that torch computes with, if they `share` them; torch has its own again
    afterwards."""
    before, pool = torch.get_num_threads(), ThreadPoolExecutor(workers)
    try:
        if share:
            torch.set_num_threads(max(1, before // workers))  # threads take this number when they start
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


def _ahead(
    tables: Iterator[pa.RecordBatch], submit: Callable[[pa.RecordBatch], list[Future[Any]]]
) -> Iterator[tuple[pa.RecordBatch, list[Any]]]:
    """Each batch with the results of its parts, in their order; those of the next batch are made meanwhile."""
    waiting: deque[tuple[pa.RecordBatch, list[Future[Any]]]] = deque()
    for table in tables:
        waiting.append((table, submit(table)))
        if len(waiting) == 2:
            ready, futures = waiting.popleft()
            yield ready, [future.result() for future in futures]
    for ready, futures in waiting:
        yield ready, [future.result() for future in futures]


def _open(identity: str, image: dict[str, Any], to_input: Callable[[Any], Tensor], side: int) -> Tensor:
    content = image["bytes"] or image["path"]
    if not content:
        raise UserError(f"image {identity}: neither bytes nor a path; expected one of them")
    try:
        return to_input(decode(content, side))
    except UserError as error:
        raise UserError(f"image {identity}: {error}") from error


def encode_images(backbone: ImageTextEncoder, pixels: Tensor, local: bool = True) -> list[Tensor]:
    """Dense features of a batch, as `ImageTextEncoder.image_dense` has them; on a CPU a few images at a time.

    Args:
        backbone: the model.
        pixels: [B, 3, H, W], preprocessed.
        local: whether the local features are wanted; without, there are two tensors, as of `image_global`.
    """
    size = len(pixels) if backbone.device.type != "cpu" else images_per_pass(pixels[0, 0].numel())
    with torch.inference_mode():
        parts = [(backbone.image_dense if local else backbone.image_global)(part) for part in pixels.split(size)]
    return [value.cpu() for value in _joined(parts)]


def images_per_pass(pixels: int) -> int:
    """Images of so many pixels that a CPU encodes together."""
    return max(1, CPU_PIXELS // pixels)


def _joined(parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    return [torch.cat(values) for values in zip(*parts, strict=True)]


def _groups(items: Iterable[tuple[str, str]], size: int) -> Iterator[list[tuple[str, str]]]:
    group: list[tuple[str, str]] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _finite(vectors: Tensor, ids: Sequence[str], source: str | Path) -> Tensor:
    """[N, ...], checked to be finite."""
    if not bool(vectors.isfinite().all()):
        bad = ids[int((~vectors.flatten(1).isfinite().all(1)).nonzero()[0, 0])]
        raise UserError(
            f"{source}: the features of {bad!r} are not finite; expected numbers: is the CLIP model damaged?"
        )
    return vectors


def _encoded(
    vectors: Mapping[str, Tensor], schema: pa.Schema, store: Store, lengths: Mapping[str, np.ndarray] | None = None
) -> list[pa.Array]:
    """The columns of fields [..., D] in a schema, in its order; `lengths` are vectors per row where they differ."""
    flat = {name: values.reshape(-1, values.shape[-1]).numpy() for name, values in vectors.items()}
    types = {name: schema.field(name).type for name in vectors}
    return [encoded(values, store, types[name], (lengths or {}).get(name)) for name, values in flat.items()]


def _ragged(parts: Sequence[Tensor]) -> pa.Array:
    import pyarrow as pa

    sizes = np.array([0] + [part.numel() for part in parts])
    values = np.concatenate([part.numpy() for part in parts]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(sizes.cumsum().astype(np.int32)), pa.array(values))


def _strings(values: Sequence[str]) -> pa.Array:
    import pyarrow as pa

    return pa.array(values, pa.string())


def _table(columns: Sequence[pa.Array], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    arrays = [column.cast(field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)

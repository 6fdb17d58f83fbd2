"""Feature files and what they are in memory: float16, L2-normalised, in the order of their ids.

Columns of images: id, [sample,] global_pos, global_nopos [D], local [HW * D], all of fixed size; of texts: id, global
[D], local [n * D] and tokens [n], n from start to end mark. Schema metadata: clip_sha256, clip_name, dim, kind, grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from t2ipal.errors import UserError
from t2ipal.store import open_parquet

if TYPE_CHECKING:
    import pyarrow as pa

METADATA = ("clip_sha256", "clip_name", "dim", "kind", "grid")


@dataclass(frozen=True)
class ImageFeatures:
    """Features of N images, float16.

    Attributes:
        ids: [N], ascending.
        global_pos: [N, D], CLIP's own image feature.
        global_nopos: [N, D], without positional embedding in the attention pooling.
        local: [N, HW, D].
        grid: rows and columns of the local map, HW = rows x columns.
        clip_sha256: weights that made them.
    """

    ids: tuple[str, ...]
    global_pos: Tensor
    global_nopos: Tensor
    local: Tensor
    grid: tuple[int, int]
    clip_sha256: str


@dataclass(frozen=True)
class TextFeatures:
    """Features of N texts, float16, their positions one after the other.

    Attributes:
        ids: [N], ascending.
        pooled: [N, D], the feature at the end mark.
        local: [T, D], positions of all texts, from start to end mark.
        tokens: [T] int32.
        offsets: [N + 1] int64; text n has the positions offsets[n] to offsets[n + 1].
        clip_sha256: weights that made them.
    """

    ids: tuple[str, ...]
    pooled: Tensor
    local: Tensor
    tokens: Tensor
    offsets: Tensor
    clip_sha256: str

    def padded(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Local features of the texts `index` [B] and where they are: ([B, L, D], [B, L] bool), L the longest of them.

        Padding is zero.
        """
        start, length = self.offsets[index], (self.offsets[1:] - self.offsets[:-1])[index]
        place = torch.arange(int(length.max()) if len(length) else 0)
        mask = place < length[:, None]
        local = self.local[(start[:, None] + place).clamp(max=len(self.local) - 1)]
        return local.masked_fill_(~mask[..., None], 0), mask


def image_schema(dim: int, cells: int, with_sample: bool, metadata: Mapping[str, str]) -> pa.Schema:
    """Columns of a file of image features."""
    import pyarrow as pa

    vector, half = pa.list_(pa.float16(), dim), pa.float16()
    sample = [("sample", pa.int16())] if with_sample else []
    columns = [("global_pos", vector), ("global_nopos", vector), ("local", pa.list_(half, cells * dim))]
    return pa.schema([("id", pa.string()), *sample, *columns], metadata=dict(metadata))


def text_schema(dim: int, metadata: Mapping[str, str]) -> pa.Schema:
    """Columns of a file of text features."""
    import pyarrow as pa

    half = pa.float16()
    columns = [("global", pa.list_(half, dim)), ("local", pa.list_(half)), ("tokens", pa.list_(pa.int32()))]
    return pa.schema([("id", pa.string()), *columns], metadata=dict(metadata))


def load_image_features(paths: Sequence[str | Path] | str | Path) -> ImageFeatures:
    """Read one file, or the shards of one set, as one.

    Raises:
        UserError: a file is missing, damaged or no file of image features; shards are of different models; an id is
            twice.
    """
    columns = ("id", "global_pos", "global_nopos", "local")
    metadata, batches = _read(paths, columns, "image")
    dim, grid = int(metadata["dim"]), tuple(int(part) for part in metadata["grid"].split(","))
    ids, order = _ids(batches, paths)
    vectors = [_stack(batches, name, order) for name in columns[1:]]
    sizes = [value.shape[1] for value in vectors]
    if sizes != [dim, dim, dim * grid[0] * grid[1]]:
        raise UserError(
            f"{_first(paths)}: features of sizes {sizes}; expected {dim}, {dim}, {dim} x {grid[0]} x {grid[1]}"
        )
    return ImageFeatures(ids, vectors[0], vectors[1], vectors[2].unflatten(1, (-1, dim)), grid, metadata["clip_sha256"])


def load_text_features(paths: Sequence[str | Path] | str | Path) -> TextFeatures:
    """Read one file, or several files of one kind, as one.

    Raises:
        UserError: as `load_image_features`, or a text with more local features than tokens, or fewer.
    """
    columns = ("id", "global", "local", "tokens")
    metadata, batches = _read(paths, columns, "text")
    dim = int(metadata["dim"])
    ids, order = _ids(batches, paths)
    lengths = np.concatenate([np.diff(batch.column("tokens").offsets.to_numpy()) for batch in batches])
    widths = np.concatenate([np.diff(batch.column("local").offsets.to_numpy()) for batch in batches])
    if not np.array_equal(widths, lengths * dim):
        raise UserError(
            f"{_first(paths)}: local features of a text do not fit its tokens; expected {dim} numbers for each"
        )
    tokens = np.concatenate([batch.column("tokens").flatten().to_numpy() for batch in batches])
    local = np.concatenate([batch.column("local").flatten().to_numpy().reshape(-1, dim) for batch in batches])
    if order is not None:
        starts = np.concatenate([[0], lengths.cumsum()[:-1]])[order]
        lengths = lengths[order]
        places = np.repeat(starts - (lengths.cumsum() - lengths), lengths) + np.arange(lengths.sum())
        tokens, local = tokens[places], local[places]
    offsets = torch.from_numpy(np.concatenate([[0], lengths.cumsum()]).astype(np.int64))
    pooled = _stack(batches, "global", order)
    local, tokens = torch.from_numpy(_own(local)), torch.from_numpy(_own(tokens))
    return TextFeatures(ids, pooled, local, tokens, offsets, metadata["clip_sha256"])


def _own(values: np.ndarray) -> np.ndarray:
    """`values`, copied where torch may not write into them."""
    return values if values.flags.writeable else values.copy()


def _first(paths: Sequence[str | Path] | str | Path) -> str:
    return str(paths if isinstance(paths, str | Path) else paths[0])


def _read(
    paths: Sequence[str | Path] | str | Path, columns: Sequence[str], kind: str
) -> tuple[dict[str, str], list[pa.RecordBatch]]:
    """Metadata that all files share, and their record batches without empty ones."""
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    if not paths:
        raise UserError(f"{kind} features: no file given; expected at least one")
    first: dict[str, str] = {}
    batches: list[pa.RecordBatch] = []
    for path in paths:
        with open_parquet(path, columns) as file:
            metadata = _metadata(file.schema_arrow.metadata, path, kind)
            first = first or metadata
            differs = [key for key in METADATA if metadata[key] != first[key]]
            if differs:
                key = differs[0]
                raise UserError(f"{path}: {key} is {metadata[key][:16]}, expected {first[key][:16]} as in {paths[0]}")
            batches += [batch for batch in _batches(file, columns, path) if batch.num_rows]
    if not batches:
        raise UserError(f"{paths[0]}: no rows; expected {kind} features")
    return first, batches


def _metadata(header: Mapping[bytes, bytes] | None, path: str | Path, kind: str) -> dict[str, str]:
    found = {key.decode(): value.decode() for key, value in (header or {}).items() if key.decode() in METADATA}
    if set(found) != set(METADATA) or found["kind"] != kind:
        raise UserError(
            f"{path}: no {kind} features (kind is {found.get('kind')!r}); expected schema metadata {METADATA}"
        )
    return found


def _batches(file: Any, columns: Sequence[str], path: str | Path) -> Iterator[pa.RecordBatch]:
    try:
        yield from file.iter_batches(columns=list(columns))
    except OSError as error:
        raise UserError(f"{path}: damaged parquet file: {error}") from error


def _ids(
    batches: Sequence[pa.RecordBatch], paths: Sequence[str | Path] | str | Path
) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Ids in ascending order, and the order that makes them so (None where they are)."""
    ids = [value for batch in batches for value in batch.column("id").to_pylist()]
    order = None
    if any(a > b for a, b in pairwise(ids)):
        order = np.array(sorted(range(len(ids)), key=ids.__getitem__))
        ids = [ids[i] for i in order]
    twice = next((a for a, b in pairwise(ids) if a == b), None)
    if twice is not None:
        raise UserError(f"{_first(paths)}: id {twice!r} is there twice; expected each once")
    return tuple(ids), order


def _stack(batches: Sequence[pa.RecordBatch], name: str, order: np.ndarray | None) -> Tensor:
    """A column of fixed-size lists as one tensor [N, size], filled batch by batch."""
    column = batches[0].column(name)
    out = np.empty((sum(batch.num_rows for batch in batches), column.type.list_size), np.float16)
    start = 0
    for batch in batches:
        stop = start + batch.num_rows
        out[start:stop] = batch.column(name).flatten().to_numpy().reshape(batch.num_rows, -1)
        start = stop
    return torch.from_numpy(out if order is None else out[order])

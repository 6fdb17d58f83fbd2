"""How features are stored: as half-precision numbers, or as 8-bit integers with a float16 scale for each 32 of them.

float16: a list of numbers. int8: bytes; those of a vector of D numbers are D integers, then D / 32 scales (one for a D
that 32 does not divide). A group x has the scale s = max|x| / 127 and the integers round(x / s), so each number is off
by at most s / 2. One scale per vector would be too coarse: one number of a CLIP feature can be 0.6 where the others are
0.03. Bytes, because Parquet keeps an integer of 8 bits in 32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from t2ipal.features.fields import Store, groups_of, stored_bytes

if TYPE_CHECKING:
    import pyarrow as pa

GREATEST = 127
"""Greatest integer; -128 is not used, so that x and -x are stored alike."""

BLOCK = 1 << 18
"""Numbers that are decoded together: they stay in the CPU's cache."""


def column_type(store: Store, vectors: int | None, dim: int) -> pa.DataType:
    """The type of a column with `vectors` of `dim` numbers in each row, or with any number of them (None)."""
    import pyarrow as pa

    if store == "float16":
        return pa.list_(pa.float16(), vectors * dim if vectors else -1)
    return pa.binary(vectors * stored_bytes(store, dim) if vectors else -1)


def encoded(values: np.ndarray, store: Store, kind: pa.DataType, lengths: np.ndarray | None = None) -> pa.Array:
    """A column of vectors [T, dim], those of a row after those of the row before.

    Args:
        values: float32.
        store: how.
        kind: see `column_type`.
        lengths: [N] vectors of each row, where they differ.
    """
    import pyarrow as pa

    content = values.astype(np.float16) if store == "float16" else quantised(values)
    width = content.shape[-1]
    starts = None if lengths is None else np.concatenate([[0], np.cumsum(lengths * width)]).astype(np.int32)
    if store == "float16":
        flat = pa.array(content.reshape(-1))
        if starts is None:
            return pa.FixedSizeListArray.from_arrays(flat, type=kind)
        return pa.ListArray.from_arrays(pa.array(starts), flat, type=kind)
    if starts is None:
        return pa.Array.from_buffers(kind, content.size // kind.byte_width, [None, pa.py_buffer(content)])
    return pa.Array.from_buffers(kind, len(lengths), [None, pa.py_buffer(starts), pa.py_buffer(content)])


def decoded(column: pa.Array, store: Store, dim: int) -> np.ndarray:
    """The vectors [T, dim] of a column, float16."""
    if store == "float16":
        return column.flatten().to_numpy().reshape(-1, dim)
    return dequantised(_bytes_of(column).reshape(-1, stored_bytes(store, dim)), dim)


def row_sizes(column: pa.Array) -> np.ndarray:
    """[N] numbers of each row of a column of lists, or bytes of binaries, that differ."""
    return np.diff(_starts(column)).astype(np.int64)


def quantised(values: np.ndarray) -> np.ndarray:
    """Bytes [T, dim + 2 groups] of vectors [T, dim] float32."""
    count, dim = values.shape
    grouped = values.reshape(count, groups_of(dim), -1)
    wanted = np.abs(grouped).max(-1) / GREATEST
    scale = wanted.astype(np.float16)
    # rounded up: the greatest number of a group must not need an integer above 127
    scale = np.where(scale < wanted, np.nextafter(scale, np.float16(np.inf)), scale)
    integers = np.rint(grouped / np.where(scale > 0, scale, 1).astype(np.float32)[..., None]).astype(np.int8)
    return np.concatenate([integers.reshape(count, dim).view(np.uint8), scale.view(np.uint8)], 1)


def dequantised(content: np.ndarray, dim: int) -> np.ndarray:
    """Vectors [T, dim] float16 of bytes [T, dim + 2 groups]."""
    import torch

    out = torch.empty(len(content), groups_of(dim), dim // groups_of(dim), dtype=torch.float16)
    integers = torch.from_numpy(content[:, :dim].view(np.int8)).view(out.shape)
    scale = torch.from_numpy(np.ascontiguousarray(content[:, dim:]).view(np.float16))[..., None]
    rows = max(1, BLOCK // dim)
    for part, some, factor in zip(out.split(rows), integers.split(rows), scale.split(rows), strict=True):
        part.copy_(some.float().mul_(factor.float()))
    return out.numpy().reshape(-1, dim)


def _starts(column: pa.Array) -> np.ndarray:
    """[N + 1] where each row of lists or binaries starts."""
    return np.frombuffer(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]


def _bytes_of(column: pa.Array) -> np.ndarray:
    """All bytes of a column of binaries."""
    import pyarrow as pa

    content = np.frombuffer(column.buffers()[-1] or b"", np.uint8)
    if pa.types.is_fixed_size_binary(column.type):
        width = column.type.byte_width
        return content[column.offset * width : (column.offset + len(column)) * width]
    starts = _starts(column)
    return content[starts[0] : starts[-1]]

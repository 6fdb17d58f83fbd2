"""Feature files and what they are in memory: float16, L2-normalised, in the order of their ids.

Columns of images: id, [sample,] and those of global_pos, global_nopos [D] and local [HW * D] that some run reads, all
of fixed size; of texts: id, global [D], local [n * D] and tokens [n], n from start to end mark. Schema metadata:
clip_sha256, clip_name, dim, kind (image or text), grid; and encoder (kind of backbone), pad_id, resize (of images),
store (`t2ipal.features.encoding`), which older files lack.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from torch import Tensor

from t2ipal.errors import UserError
from t2ipal.features.encoding import column_type, decoded, row_sizes
from t2ipal.features.fields import ALL_FIELDS, FIELDS, Store, stored_bytes
from t2ipal.features.memory import MemoryBudget
from t2ipal.store import open_parquet, read_batches

if TYPE_CHECKING:
    import pyarrow as pa

METADATA = ("clip_sha256", "clip_name", "dim", "kind", "grid")
MORE_METADATA = ("encoder", "pad_id", "resize", "store")
"""Absent in older files, all of which were made by OpenAI's CLIP and hold float16."""

Paths = Sequence[str | Path] | str | Path

PART = 8_000_000
"""Bytes of a file that are in memory together."""

TEXT_BYTES = 256
"""Bytes per dimension that a long text takes, 77 tokens of float16 and more; sizes its parts."""

ID_ROWS = 65_536
"""Ids read together."""


@dataclass(frozen=True, repr=False)
class ImageFeatures:
    """Features of N images, float16. Each of the first three is absent (made of None) where no run reads it.

    Attributes:
        ids: [N], ascending.
        global_pos: [N, D], CLIP's own image feature.
        global_nopos: [N, D], without positional embedding in the attention pooling.
        local: [N, HW, D].
        grid: rows and columns of the local map, HW = rows x columns.
        clip_sha256: weights that made them.
        encoder: kind of backbone that made them.
    """

    ids: tuple[str, ...]
    global_pos: Tensor
    global_nopos: Tensor
    local: Tensor
    grid: tuple[int, int]
    clip_sha256: str
    encoder: str = "openai"

    def __post_init__(self) -> None:
        for name in FIELDS:
            if vars(self)[name] is None:
                object.__delattr__(self, name)

    def __getattr__(self, name: str) -> Tensor:
        """Called for what is not there."""
        if name in FIELDS:
            raise UserError(f"image features: no {name}; expected a method whose `image_fields` names it")
        raise AttributeError(name)

    def get(self, name: str) -> Tensor:
        """A field; where it is absent, one of width 0 to stand for it in batches, [N, 0]."""
        return vars(self)[name] if name in vars(self) else torch.empty(len(self.ids), 0)

    def only(self, rows: Tensor) -> ImageFeatures:
        """The images at `rows` [M], in this order."""
        parts = (vars(self)[name][rows] if name in vars(self) else None for name in FIELDS)
        ids = tuple(self.ids[row] for row in rows.tolist())
        return ImageFeatures(ids, *parts, self.grid, self.clip_sha256, self.encoder)


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
        encoder: kind of backbone that made them.
    """

    ids: tuple[str, ...]
    pooled: Tensor
    local: Tensor
    tokens: Tensor
    offsets: Tensor
    clip_sha256: str
    encoder: str = "openai"

    def positions(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The positions of the texts `index` [B], one text after the other.

        Returns:
            The number of the text in `index` and the place in it of each position, [T] twice, and the local features
            [T, D].
        """
        start, length = self.offsets[index], (self.offsets[1:] - self.offsets[:-1])[index]
        text = torch.arange(len(index)).repeat_interleave(length)
        place = torch.arange(len(text)) - (length.cumsum(0) - length)[text]
        return text, place, self.local[start[text] + place]


def image_schema(
    dim: int,
    cells: int,
    with_sample: bool,
    metadata: Mapping[str, str],
    fields: Collection[str] = ALL_FIELDS,
    store: Store = "float16",
) -> pa.Schema:
    """Columns of a file of image features."""
    import pyarrow as pa

    sample = [("sample", pa.int16())] if with_sample else []
    vectors = _vectors_of(cells)
    columns = [(name, column_type(store, vectors[name], dim)) for name in FIELDS if name in fields]
    return pa.schema([("id", pa.string()), *sample, *columns], metadata=dict(metadata))


def text_schema(dim: int, metadata: Mapping[str, str], store: Store = "float16") -> pa.Schema:
    """Columns of a file of text features."""
    import pyarrow as pa

    columns = [("global", column_type(store, 1, dim)), ("local", column_type(store, None, dim))]
    return pa.schema([("id", pa.string()), *columns, ("tokens", pa.list_(pa.int32()))], metadata=dict(metadata))


def _vectors_of(cells: int) -> dict[str, int]:
    """Vectors of an image, by field."""
    return {name: cells if name == "local" else 1 for name in FIELDS}


def load_image_features(
    paths: Paths, budget: MemoryBudget | None = None, in_steps: bool = False, fields: Collection[str] | None = None
) -> ImageFeatures:
    """Read one file, or the shards of one set, as one, a part of a file at a time.

    Args:
        paths: the file or files.
        budget: what they may fill; None: memory without limit.
        in_steps: whether a training reads of them in every step, which is what a GPU keeps.
        fields: those to read; None: all that the files have.

    Raises:
        UserError: a file is missing, damaged or no file of image features, or lacks a field; shards are of different
            models; an id is twice; they do not fit.
    """
    budget, source = budget or MemoryBudget(), _Source.of(paths, [*(fields or ())], "image")
    wanted = [name for name in FIELDS if name in (source.columns if fields is None else fields)]
    grid = tuple(int(part) for part in source.metadata["grid"].split(","))
    vectors = _vectors_of(grid[0] * grid[1])
    columns = _vectors(source, {name: vectors[name] for name in wanted}, budget, in_steps)
    if "local" in columns:
        columns["local"] = columns["local"].unflatten(1, (-1, source.dim))
    maker = source.metadata["clip_sha256"], source.metadata["encoder"]
    return ImageFeatures(source.ids, *(columns.get(name) for name in FIELDS), grid, *maker)


def load_global_features(paths: Paths, column: str) -> Tensor:
    """One global feature per image ("global_pos", "global_nopos") or text ("global"), [N, D], in the order of the ids.

    Raises:
        UserError: as `load_image_features`.
    """
    source = _Source.of(paths, (column,), "text" if column == "global" else "image")
    return _vectors(source, {column: 1}, MemoryBudget())[column]


def load_text_features(paths: Paths, budget: MemoryBudget | None = None) -> TextFeatures:
    """Read one file, or several files of one kind, as one, a part of a file at a time.

    Raises:
        UserError: as `load_image_features`, or a text with more local features than tokens, or fewer.
    """
    budget, source = budget or MemoryBudget(), _Source.of(paths, ("global", "local"), "text", more=("tokens",))
    dim, widths = source.dim, [np.zeros(0, np.int64)]
    for _, batch in source.batches(("tokens",), TEXT_BYTES):
        widths.append(row_sizes(batch.column("tokens")))
    lengths = np.empty(len(source.ids), np.int64)
    lengths[source.ranks] = np.concatenate(widths)
    offsets = np.concatenate([[0], lengths.cumsum()])
    pooled = _vectors(source, {"global": 1}, budget)["global"]
    local, tokens = budget.take((int(offsets[-1]), dim)), torch.empty(int(offsets[-1]), dtype=torch.int32)
    width = dim if source.store == "float16" else stored_bytes(source.store, dim)
    for ranks, batch in source.batches(("local", "tokens"), TEXT_BYTES * dim):
        sizes = row_sizes(batch.column("tokens"))
        if not np.array_equal(row_sizes(batch.column("local")), sizes * width):
            raise UserError(
                f"{source.paths[0]}: local features of a text do not fit its tokens; expected {dim} numbers for each"
            )
        rows = np.repeat(offsets[ranks] - (sizes.cumsum() - sizes), sizes) + np.arange(sizes.sum())
        _fill(tokens, rows, batch.column("tokens").flatten().to_numpy())
        _fill(local, rows, source.decoded(batch, "local"))
    maker = source.metadata["clip_sha256"], source.metadata["encoder"]
    return TextFeatures(source.ids, pooled, local, tokens, torch.from_numpy(offsets), *maker)


@dataclass(frozen=True)
class _Source:
    """The files of one set, read for their ids alone.

    Attributes:
        paths: the files.
        metadata: what they share.
        ids: [N], ascending.
        ranks: [N] int64, the index among the ids of each row of the files, one after the other.
        columns: those of all files.
    """

    paths: tuple[str | Path, ...]
    metadata: dict[str, str]
    ids: tuple[str, ...]
    ranks: np.ndarray
    columns: frozenset[str]

    @classmethod
    def of(cls, paths: Paths, fields: Sequence[str], kind: str, more: Sequence[str] = ()) -> _Source:
        """Read the ids, and check that the files belong together and have the fields and `more` columns."""
        paths = (paths,) if isinstance(paths, str | Path) else tuple(paths)
        if not paths:
            raise UserError(f"{kind} features: no file given; expected at least one")
        first: dict[str, str] = {}
        ids: list[str] = []
        columns: list[set[str]] = []
        for path in paths:
            with open_parquet(path, ("id", *fields, *more)) as file:
                metadata = _metadata(file.schema_arrow.metadata, path, kind)
                columns.append(set(file.schema_arrow.names))
                first = first or metadata
                known = (key for key in metadata if key in first)
                key = next((key for key in known if metadata[key] != first[key]), None)
                if key is not None:
                    raise UserError(
                        f"{path}: {key} is {metadata[key][:16]}, expected {first[key][:16]} as in {paths[0]}"
                    )
                for batch in read_batches(file, path, ("id",), ID_ROWS):
                    ids += batch.column("id").to_pylist()
        if not ids:
            raise UserError(f"{paths[0]}: no rows; expected {kind} features")
        order = np.array(sorted(range(len(ids)), key=ids.__getitem__))
        ids = [ids[row] for row in order]
        twice = next((a for a, b in pairwise(ids) if a == b), None)
        if twice is not None:
            raise UserError(f"{paths[0]}: id {twice!r} is there twice; expected each once")
        ranks = np.empty(len(ids), np.int64)
        ranks[order] = np.arange(len(ids))
        return cls(paths, first, tuple(ids), ranks, frozenset.intersection(*map(frozenset, columns)))

    @property
    def dim(self) -> int:
        return int(self.metadata["dim"])

    @property
    def store(self) -> Store:
        return self.metadata["store"]

    def decoded(self, batch: pa.RecordBatch, name: str) -> np.ndarray:
        """The vectors [T, D] of a field in a batch, float16."""
        return decoded(batch.column(name), self.store, self.dim)

    def batches(self, columns: Sequence[str], row_bytes: int) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
        """Parts of the files of about `PART` bytes, with the ranks of their rows."""
        start = 0
        for path in self.paths:
            with open_parquet(path) as file:
                for batch in read_batches(file, path, columns, max(1, PART // row_bytes)):
                    yield self.ranks[start : start + batch.num_rows], batch
                    start += batch.num_rows


def _vectors(
    source: _Source, vectors: Mapping[str, int], budget: MemoryBudget, in_steps: bool = False
) -> dict[str, Tensor]:
    """Fields of so many vectors per row, as a tensor [N, vectors * D] each."""
    dim, store = source.dim, source.store
    wanted = {name: column_type(store, count, dim) for name, count in vectors.items()}
    for path in source.paths:
        with open_parquet(path, wanted) as file:
            stored = {name: file.schema_arrow.field(name).type for name in wanted}
        if stored != wanted:
            name = next(name for name in wanted if stored[name] != wanted[name])
            raise UserError(f"{path}: features of other sizes: {name} is {stored[name]}; expected {wanted[name]}")
    shapes = {name: (len(source.ids), count * dim) for name, count in vectors.items()}
    out = {name: budget.take(shape, in_steps=in_steps) for name, shape in shapes.items()}
    for ranks, batch in source.batches(tuple(wanted), 2 * dim * sum(vectors.values())):
        for name, (_, size) in shapes.items():
            _fill(out[name], ranks, source.decoded(batch, name).reshape(-1, size))
    return out


def _fill(out: Tensor, rows: np.ndarray, values: np.ndarray) -> None:
    """out[rows] = values, wherever `out` is."""
    if not len(rows):
        return
    if out.device.type == "cpu":
        target, first, count = out.numpy(), int(rows[0]), len(rows)
        in_order = int(rows[-1]) - first == count - 1 and bool((np.diff(rows) == 1).all())
        target[slice(first, first + count) if in_order else rows] = values
    else:
        out[torch.from_numpy(rows).to(out.device)] = torch.from_numpy(values.copy()).to(out.device)


def _metadata(header: Mapping[bytes, bytes] | None, path: str | Path, kind: str) -> dict[str, str]:
    texts = {key.decode(errors="replace"): value.decode(errors="replace") for key, value in (header or {}).items()}
    if not set(METADATA) <= set(texts) or texts["kind"] != kind:
        raise UserError(
            f"{path}: no {kind} features (kind is {texts.get('kind')!r}); expected schema metadata {METADATA}"
        )
    older = {"encoder": "openai", "pad_id": "0", "store": "float16"}
    known = older | {key: texts[key] for key in (*METADATA, *MORE_METADATA) if key in texts}
    if known["store"] not in get_args(Store):
        raise UserError(f"{path}: features stored as {known['store']!r}; expected one of {', '.join(get_args(Store))}")
    return known

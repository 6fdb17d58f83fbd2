"""What an image set is made of, and how it is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.errors import UserError
from t2ipal.store import parquet_writer

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 1024
"""Rows held in memory while a set is written."""

POSITIVE, NEGATIVE, DIFFICULT = 1, 0, -1
"""Labels. A class is difficult where all its objects are marked so (VOC): neither present nor absent."""


@dataclass(frozen=True)
class ImageRow:
    """One image: `data` holds its file bytes, or None where `path` is to be read.

    Attributes:
        mode: colour mode of the file as Pillow names it ("RGB", "L", "CMYK"...): all are read as RGB.
        labels: one of POSITIVE, NEGATIVE, DIFFICULT per class; None for an image without labels.
    """

    image_id: str
    data: bytes | None
    path: str | None
    width: int
    height: int
    mode: str
    labels: tuple[int, ...] | None


@dataclass(frozen=True)
class RejectedImage:
    """An image left out, and why."""

    image_id: str
    path: str
    reason: str


@dataclass
class SetCounts:
    """What happened to a source: `read` = `rows` + `rejects`; `converted` counts images that are not RGB, by mode."""

    read: int = 0
    rows: int = 0
    rejects: int = 0
    converted: dict[str, int] = field(default_factory=dict)


def image_set_schema(classes: Sequence[str] = (), state: str = "") -> pa.Schema:
    """Columns of an image set, the names of the classes in the order of the labels, and the state of the files read.

    Photographs are not in the set: without their state, it would be the same file after one is replaced, and nothing
    that reads them would be made again.
    """
    import pyarrow as pa

    return pa.schema(
        [
            ("image_id", pa.string()),
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("mode", pa.string()),
            ("labels", pa.list_(pa.int8())),
        ],
        metadata={"classes": json.dumps(list(classes), ensure_ascii=False), **({"state": state} if state else {})},
    )


def rejected_image_schema() -> pa.Schema:
    """Columns of the rejects of an image set."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in ("image_id", "path", "reason")])


def write_image_set(
    items: Iterable[ImageRow | RejectedImage],
    classes: Sequence[str],
    path: str | Path,
    rejects_path: str | Path,
    *,
    state: str = "",
    on_progress: Callable[[int], None] | None = None,
) -> SetCounts:
    """Stream rows to `path` and rejects to `rejects_path`; neither appears unless both are whole.

    Args:
        classes: names in the order of the labels.
        state: of the files that are read, see `t2ipal.listings`.

    Raises:
        UserError: an image_id occurs twice or out of order, or there is no usable image.
    """
    counts, modes = SetCounts(), Counter()
    first_reason = ""
    with ExitStack() as stack:
        rows = _Buffer(stack, path, image_set_schema(classes, state), _image_columns)
        rejects = _Buffer(stack, rejects_path, rejected_image_schema(), _reject_columns)
        for item in _increasing(items):
            counts.read += 1
            if isinstance(item, RejectedImage):
                counts.rejects += 1
                first_reason = first_reason or f"{item.path}: {item.reason}"
                rejects.add(item)
            else:
                counts.rows += 1
                modes[item.mode] += 1
                rows.add(item)
            if on_progress:
                on_progress(counts.read)
        if counts.rows == 0:
            why = f"; {counts.rejects} rejected, the first is {first_reason}" if counts.rejects else ""
            raise UserError(f"{path}: not one usable image{why}")
        rows.flush()
        rejects.flush()
    counts.converted = {mode: count for mode, count in sorted(modes.items()) if mode != "RGB"}
    if counts.read != counts.rows + counts.rejects:
        raise AssertionError(f"{path}: {counts}")
    return counts


def _increasing(items: Iterable[ImageRow | RejectedImage]) -> Iterator[ImageRow | RejectedImage]:
    last = None
    for item in items:
        if last is not None and item.image_id <= last:
            raise UserError(f"image_id {item.image_id!r} follows {last!r}; expected unique ids in order")
        last = item.image_id
        yield item


class _Buffer:
    """Collects items and writes them a row group at a time."""

    def __init__(self, stack: ExitStack, path: str | Path, schema: pa.Schema, columns: Callable[..., Any]) -> None:
        self.writer = stack.enter_context(parquet_writer(path, schema))
        self.schema, self.columns, self.items = schema, columns, []

    def add(self, item: ImageRow | RejectedImage) -> None:
        self.items.append(item)
        if len(self.items) == ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        if self.items:
            self.writer.write_table(pa.Table.from_pydict(self.columns(self.items), self.schema))
            self.items = []


def _image_columns(rows: list[ImageRow]) -> dict[str, list[Any]]:
    columns = {name: [getattr(row, name) for row in rows] for name in ("image_id", "width", "height", "mode", "labels")}
    return columns | {"image": [{"bytes": row.data, "path": row.path} for row in rows]}


def _reject_columns(rejects: list[RejectedImage]) -> dict[str, list[str]]:
    return {name: [getattr(reject, name) for reject in rejects] for name in ("image_id", "path", "reason")}

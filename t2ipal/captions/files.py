"""The files of the caption stage: what a pool has, what a noun filter says of it, and what is to be drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from t2ipal.captions.labels import Labelled
from t2ipal.captions.rows import Caption, Reject
from t2ipal.errors import UserError
from t2ipal.store import open_parquet, parquet_writer, read_parquet, write_parquet

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 4096
"""Captions held in memory while they are labelled."""

OnProgress = Callable[[int], None]


class Filter(Protocol):
    """What labels captions: `NounFilter` or `TaiDptFilter`."""

    def label(self, texts: Iterable[str]) -> Iterator[Labelled]: ...


def caption_schema() -> pa.Schema:
    """Columns of captions.parquet."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in ("caption_id", "image_id", "text", "source")])


def reject_schema() -> pa.Schema:
    """Columns of every rejects.parquet of captions."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in ("caption_id", "text", "reason")])


def labelled_schema() -> pa.Schema:
    """Columns of labelled.parquet."""
    import pyarrow as pa

    span = [("class", pa.int16()), ("term", pa.string()), ("start", pa.int32()), ("end", pa.int32())]
    return pa.schema(
        [
            ("caption_id", pa.string()),
            ("text", pa.string()),
            ("positive", pa.list_(pa.int16())),
            ("unknown", pa.list_(pa.int16())),
            ("spans", pa.list_(pa.struct([*span, ("verdict", pa.string())]))),
        ]
    )


def write_captions(
    rows: Iterable[Caption | Reject], captions: str | Path, rejects: str | Path, on_progress: OnProgress | None = None
) -> Counter[str]:
    """Write a pool's captions and rejects, by id; return the number of rejects by reason.

    Raises:
        UserError: an id occurs twice, or no caption is left.
    """
    import pyarrow as pa

    kept: list[Caption] = []
    left: list[Reject] = []
    for count, row in enumerate(rows, 1):
        (kept if isinstance(row, Caption) else left).append(row)  # type: ignore[arg-type]
        if on_progress:
            on_progress(count)
    reasons = Counter(row.reason for row in left)
    twice = [key for key, count in Counter(row.caption_id for row in kept).items() if count > 1]
    if twice:
        raise UserError(f"{captions}: caption id {twice[0]!r} occurs more than once; expected unique ids")
    if not kept:
        found = ", ".join(f"{count} x {reason}" for reason, count in reasons.items()) or "the source is empty"
        raise UserError(f"{captions}: no caption is left ({found}); expected at least one")
    for path, items, schema in ((captions, kept, caption_schema()), (rejects, left, reject_schema())):
        items = sorted(items, key=lambda row: row.caption_id)
        columns = {name: [getattr(row, name) for row in items] for name in schema.names}
        write_parquet(pa.Table.from_pydict(columns, schema), path)
    return reasons


def label_captions(
    source: str | Path,
    labeller: Filter,
    labelled: str | Path,
    rejects: str | Path,
    on_progress: OnProgress | None = None,
) -> Counter[str]:
    """Label captions, a few thousand in memory; return the number of rejects by reason.

    A caption without a positive class teaches nothing and is a reject; rows in = labelled + rejects.

    Raises:
        UserError: the source is missing or damaged, or no caption names a class.
    """
    reasons: Counter[str] = Counter()
    total = kept = 0
    with (
        open_parquet(source, ["caption_id", "text"]) as file,
        parquet_writer(labelled, labelled_schema()) as good,
        parquet_writer(rejects, reject_schema()) as bad,
    ):
        for ids, texts, found in _labelled_batches(file, labeller, source):
            rows = list(zip(ids, texts, found, strict=True))
            good.write_table(_labelled_table([row for row in rows if not row[2].reason]))
            left = [row for row in rows if row[2].reason]
            bad.write_table(_reject_table(left))
            reasons.update(row[2].reason for row in left)
            total, kept = total + len(rows), kept + len(rows) - len(left)
            if on_progress:
                on_progress(total)
        if not kept:
            raise UserError(f"{source}: none of {total} captions names a class; expected some: the right class list?")
    return reasons


def _labelled_batches(
    file: Any, labeller: Filter, source: str | Path
) -> Iterator[tuple[list[str], list[str], list[Labelled]]]:
    try:
        for batch in file.iter_batches(batch_size=ROWS, columns=["caption_id", "text"]):
            ids, texts = (batch.column(name).to_pylist() for name in ("caption_id", "text"))
            yield ids, texts, list(labeller.label(texts))
    except OSError as error:
        raise UserError(f"{source}: damaged parquet file: {error}") from error


def _labelled_table(rows: Sequence[tuple[str, str, Labelled]]) -> pa.Table:
    import pyarrow as pa

    columns = {
        "caption_id": [key for key, _, _ in rows],
        "text": [text for _, text, _ in rows],
        "positive": [list(found.positive) for _, _, found in rows],
        "unknown": [list(found.unknown) for _, _, found in rows],
        "spans": [[span.row() for span in found.spans] for _, _, found in rows],
    }
    return pa.Table.from_pydict(columns, labelled_schema())


def _reject_table(rows: Sequence[tuple[str, str, Labelled]]) -> pa.Table:
    import pyarrow as pa

    columns = {
        "caption_id": [key for key, _, _ in rows],
        "text": [text for _, text, _ in rows],
        "reason": [found.reason for _, _, found in rows],
    }
    return pa.Table.from_pydict(columns, reject_schema())


def write_drawn(labelled: Iterable[str | Path], path: str | Path) -> int:
    """Write the union of what data sets keep of a pool, by id: each caption is drawn once. Return its size."""
    import pyarrow as pa

    texts: dict[str, str] = {}
    for source in labelled:
        table = read_parquet(source, ["caption_id", "text"])
        texts |= dict(zip(table["caption_id"].to_pylist(), table["text"].to_pylist(), strict=True))
    ids = sorted(texts)
    schema = pa.schema([("caption_id", pa.string()), ("text", pa.string())])
    write_parquet(pa.Table.from_pydict({"caption_id": ids, "text": [texts[key] for key in ids]}, schema), path)
    return len(ids)

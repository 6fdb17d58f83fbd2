"""The files of the caption stage: what a pool has, what a noun filter says of it, and what is to be drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from t2ipal.captions.cap import within_cap
from t2ipal.captions.labels import ABOVE_CAP, Labelled
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
    *,
    cap: int | None = None,
) -> Counter[str]:
    """Label captions, a few thousand in memory; return the number of rejects by reason.

    A caption without a positive class teaches nothing and is a reject; rows in = labelled + rejects.

    Args:
        cap: captions per class, as `t2ipal.captions.cap.within_cap` counts; None: no limit. What is above is a reject.
            With a cap, all are in memory: which class is rare is known at the end.

    Raises:
        UserError: the source is missing or damaged, or no caption names a class.
    """
    reasons: Counter[str] = Counter()
    kept = 0
    with (
        open_parquet(source, ["caption_id", "text"]) as file,
        parquet_writer(labelled, labelled_schema()) as good,
        parquet_writer(rejects, reject_schema()) as bad,
    ):
        pairs = _labelled_batches(file, labeller, source, on_progress)
        for found, left in pairs if cap is None else _capped(pairs, cap):
            good.write_table(found)
            bad.write_table(left)
            kept += found.num_rows
            reasons.update(left["reason"].to_pylist())
        if not kept:
            raise UserError(
                f"{source}: none of {reasons.total()} captions names a class; expected some: the right class list?"
            )
    return reasons


def _labelled_batches(
    file: Any, labeller: Filter, source: str | Path, on_progress: OnProgress | None
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Labelled captions and rejects, a few thousand at a time."""
    total = 0
    try:
        for batch in file.iter_batches(batch_size=ROWS, columns=["caption_id", "text"]):
            ids, texts = (batch.column(name).to_pylist() for name in ("caption_id", "text"))
            rows = list(zip(ids, texts, labeller.label(texts), strict=True))
            left = [row for row in rows if row[2].reason]
            yield _labelled_table([row for row in rows if not row[2].reason]), _reject_table(left)
            total += len(rows)
            if on_progress:
                on_progress(total)
    except OSError as error:
        raise UserError(f"{source}: damaged parquet file: {error}") from error


def _capped(pairs: Iterable[tuple[pa.Table, pa.Table]], cap: int) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The same with at most `cap` captions per class, as one pair of tables in the order of ids."""
    import pyarrow as pa
    import pyarrow.compute as pc

    batches = list(pairs)
    found = pa.concat_tables([labelled_schema().empty_table(), *(good for good, _ in batches)])
    left = pa.concat_tables([reject_schema().empty_table(), *(bad for _, bad in batches)])
    keep = pa.array(within_cap(found["positive"].to_pylist(), cap), pa.bool_())
    above = found.filter(pc.invert(keep)).select(["caption_id", "text"])
    above = above.append_column("reason", pa.array([ABOVE_CAP] * above.num_rows, pa.string()))
    yield found.filter(keep), pa.concat_tables([left, above]).sort_by("caption_id")


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

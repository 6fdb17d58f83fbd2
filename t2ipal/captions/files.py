"""The files of the noun filter: labels of a pool, and the captions selected for generation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from t2ipal.captions.cap import within_cap
from t2ipal.captions.labels import ABOVE_CAP, Labelled
from t2ipal.errors import UserError
from t2ipal.sources.caption_rows import reject_schema
from t2ipal.store import open_parquet, parquet_writer, read_batches, read_parquet, write_parquet

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 4096
"""Captions held in memory while they are labelled."""

OnProgress = Callable[[int], None]


class Filter(Protocol):
    """What labels captions: `NounFilter` or `TaiDptFilter`."""

    def label(self, texts: Iterable[str]) -> Iterator[Labelled]: ...


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
        for chunk, left in pairs if cap is None else _capped(pairs, cap):
            good.write_table(chunk)
            bad.write_table(left)
            kept += chunk.num_rows
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
    for batch in read_batches(file, source, ["caption_id", "text"], ROWS):
        ids, texts = (batch.column(name).to_pylist() for name in ("caption_id", "text"))
        rows = list(zip(ids, texts, labeller.label(texts), strict=True))
        left = [row for row in rows if row[2].reason]
        yield _labelled_table([row for row in rows if not row[2].reason]), _reject_table(left)
        total += len(rows)
        if on_progress:
            on_progress(total)


def _capped(pairs: Iterable[tuple[pa.Table, pa.Table]], cap: int) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The same with at most `cap` captions per class, as one pair of tables in the order of ids."""
    import pyarrow as pa
    import pyarrow.compute as pc

    batches = list(pairs)
    labelled = pa.concat_tables([labelled_schema().empty_table(), *(good for good, _ in batches)])
    left = pa.concat_tables([reject_schema().empty_table(), *(bad for _, bad in batches)])
    keep = pa.array(within_cap(labelled["positive"].to_pylist(), cap), pa.bool_())
    above = labelled.filter(pc.invert(keep)).select(["caption_id", "text"])
    above = above.append_column("reason", pa.array([ABOVE_CAP] * above.num_rows, pa.string()))
    yield labelled.filter(keep), pa.concat_tables([left, above]).sort_by("caption_id")


def _labelled_table(rows: Sequence[tuple[str, str, Labelled]]) -> pa.Table:
    import pyarrow as pa

    columns = {
        "caption_id": [key for key, _, _ in rows],
        "text": [text for _, text, _ in rows],
        "positive": [list(labels.positive) for _, _, labels in rows],
        "unknown": [list(labels.unknown) for _, _, labels in rows],
        "spans": [[span.row() for span in labels.spans] for _, _, labels in rows],
    }
    return pa.Table.from_pydict(columns, labelled_schema())


def _reject_table(rows: Sequence[tuple[str, str, Labelled]]) -> pa.Table:
    import pyarrow as pa

    columns = {
        "caption_id": [key for key, _, _ in rows],
        "text": [text for _, text, _ in rows],
        "reason": [labels.reason for _, _, labels in rows],
    }
    return pa.Table.from_pydict(columns, reject_schema())


def write_selected(labelled: Iterable[str | Path], path: str | Path) -> int:
    """Write the union of what data sets keep of a pool, by id: each caption gets images once. Return its size."""
    import pyarrow as pa

    texts: dict[str, str] = {}
    for source in labelled:
        table = read_parquet(source, ["caption_id", "text"])
        texts |= dict(zip(table["caption_id"].to_pylist(), table["text"].to_pylist(), strict=True))
    ids = sorted(texts)
    schema = pa.schema([("caption_id", pa.string()), ("text", pa.string())])
    write_parquet(pa.Table.from_pydict({"caption_id": ids, "text": [texts[key] for key in ids]}, schema), path)
    return len(ids)

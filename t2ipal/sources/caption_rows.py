"""What a caption pool is made of, and how it is written."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.errors import UserError
from t2ipal.store import write_parquet
from t2ipal.text_files import writable

if TYPE_CHECKING:
    import pyarrow as pa

EMPTY = "empty caption"
NO_TEXT = "caption is no text"
NOT_SAMPLED = "another caption of its image was sampled"
NOT_IN_IDS = "not in the list of ids"
ID_NOT_FOUND = "in the list of ids, but in no split"
NOT_LISTED = "its image is not in the list of images"
TWICE = "caption id occurs more than once; its first caption is taken"
NUL = "caption with a NUL character"
HALF = "caption with half a character (a lone surrogate)"
LONG = "caption of more than 131,072 characters"

LONGEST = 131_072
"""Characters of a caption, as Python's csv module takes by default; no sentence has a hundredth of them."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption to learn from.

    Attributes:
        caption_id: unique in its pool; text order is the order of reading where ids are made by us.
        image_id: the image it was written for, if known.
        text: without line breaks and outer spaces.
        source: where it is from, e.g. "micro", "coco/val2014" or a file name.
    """

    caption_id: str
    image_id: str | None
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class RejectedCaption:
    """A caption left out, and why."""

    caption_id: str
    text: str
    reason: str


def checked(caption_id: str, image_id: str | None, text: object, source: str) -> Caption | RejectedCaption:
    """The caption in `text`, or a reject with the reason."""
    if text is None or (isinstance(text, str) and not _is_visible(text)):
        return rejected(caption_id, "", EMPTY)
    if not isinstance(text, str):
        return rejected(caption_id, text, NO_TEXT)
    for broken, reason in ((len(text) > LONGEST, LONG), ("\0" in text, NUL), (writable(text) != text, HALF)):
        if broken:
            return rejected(caption_id, text, reason)
    image_id = None if image_id is None else writable(image_id)
    return Caption(writable(caption_id), image_id, " ".join(text.split()), writable(source))


def _is_visible(text: str) -> bool:
    """Whether there is more than spaces and marks without width; what cannot be printed is looked at later."""
    return any(not mark.isspace() and unicodedata.category(mark) != "Cf" for mark in text)


def rejected(caption_id: str, text: object, reason: str) -> RejectedCaption:
    """A reject whose text can be written: the start of a long one, half characters as their codes."""
    return RejectedCaption(writable(caption_id), "" if text is None else writable(str(text)[:LONGEST]), reason)


def caption_schema() -> pa.Schema:
    """Columns of captions.parquet."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in ("caption_id", "image_id", "text", "source")])


def reject_schema() -> pa.Schema:
    """Columns of every rejects.parquet of captions."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in ("caption_id", "text", "reason")])


def write_captions(
    rows: Iterable[Caption | RejectedCaption],
    captions: str | Path,
    rejects: str | Path,
    on_progress: Callable[[int], None] | None = None,
) -> Counter[str]:
    """Write a pool's captions and rejects, by id; return the number of rejects by reason.

    Raises:
        UserError: an id occurs twice, or no caption is left.
    """
    import pyarrow as pa

    kept: list[Caption] = []
    left: list[RejectedCaption] = []
    for count, row in enumerate(rows, 1):
        (kept if isinstance(row, Caption) else left).append(row)  # type: ignore[arg-type]
        if on_progress:
            on_progress(count)
    reasons = Counter(row.reason for row in left)
    twice = [key for key, count in Counter(row.caption_id for row in kept).items() if count > 1]
    if twice:
        raise UserError(f"{captions}: caption id {twice[0]!r} occurs more than once; expected unique ids")
    if not kept:
        summary = ", ".join(f"{count} x {reason}" for reason, count in reasons.items()) or "the source is empty"
        raise UserError(f"{captions}: no caption is left ({summary}); expected at least one")
    for path, items, schema in ((captions, kept, caption_schema()), (rejects, left, reject_schema())):
        items = sorted(items, key=lambda row: row.caption_id)
        columns = {name: [getattr(row, name) for row in items] for name in schema.names}
        write_parquet(pa.Table.from_pydict(columns, schema), path)
    return reasons

"""Captions in a data set that the package `datasets` reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from t2ipal.findings import Finding
from t2ipal.sources.base import CaptionSource, Counted
from t2ipal.sources.caption_rows import TWICE, Caption, RejectedCaption, checked, rejected
from t2ipal.sources.huggingface.rows import HubBlock, HubRows, check_block, count_rows
from t2ipal.sources.text import ID_COLUMNS, IMAGE_COLUMNS, TEXT_COLUMNS, id_text


class HubCaptions(HubBlock, CaptionSource):
    """A data set with a column of captions."""

    source: Literal["huggingface"] = Field(description="a data set that the package datasets reads")
    text_column: str | None = Field(None, description="column of captions, or of lists of them; null: text or caption")
    id_column: str | None = Field(None, description="column of unique ids; null: caption_id or id, or the row's number")

    def rows(self, seed: int) -> Iterator[Caption | RejectedCaption]:
        """Yield every caption, in the order of the rows.

        A cell may be a list of captions: the second caption of row `7` has the id `7-1`. Of captions with one id the
        first is taken. A column `image_id` is kept.
        """
        data = HubRows(self)
        text = data.column(self.text_column, TEXT_COLUMNS, "captions")
        key = data.column(self.id_column, ID_COLUMNS, "ids", optional=True)
        image = data.column(None, IMAGE_COLUMNS, "ids of images", optional=True)
        seen: set[str] = set()
        for number, row in enumerate(data.read([column for column in (text, key, image) if column])):
            identity = (id_text(row[key]) if key else None) or f"{number:08d}"
            image_id = id_text(row[image]) if image else None
            cell = row[text]
            texts = cell if isinstance(cell, list) and cell else [cell or None]
            for place, content in enumerate(texts):
                caption_id = identity if place == 0 else f"{identity}-{place}"
                item = checked(caption_id, image_id, content, "huggingface")
                if self.id_column and id_text(row[key]) is None:
                    item = rejected(caption_id, content, f"no id in column {self.id_column!r}")
                if item.caption_id in seen:
                    item = rejected(item.caption_id, item.text, TWICE)
                seen.add(item.caption_id)
                yield item

    def check(self, key: str) -> Iterator[Finding]:
        return check_block(key, self)

    def count(self) -> Counted:
        return count_rows(self)

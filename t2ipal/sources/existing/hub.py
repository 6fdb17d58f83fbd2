"""Existing images in a data set that the package `datasets` reads, tied to captions by a column of ids or captions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from t2ipal.errors import UserError
from t2ipal.findings import Finding
from t2ipal.sources.base import Counted
from t2ipal.sources.existing.base import ID_COLUMNS, SAMPLE_COLUMNS, ExistingImages, Listed, Tied, sample_of, tie
from t2ipal.sources.huggingface.rows import HubBlock, HubRows, check_block, count_rows
from t2ipal.sources.text import id_text


class ExistingHubImages(HubBlock, ExistingImages):
    """A data set of images that exist already."""

    source: Literal["huggingface"] = Field(description="a data set that the package datasets reads")
    streaming: Literal[False] = Field(False, description="false: images are read in the order of the captions")
    image_column: str | None = Field(None, description="column of images; null: image")

    def tie(self, captions: Mapping[str, str]) -> Tied:
        rows = HubRows(self)
        return tie(self._listed(rows), captions, self.samples, self.text_column is not None)

    def _listed(self, rows: HubRows) -> Iterator[Listed]:
        image = rows.column(self.image_column, ("image",), "images")
        caption = rows.column(self.text_column or self.id_column, ID_COLUMNS, "captions")
        sample = rows.column(self.sample_column, SAMPLE_COLUMNS, "sample numbers", optional=True)
        for number, row in enumerate(rows.read([caption, sample] if sample else [caption])):
            name = f"row {number}"
            key = id_text(row[caption])
            if key is None:
                raise UserError(f"{rows.where}: {name}: nothing in column {caption!r}; expected a caption or its id")
            which = sample_of(row[sample], f"{rows.where}: {name}") if sample else None
            yield Listed(name, key, which, partial(_content, rows, number, image))

    def check(self, key: str) -> Iterator[Finding]:
        return check_block(key, self)

    def count(self) -> Counted:
        return count_rows(self)


def _content(rows: HubRows, number: int, image: str) -> bytes | Path:
    """The image of a row; one without, or a path elsewhere, is of no bytes, which is broken."""
    try:
        return rows.picture(rows.row(number)[image]) or b""
    except ValueError:
        return b""

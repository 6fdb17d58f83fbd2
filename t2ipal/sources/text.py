"""Captions of the user's own: .txt with one per line, or a column of a .csv, .jsonl or .parquet; streamed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from t2ipal.errors import UserError
from t2ipal.sources.base import CaptionSource, Counted
from t2ipal.sources.caption_rows import TWICE, Caption, RejectedCaption, checked
from t2ipal.sources.reading.text_files import json_lines
from t2ipal.store import existing, open_parquet
from t2ipal.validation import DataPath

TEXT_COLUMNS = ("text", "caption")
ID_COLUMNS = ("caption_id", "id")
BATCH = 4096  # rows of a parquet file in memory


class TextCaptions(CaptionSource):
    """Captions of the user's own, one per line or row."""

    source: Literal["text"] = Field(description="a file of captions")
    path: DataPath = Field(description="a .txt, .csv, .jsonl or .parquet file, relative to data_dir")
    text_column: str | None = Field(None, description="column of the captions; null: text or caption")
    id_column: str | None = Field(None, description="column of unique ids; null: ids are made from the order")

    def rows(self, seed: int) -> Iterator[Caption | RejectedCaption]:
        """Yield every caption, in the file's order.

        A caption's id is the id column's value, else its line or row number. A column `image_id` is kept.

        Raises:
            UserError: the file is missing, malformed, of another kind, or lacks the column.
        """
        path = existing(self.path)
        if path.suffix not in _ROWS:
            raise UserError(f"{path}: found {path.suffix or 'no suffix'!r}; expected {', '.join(_ROWS)}")
        seen: set[str] = set()
        text_columns = (self.text_column,) if self.text_column else TEXT_COLUMNS
        id_columns = (self.id_column,) if self.id_column else ID_COLUMNS
        try:
            for number, row in _ROWS[path.suffix](path):
                column = _column(path, number, row, text_columns)
                key = next((row[name] for name in id_columns if row.get(name) not in (None, "")), None)
                if key is None and self.id_column:
                    raise UserError(f"{path}: row {number}: no value in column {self.id_column!r}")
                caption_id = f"{number:08d}" if key is None else str(key)
                image = row.get("image_id")
                result = checked(caption_id, None if image is None else str(image), row[column], path.name)
                if key is not None:
                    if caption_id in seen:
                        result = RejectedCaption(caption_id, result.text, TWICE)
                    seen.add(caption_id)
                yield result
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: not UTF-8 text: {error}") from error

    def count(self) -> Counted:
        path = Path(self.path)
        if not path.is_file():
            return Counted(0, f"{path} is not there, so nothing is counted")
        return Counted(_line_count(path), f"lines of {path}")


def _column(path: Path, number: int, row: Mapping[str, Any], wanted: Sequence[str]) -> str:
    for name in wanted:
        if name in row:
            return name
    has = ", ".join(str(name) for name in row) or "nothing"
    raise UserError(f"{path}: row {number}: no column {' or '.join(map(repr, wanted))}; it has {has}")


Rows = Iterator[tuple[int, Mapping[str, Any]]]


def _txt(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            yield number, {TEXT_COLUMNS[0]: line}


def _csv(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            yield from enumerate(csv.DictReader(file), start=1)
        except csv.Error as error:
            raise UserError(f"{path}: malformed CSV: {error}") from error


def _parquet(path: Path) -> Rows:
    with open_parquet(path) as file:
        wanted = {*TEXT_COLUMNS, *ID_COLUMNS, "image_id"} & set(file.schema_arrow.names)
        # other columns may hold images: leave them on disk, unless nothing else is there to name in an error
        columns = sorted(wanted) if wanted & set(TEXT_COLUMNS) else None
        number = 0
        try:
            for batch in file.iter_batches(BATCH, columns=columns):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
        except OSError as error:
            raise UserError(f"{path}: damaged parquet file: {error}") from error


_ROWS: dict[str, Callable[[Path], Rows]] = {".txt": _txt, ".csv": _csv, ".jsonl": json_lines, ".parquet": _parquet}


def _line_count(path: Path) -> int:
    if path.suffix == ".parquet":
        with open_parquet(path) as file:
            return file.metadata.num_rows
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())

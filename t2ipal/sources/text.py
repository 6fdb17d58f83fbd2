"""Captions of the user's own: .txt with one per line, or a column of a table or of .jsonl or .parquet; streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from t2ipal.errors import UserError
from t2ipal.sources.base import CaptionSource, Counted
from t2ipal.sources.caption_rows import TWICE, Caption, RejectedCaption, checked, rejected
from t2ipal.sources.reading.delimited import Table, column_of
from t2ipal.store import existing, open_parquet, read_batches
from t2ipal.text_files import json_lines, open_text
from t2ipal.validation import DataPath

TEXT_COLUMNS = ("text", "caption")
ID_COLUMNS = ("caption_id", "id")
IMAGE_COLUMNS = ("image_id",)
BATCH = 4096  # rows of a parquet file in memory


class TextCaptions(CaptionSource):
    """Captions of the user's own, one per line or row."""

    source: Literal["text"] = Field(description="a file of captions")
    path: DataPath = Field(description="a .txt, .csv, .jsonl, .parquet or .tsv file, relative to data_dir")
    text_column: str | None = Field(None, description="column of the captions; null: text or caption")
    id_column: str | None = Field(None, description="column of unique ids; null: ids are made from the order")

    def rows(self, seed: int) -> Iterator[Caption | RejectedCaption]:
        """Yield every caption, in the file's order.

        A caption's id is the id column's value, a text or a number, else its line or row number; of rows with one id
        the first is taken. A column `image_id` is kept.

        Raises:
            UserError: the file is missing, malformed, of another kind, or lacks the column.
        """
        path = existing(self.path)
        read = _ROWS.get(path.suffix.lower())
        if read is None:
            raise UserError(f"{path}: found {path.suffix or 'no suffix'!r}; expected {', '.join(_ROWS)}")
        wanted = Wanted(
            (self.text_column,) if self.text_column else TEXT_COLUMNS,
            (self.id_column,) if self.id_column else ID_COLUMNS,
            asked=self.id_column is not None,
        )
        seen: set[str] = set()
        for row in read(path, wanted):
            key = id_text(row.cells.get("id"))
            result = self._result(path, row, key or f"{row.number:08d}")
            if key is not None:
                if key in seen:
                    result = rejected(key, result.text, TWICE)
                seen.add(key)
            yield result

    def _result(self, path: Path, row: Row, caption_id: str) -> Caption | RejectedCaption:
        if row.problem:
            return rejected(caption_id, row.text, row.problem)
        if self.id_column and id_text(row.cells["id"]) is None:
            return rejected(caption_id, row.cells["text"], f"no id in column {self.id_column!r}")
        return checked(caption_id, id_text(row.cells.get("image")), row.cells["text"], path.name)

    def count(self) -> Counted:
        path = Path(self.path)
        if not path.is_file():
            return Counted(0, f"{path} is not there, so nothing is counted")
        return Counted(_line_count(path), f"lines of {path}")


def id_text(value: object) -> str | None:
    """An id as text: a text or a number; None: there is none, or something else in its place.

    1.0 is "1": a column of whole numbers in which some are missing becomes one of floats in other programs.
    """
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool | bytes | list | dict) or value is None or value != value:
        return None
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Names that the columns of texts and ids may have, the first first; `asked`: the user named that of ids."""

    text: Sequence[str]
    key: Sequence[str]
    asked: bool

    def chosen(self, where: str, columns: Sequence[str]) -> dict[str, str]:
        """By "text", "id" and "image" the column that has it.

        Raises:
            UserError: no column of texts, or none of the name that the user gave, or one that is there twice; `where`
                names the file.
        """
        wanted = {"text": self.text, "id": self.key, "image": IMAGE_COLUMNS}
        columns_of = {part: column_of(columns, names, where) for part, names in wanted.items()}
        for part in ("text", "id") if self.asked else ("text",):
            if columns_of[part] is None:
                has = ", ".join(map(str, columns))[:200] or "nothing"
                raise UserError(f"{where}: no column {' or '.join(map(repr, wanted[part]))}; it has {has}")
        return {part: name for part, name in columns_of.items() if name is not None}


@dataclass(frozen=True, slots=True)
class Row:
    """A row: `cells` by "text", "id" and "image", or the `problem` and the `text` of a broken one."""

    number: int
    cells: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    text: str = ""


def _txt(path: Path, wanted: Wanted) -> Iterator[Row]:
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            yield Row(number, {"text": line})


def _table(path: Path, wanted: Wanted) -> Iterator[Row]:
    table = Table(path, wanted.text)
    places = {part: table.columns.index(name) for part, name in wanted.chosen(str(path), table.columns).items()}
    for number, row in enumerate(table, start=1):
        if row.problem:
            yield Row(number, {}, row.problem, row.text)
        else:
            yield Row(number, {part: row.cells[place] for part, place in places.items()})


def _json(path: Path, wanted: Wanted) -> Iterator[Row]:
    for number, row in json_lines(path):
        chosen = wanted.chosen(f"{path}: line {number}", list(row))
        yield Row(number, {part: row[name] for part, name in chosen.items()})


def _parquet(path: Path, wanted: Wanted) -> Iterator[Row]:
    with open_parquet(path) as file:
        # other columns may hold images: they stay on disk
        chosen = wanted.chosen(str(path), file.schema_arrow.names)
        batches = read_batches(file, path, sorted(set(chosen.values())), BATCH)
        rows = (row for batch in batches for row in batch.to_pylist())
        for number, row in enumerate(rows, start=1):
            yield Row(number, {part: _as_text(row[name]) for part, name in chosen.items()})


def _as_text(value: object) -> object:
    """A cell of Parquet; writers of old have texts as bytes."""
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            return value.decode()
    return value


_ROWS: dict[str, Callable[[Path, Wanted], Iterator[Row]]] = {
    ".txt": _txt,
    ".csv": _table,
    ".jsonl": _json,
    ".parquet": _parquet,
    ".tsv": _table,
}


def _line_count(path: Path) -> int:
    if path.suffix.lower() == ".parquet":
        with open_parquet(path) as file:
            return file.metadata.num_rows
    with path.open("rb") as file:
        return sum(1 for line in file if line.strip())

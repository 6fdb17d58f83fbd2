"""A folder of existing images, tied to captions by a table or by their names."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from t2ipal.errors import UserError, printable
from t2ipal.sources.base import Counted
from t2ipal.sources.existing.base import ID_COLUMNS, SAMPLE_COLUMNS, ExistingImages, Listed, Tied, sample_of, tie
from t2ipal.sources.reading.delimited import Table, column_of
from t2ipal.sources.reading.folders import PICTURES, NamedFiles, files_below
from t2ipal.store import existing
from t2ipal.validation import DataPath

IMAGE = "image"
"""Column of a table that holds an image's path below the folder."""

NO_ROW, NO_PICTURE = "no row of the table names it", "its ending is that of no picture"
TEXTS = (".csv", ".json", ".jsonl", ".log", ".md", ".parquet", ".tsv", ".txt", ".yaml", ".yml")
"""Endings of what people keep next to images."""

_NUMBERED = re.compile(r"(.+)[_-](\d{1,9})", re.DOTALL)
"""A caption's id and the number of the image."""


class ExistingFolder(ExistingImages):
    """A folder of images that exist already."""

    source: Literal["folder"] = Field(description="a folder of images that exist already")
    path: DataPath = Field(description="the folder, relative to data_dir")
    table: DataPath | None = Field(
        None, description="a .csv with columns image and caption_id, perhaps sample; null: names of files tie them"
    )

    def tie(self, captions: Mapping[str, str]) -> Tied:
        """As any source. Without a table, `7.png` and `7_0.png` are image 0 of caption 7, `7-1.png` is its image 1."""
        folder = existing(self.path, "folder of images")
        if not folder.is_dir():
            raise UserError(f"{folder}: not a folder (expected the folder of images)")
        entries = list(files_below(folder))
        # a second name of one file is an image too: of another caption, perhaps
        paths = [entry.path for entry in entries if not entry.problem or os.path.isfile(entry.path)]
        files = {path.relative_to(folder).as_posix(): path for path in paths}
        pictures = {name: path for name, path in sorted(files.items()) if path.suffix.lower() in PICTURES}
        if self.table:
            rows = list(self._listed(Path(self.table), folder, NamedFiles(folder, files)))
            tied = tie(rows, captions, self.samples, self.text_column is not None)
            others = {NO_ROW: sorted(pictures.keys() - {row.name for row in rows})}
        elif self.text_column:
            raise UserError(f"{folder}: text_column without a table of captions; expected table too")
        else:
            rows = [_named(name, path, captions) for name, path in pictures.items()]
            tied = tie(rows, captions, self.samples, by_text=False)
            others = {NO_PICTURE: sorted(name for name in files.keys() - pictures.keys() if not _is_text(name))}
        for reason, names in others.items():
            if names:
                tied.unused[reason] = names
        for entry in entries:
            if entry.problem and entry.path not in paths:
                tied.unused[entry.problem].append(entry.path.relative_to(folder).as_posix())
        return tied

    def _listed(self, path: Path, folder: Path, files: NamedFiles) -> Iterator[Listed]:
        table = Table(existing(path, "table of images"), (IMAGE,))
        captions = (self.text_column,) if self.text_column else (self.id_column,) if self.id_column else ID_COLUMNS
        places = []
        for names in ((IMAGE,), captions, (self.sample_column,) if self.sample_column else SAMPLE_COLUMNS):
            name = column_of(table.columns, names, str(path))
            if name is None and (names != SAMPLE_COLUMNS or self.sample_column):
                has = ", ".join(table.columns)[:200] or "none"
                raise UserError(f"{path}: no column {' or '.join(map(repr, names))}; it has {has}")
            places.append(None if name is None else table.columns.index(name))
        image, caption, sample = places
        for row in table:
            if row.problem:
                raise UserError(f"{path}: {row.problem}")
            where = f"{path}: line {row.line}"
            try:
                name = files.find(row.cells[image]) if row.cells[image] else ""
            except ValueError as error:
                raise UserError(f"{where}: image {error}; expected one file below the folder") from error
            if not name or not row.cells[caption]:
                raise UserError(printable(f"{where}: found {row.text!r}; expected an image and its caption"))
            number = None if sample is None else sample_of(row.cells[sample], where)
            if name in files.names:  # else it is missing, as is one without a row
                yield Listed(name, row.cells[caption], number, partial(Path, folder, name))

    def count(self) -> Counted:
        folder = Path(self.path)
        if not folder.is_dir():
            return Counted(0, f"{folder} is not there, so nothing is counted")
        return Counted(sum(item.path.suffix.lower() in PICTURES for item in files_below(folder)), f"files of {folder}")


def _is_text(name: str) -> bool:
    return name.lower().endswith(TEXTS)


def _named(name: str, path: Path, captions: Collection[str]) -> Listed:
    """The image of a file by its name: the path below the folder, or the last part of it.

    Raises:
        UserError: it may be of several captions.
    """
    options = []
    for stem in dict.fromkeys((name.removesuffix(path.suffix), path.stem)):
        numbered = _NUMBERED.fullmatch(stem)
        options += [(stem, 0)] if stem in captions else []
        options += [(numbered[1], int(numbered[2]))] if numbered and numbered[1] in captions else []
    if len(options) > 1:
        both = " or ".join(f"image {sample} of caption {caption!r}" for caption, sample in options[:2])
        raise UserError(printable(f"{path}: may be {both}; expected one: give a table"))
    caption, sample = options[0] if options else (path.stem, 0)
    return Listed(name, caption, sample, lambda: path)

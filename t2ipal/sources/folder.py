"""A folder of photos, with or without a table of labels."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.errors import UserError
from t2ipal.names import twins
from t2ipal.sources.base import Counted, ImageSource
from t2ipal.sources.image_rows import DIFFICULT, NEGATIVE, POSITIVE, ImageRow, RejectedImage
from t2ipal.sources.reading.class_names import match
from t2ipal.sources.reading.delimited import Table
from t2ipal.sources.reading.folders import NamedFiles, files_below
from t2ipal.sources.reading.image_files import NOT_UTF8, checked_images
from t2ipal.store import existing
from t2ipal.text_files import writable
from t2ipal.validation import DataPath

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

IMAGE = "image"
"""Column of a label table that holds an image's path below the folder. Every other column is a class: 1, 0 or -1."""


class FolderImages(ImageSource):
    """A folder of images, with or without labels."""

    source: Literal["folder"] = Field(description="a folder of images")
    path: DataPath = Field(description="the folder, relative to data_dir")
    labels: DataPath | None = Field(
        None, description="a .csv with columns image and one per class, relative to data_dir"
    )

    def read(self, classes: ClassList, role: str = "test", seed: int = 0) -> Iterator[ImageRow | RejectedImage]:
        """Yield every file below the folder, hidden ones aside; its path below the folder is the image_id.

        Without a table the labels are None. With one, an image without a row and a row without an image are rejects, as
        is all that is no file, and a file that is there by two names.

        Raises:
            UserError: no such folder; a missing or malformed table; a class without a column.
        """
        folder = existing(self.path, "folder of images")
        files = {found.path.relative_to(folder).as_posix(): found for found in files_below(folder)}
        problems = {key: found.problem or (NOT_UTF8 if writable(key) != key else "") for key, found in files.items()}
        rejects = (
            RejectedImage(writable(key), writable(str(files[key].path)), problem)
            for key, problem in sorted(problems.items(), key=lambda item: writable(item[0]))
            if problem
        )
        paths = {key: found.path for key, found in files.items() if not problems[key]}
        if not self.labels:
            rows = checked_images((key, paths[key], None) for key in sorted(paths))
        else:
            labels = Path(self.labels)
            if labels.is_file() and labels.resolve().is_relative_to(folder.resolve()):
                paths.pop(labels.resolve().relative_to(folder.resolve()).as_posix(), None)
            table = _labels(labels, classes, NamedFiles(folder, files))
            paths |= {key: folder / key for key in table.keys() - files.keys()}
            rows = _labelled(paths, table)
        return heapq.merge(rows, rejects, key=attrgetter("image_id"))

    def listed(self) -> Iterator[tuple[str, Path]]:
        """Yield (image_id, file) of every image that the table of labels lists, if there is one.

        Raises:
            UserError: no such table, one without a column of images, or one that names an image twice.
        """
        if not self.labels:
            return
        folder = Path(self.path)
        names = (found.path.relative_to(folder).as_posix() for found in files_below(folder))
        for _, key, _ in _rows(_table(self.labels), NamedFiles(folder, names)):
            yield key, folder / key

    def positives(self, classes: ClassList) -> tuple[int, ...] | None:
        """As of any source; by the table alone, for the folder may take long to list."""
        if not self.labels:
            return None
        rows = _labels(Path(self.labels), classes, NamedFiles(self.path, ())).values()
        return tuple(sum(row[index] == POSITIVE for row in rows) for index in range(len(classes)))

    def count(self) -> Counted:
        folder = Path(self.path)
        if not folder.is_dir():
            return Counted(0, f"{folder} is not there, so nothing is counted")
        return Counted(sum(not found.problem for found in files_below(folder)), f"files below {folder}")


def _labelled(paths: dict[str, Path], table: dict[str, tuple[int, ...]]) -> Iterator[ImageRow | RejectedImage]:
    # A listed image that is not there is checked like the others and rejected.
    for row in checked_images((key, paths[key], table.get(key)) for key in sorted(paths)):
        if isinstance(row, ImageRow) and row.labels is None:
            yield RejectedImage(row.image_id, str(row.path), "no row in the table of labels")
        else:
            yield row


def _labels(path: Path, classes: ClassList, files: NamedFiles) -> dict[str, tuple[int, ...]]:
    """Labels by the path of an image below the folder. A class is positive where any column that names it is."""
    allowed = {str(code): code for code in (POSITIVE, NEGATIVE, DIFFICULT)}
    table = _table(path)
    columns = match(classes, [name for name in table.columns if name != IMAGE], str(path), every=True)
    places = {table.columns.index(name): index for name, index in columns.items()}
    labels: dict[str, tuple[int, ...]] = {}
    for line, key, cells in _rows(table, files):
        codes: list[list[int]] = [[] for _ in classes.names]
        for place, index in places.items():
            if cells[place] not in allowed:
                raise UserError(
                    f"{path}: line {line}: {table.columns[place]} is {cells[place][:60]!r}; expected 1, 0 or -1"
                )
            codes[index].append(allowed[cells[place]])
        labels[key] = tuple(strongest(marks) for marks in codes)
    return labels


def _table(path: str | Path) -> Table:
    """The table of labels in a file.

    Raises:
        UserError: as `Table`, or no column of images, or a column that is there twice.
    """
    table = Table(existing(path, "table of labels"), (IMAGE,))
    if IMAGE not in table.columns:
        raise UserError(f"{path}: no column {IMAGE!r}; it has {', '.join(table.columns)[:200] or 'none'}")
    if pair := twins(filter(None, table.columns)):
        raise UserError(f"{path}: columns {pair[0]!r} and {pair[1]!r} are one name; expected one of them")
    return table


def strongest(marks: Collection[int]) -> int:
    """The label of a class by the marks of all columns that name it: one positive is enough, then one difficult."""
    return next((code for code in (POSITIVE, DIFFICULT) if code in marks), NEGATIVE)


def _rows(table: Table, files: NamedFiles) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """Yield (line, image as a path below the folder, cells) of a table of labels.

    Raises:
        UserError: a broken row, or an image without a name, outside of the folder, or listed twice.
    """
    place = table.columns.index(IMAGE)
    lines: dict[str, int] = {}
    for row in table:
        if row.problem:
            raise UserError(f"{table.path}: {row.problem}")
        where, listed = f"{table.path}: line {row.line}", row.cells[place]
        try:
            key = files.find(listed) if listed else ""
        except ValueError as error:
            raise UserError(f"{where}: image {error}; expected one file below the folder") from error
        if not key or key in lines:
            twice = f", which is in line {lines[key]}" if key else ""
            raise UserError(f"{where}: image {listed!r}{twice}; expected one row per image")
        lines[key] = row.line
        yield row.line, key, row.cells

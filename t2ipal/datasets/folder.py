"""A folder of photos, with or without a table of labels."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.datasets.files import check
from t2ipal.datasets.names import match
from t2ipal.datasets.rows import DIFFICULT, NEGATIVE, POSITIVE, ImageRow, Reject
from t2ipal.errors import UserError
from t2ipal.store import existing

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

IMAGE = "image"
"""Column of a label table that holds an image's path below the folder. Every other column is a class: 1, 0 or -1."""


def read(folder: Path, labels: Path | None, classes: ClassList) -> Iterator[ImageRow | Reject]:
    """Yield every file below the folder, hidden ones aside; its path below the folder is the image_id.

    Without a table the labels are None. With one, an image without a row and a row without an image are rejects.

    Raises:
        UserError: no such folder; a missing or malformed table; a class without a column.
    """
    existing(folder, "folder of images")
    files = {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
    if labels is None:
        return check((key, files[key], None) for key in sorted(files))
    if labels.is_file() and labels.resolve().is_relative_to(folder.resolve()):
        files.pop(labels.resolve().relative_to(folder.resolve()).as_posix(), None)
    return _labelled(folder, files, _table(labels, classes))


def listed(folder: Path, labels: Path) -> Iterator[tuple[str, Path]]:
    """Yield (image_id, file) of every image that the table of labels lists.

    Raises:
        UserError: no such table, or one without a column of images.
    """
    with existing(labels, "table of labels").open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        _check_columns(labels, reader)
        for row in reader:
            yield row[IMAGE], folder / row[IMAGE]


def _labelled(folder: Path, files: dict[str, Path], table: dict[str, tuple[int, ...]]) -> Iterator[ImageRow | Reject]:
    # A listed image that is not there is checked like the others: its reject says so.
    paths = files | {key: folder / key for key in table.keys() - files.keys()}
    for row in check((key, paths[key], table.get(key)) for key in sorted(paths)):
        if isinstance(row, ImageRow) and row.labels is None:
            yield Reject(row.image_id, str(row.path), "no row in the table of labels")
        else:
            yield row


def _table(path: Path, classes: ClassList) -> dict[str, tuple[int, ...]]:
    """Labels by image path."""
    allowed = {str(code): code for code in (POSITIVE, NEGATIVE, DIFFICULT)}
    with existing(path, "table of labels").open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        _check_columns(path, reader)
        columns = match(classes, [name for name in reader.fieldnames if name != IMAGE], str(path))
        table: dict[str, tuple[int, ...]] = {}
        for row in reader:
            key = (row[IMAGE] or "").strip()
            labels = [NEGATIVE] * len(classes.names)
            for name, index in columns.items():
                value = (row[name] or "").strip()
                if value not in allowed:
                    raise UserError(f"{path}: line {reader.line_num}: {name} is {value!r}; expected 1, 0 or -1")
                labels[index] = allowed[value]
            if not key or key in table:
                raise UserError(f"{path}: line {reader.line_num}: image {key!r}; expected one row per image")
            table[key] = tuple(labels)
    return table


def _check_columns(path: Path, reader: csv.DictReader[str]) -> None:
    if reader.fieldnames is None or IMAGE not in reader.fieldnames:
        raise UserError(f"{path}: no column {IMAGE!r}; it has {', '.join(reader.fieldnames or []) or 'none'}")

"""A folder of photos, with or without a table of labels."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.errors import UserError
from t2ipal.sources.base import Counted, ImageSource
from t2ipal.sources.image_rows import DIFFICULT, NEGATIVE, POSITIVE, ImageRow, RejectedImage
from t2ipal.sources.reading.class_names import match
from t2ipal.sources.reading.image_files import checked_images
from t2ipal.store import existing
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

        Without a table the labels are None. With one, an image without a row and a row without an image are rejects.

        Raises:
            UserError: no such folder; a missing or malformed table; a class without a column.
        """
        folder = existing(self.path, "folder of images")
        files = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        }
        if not self.labels:
            return checked_images((key, files[key], None) for key in sorted(files))
        labels = Path(self.labels)
        if labels.is_file() and labels.resolve().is_relative_to(folder.resolve()):
            files.pop(labels.resolve().relative_to(folder.resolve()).as_posix(), None)
        return _labelled(folder, files, _table(labels, classes))

    def listed(self) -> Iterator[tuple[str, Path]]:
        """Yield (image_id, file) of every image that the table of labels lists, if there is one.

        Raises:
            UserError: no such table, or one without a column of images.
        """
        if not self.labels:
            return
        path = existing(self.labels, "table of labels")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            _check_columns(path, reader)
            for row in reader:
                yield row[IMAGE], Path(self.path, row[IMAGE])

    def count(self) -> Counted:
        folder = Path(self.path)
        if not folder.is_dir():
            return Counted(0, f"{folder} is not there, so nothing is counted")
        return Counted(sum(path.is_file() for path in folder.rglob("*")), f"files below {folder}")


def _labelled(
    folder: Path, files: dict[str, Path], table: dict[str, tuple[int, ...]]
) -> Iterator[ImageRow | RejectedImage]:
    # A listed image that is not there is checked like the others and rejected.
    paths = files | {key: folder / key for key in table.keys() - files.keys()}
    for row in checked_images((key, paths[key], table.get(key)) for key in sorted(paths)):
        if isinstance(row, ImageRow) and row.labels is None:
            yield RejectedImage(row.image_id, str(row.path), "no row in the table of labels")
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

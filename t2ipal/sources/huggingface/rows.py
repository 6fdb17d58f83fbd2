"""Rows of a data set that the package `datasets` reads: a folder (Parquet, CSV, JSON, pictures, saved), or a hub's."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationInfo, field_validator

from t2ipal.errors import UserError
from t2ipal.findings import Finding
from t2ipal.sources.base import Counted
from t2ipal.sources.reading.delimited import column_of
from t2ipal.validation import DataPath, Part

EXTRA = "the package datasets is not installed; expected the extra huggingface: pip install 't2ipal[huggingface]'"
SAVED = ("dataset_dict.json", "dataset_info.json")
"""Files of a folder that `save_to_disk` wrote."""


class HubBlock(Part):
    """Which data set is read. A part of the block of a source."""

    path: DataPath | None = Field(None, description="a folder that the package datasets reads, relative to data_dir")
    hub: str | None = Field(None, validate_default=True, description="a name on the Hugging Face hub, or path instead")
    revision: str | None = Field(None, description="commit or branch on the hub; null: its default branch")
    config: str | None = Field(None, description="the data set's configuration; null: its default")
    split: str = Field("train", description="the split, such as train or test[:1000]")
    streaming: bool = Field(
        True, validate_default=True, description="true: read as it is; false: first stored in the cache of datasets"
    )

    @field_validator("hub")
    @classmethod
    def _one_place(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is None) == (info.data.get("path") is None):
            raise ValueError("found path and hub" if value else "found neither path nor hub")
        return value

    @field_validator("hub")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", value):
            raise ValueError("not a name of the hub, such as OWNER/NAME; a folder is given as path")
        return value

    @field_validator("revision")
    @classmethod
    def _is_of_the_hub(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("path") is not None:
            raise ValueError("a folder has no revisions")
        return value

    @field_validator("split")
    @classmethod
    def _is_named(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("empty")
        return value

    @field_validator("streaming")
    @classmethod
    def _is_whole(cls, value: bool, info: ValidationInfo) -> bool:
        split = info.data.get("split", "")
        if value and not re.fullmatch(r"[\w.-]+", split):
            raise ValueError(f"split {split!r} is a part of a split, or several (expected streaming: false)")
        return value

    @property
    def where(self) -> str:
        """The data set in messages."""
        return f"{self.path or self.hub}, split {self.split}"


class HubRows:
    """The rows of a data set, a few in memory at a time; images are undecoded: {"bytes", "path"}.

    Attributes:
        where: the data set, for messages.
        columns: their names.
        features: the type of each column as `datasets` knows it; empty where it finds out row by row.
        sortable: whether rows can be read in any order.
    """

    def __init__(self, block: HubBlock, streaming: bool | None = None) -> None:
        """`streaming`: instead of the block's.

        Raises:
            UserError: `datasets` is not installed or cannot read it; the line ends with its reason.
        """
        self.where, self.folder = block.where, block.path
        data = _load(block, block.streaming if streaming is None else streaming)
        self.features: dict[str, Any] = dict(data.features or {})
        self.sortable = hasattr(data, "select")
        # a stream of text files tells its columns with its first row
        self.columns = list(data.column_names or next(self._read(data), {}))
        import datasets

        for name, feature in self.features.items():
            if isinstance(feature, datasets.Image):
                data = data.cast_column(name, datasets.Image(decode=False))
        self.data = data

    def read(self, columns: Sequence[str], order: Sequence[int] | None = None) -> Iterator[dict[str, Any]]:
        """Yield rows with these columns alone; `order`: the numbers of the rows, where they are `sortable`.

        Raises:
            UserError: a damaged file.
        """
        data = self.data.select_columns(list(dict.fromkeys(columns)))
        yield from self._read(data if order is None else data.select(order))

    def row(self, number: int) -> dict[str, Any]:
        """One row of a data set that is `sortable`."""
        return self.data[number]

    def column(self, asked: str | None, usual: Sequence[str], what: str, optional: bool = False) -> str | None:
        """The column that the user `asked` for, else the first of the `usual` ones; None: an `optional` one is missing.

        Raises:
            UserError: there is none.
        """
        name = column_of(self.columns, (asked,) if asked else usual, self.where)
        if name is not None and f"{name}.1" in self.columns:  # what readers of CSV make of it
            raise UserError(f"{self.where}: column {name!r} occurs twice; expected unique columns")
        if name is None and (asked or not optional):
            wanted = " or ".join(map(repr, (asked,) if asked else usual))
            raise UserError(f"{self.where}: no column {wanted} of {what}; it has {', '.join(self.columns)[:200]}")
        return name

    def picture(self, value: object) -> bytes | Path | None:
        """The bytes of an image in a cell, or the path of its file; None: there is no image in it.

        Raises:
            ValueError: a path as text that is not below the folder of the data set.
        """
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
            if isinstance(value, str) and os.path.isabs(value):  # where `datasets` found or put the file
                return Path(value)
        if isinstance(value, bytes):
            return value or None
        if not isinstance(value, str) or not value.strip():
            return None
        path = Path(os.path.abspath(os.path.join(self.folder or "", value)))
        if self.folder is None or "://" in value or not path.is_relative_to(os.path.abspath(self.folder)):
            raise ValueError(f"a path outside of the data set: {value[:200]}")
        return path

    def _read(self, data: Any) -> Iterator[dict[str, Any]]:
        try:
            yield from data
        except Exception as error:  # readers of many formats raise whatever a damaged file leads them to
            raise UserError(f"{self.where}: {_reason(error)}") from error


def _load(block: HubBlock, streaming: bool) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise UserError(f"{block.where}: {EXTRA}") from error
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)  # it reports each error that it raises, too
    if block.path and not os.path.isdir(block.path):
        raise UserError(f"{block.path}: no such folder of a data set")
    if block.hub and os.path.exists(block.hub):
        raise UserError(
            f"{block.hub}: something here has the name of this data set, and would be read in its place (expected path "
            "for a folder, or another working directory)"
        )
    try:
        if block.path and any(Path(block.path, name).is_file() for name in SAVED):
            return _saved(datasets.load_from_disk(block.path), block)
        place = os.path.abspath(block.path) if block.path else block.hub
        return datasets.load_dataset(
            place, block.config, split=block.split, revision=block.revision, streaming=streaming
        )
    except UserError:
        raise
    except Exception as error:  # readers of many formats raise whatever a damaged file leads them to
        raise UserError(f"{block.where}: the package datasets cannot read it: {_reason(error)}") from error


def _saved(data: Any, block: HubBlock) -> Any:
    """The split of what `save_to_disk` wrote, which may be a split itself."""
    if block.config is not None:
        raise UserError(f"{block.path}: saved data have no configuration {block.config!r} (expected config: null)")
    if not hasattr(data, "keys"):
        if data.split is not None and str(data.split) != block.split:
            raise UserError(f"{block.path}: contains split {data.split}; found split: {block.split} in the config")
        return data
    if block.split not in data:
        raise UserError(f"{block.path}: no split {block.split!r}; it has {', '.join(map(str, data))}")
    return data[block.split]


def _reason(error: Exception) -> str:
    if "BatchSize must be greater than 0" in str(error):
        return "a Parquet file without rows"
    return str(error)[:300] or type(error).__name__


def check_block(key: str, block: HubBlock) -> Iterator[Finding]:
    """Findings before a run: is the package there, is the folder, and can it be opened?"""
    if find_spec("datasets") is None:
        yield Finding(key, EXTRA, missing=True)
    elif block.hub:
        yield Finding(f"{key}.hub", f"{block.hub}: read from the hub when it is needed")
    elif not os.path.isdir(block.path or ""):
        yield Finding(f"{key}.path", f"{block.path}: no such folder", missing=True)
    else:
        try:
            rows = HubRows(block)
        except UserError as error:
            yield Finding(key, str(error), missing=True)
            return
        yield Finding(f"{key}.path", f"{block.where}: there, with columns {', '.join(rows.columns)[:300]}")


def count_rows(block: HubBlock) -> Counted:
    """Rows of a folder of Parquet files, for the plan; nothing is read of others."""
    if not block.path:
        return Counted(0, f"rows of {block.hub} on the hub are not counted")
    files = [path for path in sorted(Path(block.path).rglob("*.parquet")) if path.is_file()]
    of_split = [path for path in files if block.split.partition("[")[0] in path.name]
    if not files:
        return Counted(0, f"rows of {block.path} are not counted: no Parquet files")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return Counted(sum(pq.read_metadata(path).num_rows for path in of_split or files), f"rows of {block.path}")
    except (pa.ArrowException, OSError) as error:
        return Counted(0, f"rows of {block.path} are not counted: {_reason(error)}")


def ids_of(rows: HubRows, column: str) -> list[str]:
    """The ids of a column, as text.

    Raises:
        UserError: a row has none, or two have the same.
    """
    from t2ipal.sources.text import id_text

    numbers: dict[str, int] = {}
    for number, row in enumerate(rows.read([column])):
        key = id_text(row[column])
        if key is None or key in numbers:
            what = "no id" if key is None else f"id {key!r} again, as row {numbers[key]}"
            raise UserError(f"{rows.where}: row {number}: {what} in column {column!r}; expected unique ids")
        numbers[key] = number
    return list(numbers)

"""Reading and writing artifacts: a file exists under its final name only when it is whole.

Parquet for rows, safetensors for weights, JSON and text for the rest. Nothing here (or anywhere) loads a pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.artifacts import check_made, check_place, description
from t2ipal.atomic import atomic, copied_to
from t2ipal.checksums import (
    CHECKSUMS,
    FOOTER_ENTRY,
    check_footer,
    checked_metadata,
    counted,
    damaged,
    seal_footer,
    tensors_sha256,
    with_checksums,
)
from t2ipal.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

COMPRESSION = "zstd"
HEADER = "t2ipal"
"""The entry of a safetensors header that holds all metadata."""


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8."""
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON with a final newline."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    try:
        return json.loads(existing_file(path).read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, numbers of thousands of digits
        raise UserError(f"{path}: not a JSON file: {error}") from error


def existing(path: str | Path, what: str = "file") -> Path:
    """Return `path` as a Path.

    Raises:
        UserError: nothing is there.
    """
    path = Path(path)
    if not os.path.exists(path):  # False for a name that is too long, where Path.exists raises
        raise UserError(f"{path}: no such {what}")
    return path


def existing_file(path: str | Path, what: str = "file") -> Path:
    """As `existing`, of a file that can be read: opening a pipe would wait for ever.

    Raises:
        UserError: nothing is there, or no regular file.
    """
    path = existing(path, what)
    if not path.is_file():
        raise UserError(f"{path}: {'a folder' if path.is_dir() else 'not a regular file'}; expected a {what}")
    return path


def write_parquet(table: pa.Table, path: str | Path, *, row_group_size: int | None = None) -> None:
    """Write a whole table."""
    with parquet_writer(path, table.schema) as writer:
        writer.write_table(table, row_group_size)


@contextmanager
def parquet_writer(path: str | Path, schema: pa.Schema) -> Iterator[Any]:
    """Yield a `pyarrow.parquet.ParquetWriter` for row groups that do not fit in memory together."""
    import pyarrow.parquet as pq

    with atomic(path) as part, _seekable(part) as file:
        with pq.ParquetWriter(file, _plain(schema), compression=COMPRESSION, write_page_checksum=True) as writer:
            writer.add_key_value_metadata(FOOTER_ENTRY | _entry(path))
            yield writer
        seal_footer(file)


@contextmanager
def _seekable(path: Path) -> Iterator[Path]:
    """Yield a path to write a file to, or one that is copied in the end where `path` is a pipe or a device."""
    if path.is_file() or not path.exists():
        yield path
        return
    with copied_to(lambda: path.open("wb")) as part:
        yield part


def read_parquet(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table, or some `columns` of it.

    Raises:
        UserError: the file is missing, is not parquet, is damaged, or lacks a column.
    """
    with open_parquet(path, columns) as file, parquet_errors(path):
        table = file.read(columns=list(columns) if columns is not None else None)
        for _ in counted(table.to_batches(), file, path):
            pass
        return table.replace_schema_metadata(_plain(table.schema).metadata or None)


@contextmanager
def open_parquet(path: str | Path, columns: Sequence[str] | None = None) -> Iterator[Any]:
    """Yield a `pyarrow.parquet.ParquetFile`, checked to hold `columns`. `read_batches` reads it.

    Raises:
        UserError: as `read_parquet`.
    """
    import pyarrow.parquet as pq

    existing_file(path)
    with parquet_errors(path):
        check_footer(path)
        # By default a whole file of columns is read ahead: a shard of images is gigabytes.
        file = pq.ParquetFile(path, pre_buffer=False, page_checksum_verification=True)
    with file:
        check_place(path, _parquet_metadata(file))
        missing = sorted(set(columns or ()) - set(file.schema_arrow.names))
        if missing:
            raise UserError(f"{path}: no column {missing[0]!r}; it has {', '.join(file.schema_arrow.names)}")
        yield file


def read_batches(file: Any, path: str | Path, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """All rows of the `file` of `open_parquet`, at most `rows` in memory together.

    Raises:
        UserError: the file is damaged.
    """
    with parquet_errors(path):
        yield from counted(file.iter_batches(columns=list(columns), batch_size=rows), file, path)


def _entry(path: str | Path) -> dict[bytes, bytes]:
    about = description(path)
    return {HEADER.encode(): json.dumps(about, ensure_ascii=False, sort_keys=True).encode()} if about else {}


def _plain(schema: pa.Schema) -> pa.Schema:
    """The schema without the metadata that `parquet_writer` adds to a file."""
    ours = {*FOOTER_ENTRY, HEADER.encode()}
    kept = {key: value for key, value in (schema.metadata or {}).items() if key not in ours}
    return schema.with_metadata(kept or None)


def _parquet_metadata(file: Any) -> dict[str, Any]:
    """What an artifact records about itself; empty for a file from elsewhere."""
    about = _json_or_text((file.metadata.metadata or {}).get(HEADER.encode(), b"{}").decode(errors="replace"))
    return about if isinstance(about, dict) else {}


def check_inputs(paths: Sequence[str | Path], wanted: Sequence[Mapping[str, Any]]) -> None:
    """Compare what artifacts were made with with what a rule asks for, file by file.

    Raises:
        UserError: a file is missing or damaged, or made with something else.
    """
    for path, facts in zip(paths, wanted, strict=True):
        if Path(path).suffix == ".parquet":
            with open_parquet(path) as file:
                about = _parquet_metadata(file)
        else:
            about = read_header(path)
        check_made(path, about, facts)


@contextmanager
def parquet_errors(path: str | Path) -> Iterator[None]:
    """Turn errors of reading a Parquet file into one line."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: damaged or not a parquet file: {error}") from error


def write_tensors(
    path: str | Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any] | None = None
) -> None:
    """Write tensors as safetensors, with `metadata` and checksums as JSON in the header; equal content gives equal
    bytes.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    whole = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    # One entry: safetensors writes several in an order that differs between processes.
    about = with_checksums({**(metadata or {}), **description(path)}, whole)
    with atomic(path) as part:
        try:
            save_file(whole, part, metadata={HEADER: json.dumps(about, ensure_ascii=False, sort_keys=True)})
        except SafetensorError as error:
            raise UserError(f"{path}: cannot be written: {error}") from error


def read_tensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote, or a file from elsewhere: (tensors on the CPU, metadata).

    Raises:
        UserError: the file is missing or damaged.
    """
    with _open_tensors(path) as file:
        metadata, checksum = _metadata(file, path)
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no mapping
    if checksum is not None and checksum != tensors_sha256(tensors):
        raise damaged(path, "its tensors")
    return tensors, metadata


def read_header(path: str | Path) -> dict[str, Any]:
    """The metadata alone of what `write_tensors` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    with _open_tensors(path) as file:
        return _metadata(file, path)[0]


@contextmanager
def _open_tensors(path: str | Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    existing_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: damaged or not a safetensors file: {error}") from error


def _metadata(file: Any, path: str | Path) -> tuple[dict[str, Any], str | None]:
    """The metadata of an open file, and the checksum of its tensors if it has one."""
    header = {key: _json_or_text(value) for key, value in (file.metadata() or {}).items()}
    ours = header.pop(HEADER, {})
    if not isinstance(ours, dict) or any(isinstance(v, dict) and v.keys() & CHECKSUMS for v in header.values()):
        raise damaged(path, "its header")
    ours, checksum = checked_metadata(path, ours)
    check_place(path, ours)
    return {**header, **ours}, checksum


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):  # also a number of thousands of digits, or lists in lists in lists
        return value


def sha256_file(path: str | Path) -> str:
    """Hex sha256 of a file's bytes."""
    with existing_file(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_hash(path: str | Path) -> str:
    """Hex sha256 of an artifact's content, whatever the bytes its writer chose.

    Parquet: column names, types and values in row order, without file layout, compression or schema metadata.
    Any other file: its bytes.
    """
    if Path(path).suffix != ".parquet":
        return sha256_file(path)
    table = read_parquet(path)
    digest = hashlib.sha256(table.schema.remove_metadata().to_string().encode())
    for row in table.to_batches(max_chunksize=1024):
        for column in row.columns:
            digest.update(repr(column.to_pylist()).encode())
    return digest.hexdigest()

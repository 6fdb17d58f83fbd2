"""Checksums of artifacts: a damaged file is an error, never a slightly different result.

Parquet has a checksum for each page, which its reader verifies. Here is what those do not cover: the footer, with
schema and metadata, and the number of values in the head of a page; and the tensors and the metadata of a safetensors
file.
Files from elsewhere, and those of earlier versions, have no checksums and are read as they are. Each mark of a checksum
is in a file twice: a damaged mark does not turn it into such a file.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from t2ipal.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

HEADER_SHA256, TENSORS_SHA256 = "header_sha256", "tensors_sha256"
"""Entries of the metadata of a safetensors file: of the metadata without this entry, and of the tensors."""
CHECKSUMS = {HEADER_SHA256, TENSORS_SHA256}

FOOTER_SHA256 = b"t2ipal_footer_sha256"
"""Key of the checksum in a Parquet footer, and the beginning of its value."""
FOOTER_ENTRY = {FOOTER_SHA256: FOOTER_SHA256 + b":" + b"0" * 64}
"""What a writer adds to the key-value metadata of a Parquet file, for `seal_footer` to fill in; it stays as it is in
what was written into a pipe."""
ENDING = 8
"""Bytes at the end of a Parquet file: the length of the footer, and PAR1."""


def with_checksums(metadata: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Metadata of a safetensors file with checksums of its tensors and of itself."""
    # as JSON returns it: the checksum is of what a reader will see
    about = json.loads(json.dumps(dict(metadata))) | {TENSORS_SHA256: tensors_sha256(tensors)}
    return about | {HEADER_SHA256: _json_sha256(about)}


def checked_metadata(path: str | Path, metadata: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Metadata without its checksums, and that of the tensors; None in a file without any.

    Raises:
        UserError: the metadata is not what was written.
    """
    about = dict(metadata)
    own = about.pop(HEADER_SHA256, None)
    if own is None and TENSORS_SHA256 not in about:
        return about, None
    if own != _json_sha256(about):
        raise damaged(path, "its header")
    return about, about.pop(TENSORS_SHA256)


def tensors_sha256(tensors: Mapping[str, torch.Tensor]) -> str:
    """Hex sha256 of the names, types, sizes and values of tensors on the CPU, whatever their order."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def seal_footer(path: str | Path) -> None:
    """Write the sha256 of a Parquet file's footer into its `FOOTER_ENTRY`, whose zeros are part of what is hashed."""
    with Path(path).open("r+b") as file:
        start, footer = _footer(file)
        file.seek(start + footer.rindex(FOOTER_SHA256 + b":") + len(FOOTER_SHA256) + 1)
        file.write(hashlib.sha256(footer).hexdigest().encode())


def check_footer(path: str | Path) -> None:
    """Compare the footer of a Parquet file with its checksum, if it has one.

    Raises:
        UserError: the footer is not what was written.
    """
    with Path(path).open("rb") as file:
        _, footer = _footer(file)
    if FOOTER_SHA256 not in footer:
        return
    at = footer.rindex(FOOTER_SHA256) + len(FOOTER_SHA256) + 1
    written, zeros = footer[at : at + 64], FOOTER_ENTRY[FOOTER_SHA256][-64:]
    own = hashlib.sha256(footer[:at] + zeros + footer[at + 64 :]).hexdigest().encode()
    if footer.count(FOOTER_SHA256) != 2 or written not in (own, zeros):
        raise damaged(path, "its footer")


def counted(batches: Iterable[pa.RecordBatch], file: Any, path: str | Path) -> Iterator[pa.RecordBatch]:
    """Pass on all batches of a `pyarrow.parquet.ParquetFile`, and count the values of its lists.

    Raises:
        UserError: a list is shorter than it was written.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found: Counter[str] = Counter()
    for batch in batches:
        for field, column in zip(batch.schema, batch.columns, strict=True):
            if pa.types.is_list(field.type) and len(column):
                # Parquet stores one value for an empty or missing list
                lengths = pc.list_value_length(column).fill_null(0)
                found[field.name] += pc.sum(pc.max_element_wise(lengths, 1)).as_py()
        yield batch
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    for name, count in found.items():
        leaf = next(i for i in range(len(file.schema)) if file.schema.column(i).path.startswith(f"{name}."))
        written = sum(group.column(leaf).num_values for group in groups)
        if count != written:
            raise UserError(f"{path}: damaged: {count} values in lists of {name}; expected {written}")


def damaged(path: str | Path, what: str) -> UserError:
    """The error of a file that is not what was written."""
    return UserError(f"{path}: damaged: the checksum of {what} is wrong; delete the file and run again")


def _footer(file: BinaryIO) -> tuple[int, bytes]:
    """Where the footer of a Parquet file starts, and its bytes with the ending; no bytes if it has none."""
    size = file.seek(0, 2)
    if size < ENDING:
        return size, b""
    file.seek(size - ENDING)
    start = size - ENDING - int.from_bytes(file.read(4), "little")
    file.seek(max(0, start))
    return start, file.read() if start >= 0 else b""


def _json_sha256(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True, sort_keys=True).encode()).hexdigest()

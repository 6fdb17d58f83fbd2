"""Checksums of artifacts: a damaged file is an error, never a slightly different result.

Parquet has a checksum for each page, which its reader verifies. What they do not cover is covered here: the tensors and
the metadata of a safetensors file. Files from elsewhere, and those of earlier versions, have none and are
read as they are. Each mark is in a file twice, so that a damaged mark does not make it such a file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2ipal.errors import UserError

if TYPE_CHECKING:
    import torch

HEADER_SHA256, TENSORS_SHA256 = "header_sha256", "tensors_sha256"
"""Entries of the metadata of a safetensors file: of the metadata without this entry, and of the tensors."""
CHECKSUMS = {HEADER_SHA256, TENSORS_SHA256}


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


def damaged(path: str | Path, what: str) -> UserError:
    """The error of a file that is not what was written."""
    return UserError(f"{path}: damaged: the checksum of {what} is wrong; delete the file and run again")


def _json_sha256(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, ensure_ascii=True, sort_keys=True).encode()).hexdigest()

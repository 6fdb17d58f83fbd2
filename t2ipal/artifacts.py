"""What an artifact records about itself: which file of the results it is (`artifact`), what it was made with (`made`).

The store writes both into the metadata of each Parquet and safetensors file, and compares the first with the path that
it reads; the frame of a job compares the second with what the rule asks for. A file of an earlier version has neither.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from t2ipal.errors import UserError

ARTIFACT, MADE = "artifact", "made"
"""Entries of the metadata."""

PATTERNS = {
    "features of generated images": "features/{clip}/images/{pool}/{t2i}/sample{sample}/shard-{shard}.parquet",
    "features of captions": "features/{clip}/captions/{pool}.parquet",
    "features of templates": "features/{clip}/templates/{classes}.parquet",
    "features of labelled images": "features/{clip}/{part}/{dataset}.parquet",
    "captions": "captions/{pool}/captions.parquet",
    "rejected captions": "captions/{pool}/rejects.parquet",
    "captions to generate": "captions/{pool}/selected.parquet",
    "labelled captions": "captions/{pool}/{labels}/labelled.parquet",
    "captions without a class": "captions/{pool}/{labels}/rejects.parquet",
    "words of classes": "captions/{pool}/{labels}/words.parquet",
    "flagged images": "images/{pool}/{t2i}/sample{sample}/shard-{shard}-flagged.parquet",
    "generated images": "images/{pool}/{t2i}/sample{sample}/shard-{shard}.parquet",
    "rejected images": "images/{part}/{dataset}-rejects.parquet",
    "labelled images": "images/{part}/{dataset}.parquet",
    "known labels": "protocols/{dataset}/{protocol}.parquet",
    "a model": "runs/{dataset}/{method}/{variant}/model.safetensors",
    "a training history": "runs/{dataset}/{method}/{variant}/history.parquet",
    "scores": "runs/{dataset}/{method}/{variant}/scores.parquet",
    "metrics": "runs/{dataset}/{method}/{variant}/metrics.parquet",
    "a search": "search/{clip}/{dataset}/{method}.parquet",
}
"""Kinds of artifacts, and the ends of their paths; of several that match, the first counts. Recognisers and predictions
are not here: they are for use elsewhere, under any name."""

PARTS = {"part": "(test|train|validation)", "sample": r"\d+", "shard": r"\d+"}
_PATHS = {
    kind: re.compile(
        "(?:.*/)?" + re.sub(r"\\{(\w+)\\}", lambda m: f"(?P<{m[1]}>{PARTS.get(m[1], '[^/]+')})", re.escape(pattern))
    )
    for kind, pattern in PATTERNS.items()
}

made_with: dict[str, Any] = {}
"""What the artifacts of this job are made with, from its rule's parameter `made`; set by the frame of the job."""


def identity(path: str | Path) -> dict[str, str]:
    """Which artifact a path of the results names: its kind and the names in the path; empty for any other path."""
    for kind, pattern in _PATHS.items():
        if found := pattern.fullmatch(Path(path).as_posix()):
            return {"kind": kind, **found.groupdict()}
    return {}


def description(path: str | Path) -> dict[str, Any]:
    """What is written into the artifact that becomes `path`; empty for a path outside the results."""
    here = identity(path)
    return {ARTIFACT: here, MADE: made_with} if here else {}


def recorded(path: str | Path) -> dict[str, Any]:
    """What a Parquet file of the results records about itself, read without Arrow; empty for any other file, or none.

    For whoever plans jobs: an import of Arrow would cost more than the plan.
    """
    try:
        with open(path, "rb") as file:
            file.seek(-8, 2)
            size = int.from_bytes(file.read(4), "little")
            file.seek(-8 - size, 2)
            footer = file.read(size)
        text = footer[footer.index(f'{{"{ARTIFACT}": '.encode()) :].decode(errors="replace")
        return json.JSONDecoder().raw_decode(text)[0]
    except (OSError, ValueError):
        return {}


def check_place(path: str | Path, metadata: Mapping[str, Any]) -> None:
    """Compare what an artifact records about itself with its path.

    Raises:
        UserError: it was written as another file of the results.
    """
    here = identity(path)
    if here and metadata.get(ARTIFACT):
        compare(path, metadata[ARTIFACT], here)


def check_made(path: str | Path, metadata: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Compare what an artifact was made with with what a rule asks for.

    Raises:
        UserError: they differ.
    """
    if metadata.get(MADE):
        compare(path, metadata[MADE], json.loads(json.dumps(dict(wanted))))


def compare(path: str | Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Compare the values of `wanted` with those of the same names.

    Raises:
        UserError: the first that differs.
    """
    for key, value in wanted.items():
        own = found.get(key)
        if own == value:
            continue
        if isinstance(own, Mapping) and isinstance(value, Mapping):
            compare(path, own, value)
        raise UserError(
            f"{path}: holds {_named(key, own)}; expected {_named(key, value)} (delete the file and run again)"
        )


def _named(key: str, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    short = text if len(text) <= 80 else f"{text[:80]}..."
    return short if key == "kind" else f"{key} {short}"

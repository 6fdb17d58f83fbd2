"""Localized narratives of OpenImages: JSON lines of dataset_id, image_id, annotator_id, caption; streamed.

The file of captions, or the shards that add the timing and the mouse's trace of every word; layouts: `t2ipal.paths`.
TaI-DPT learns NUS-WIDE from them. An image may have several narratives. Their ids are their places in the files: the
data has no ids, and TaI-DPT's limit per class (`t2ipal.captions.cap`) goes by this order.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from t2ipal.captions.draw import OnePerImage
from t2ipal.captions.rows import NOT_DRAWN, Caption, Reject, checked
from t2ipal.captions.text import json_lines
from t2ipal.errors import UserError
from t2ipal.paths import narratives


def read(
    path: str | Path, split: str = "train", captions: Literal["one", "all"] = "all", seed: int = 0
) -> Iterator[Caption | Reject]:
    """Yield every narrative, in the files' order: taken or rejected. Memory holds ids, not narratives.

    Args:
        path: the .jsonl file, or the folder that holds it or its shards.
        split: "train", "validation" or "test": which files of the folder.
        captions: "all" (TaI-DPT), or "one" per image, drawn by `seed` among those that are not rejected.

    Raises:
        UserError: a file is missing or malformed.
    """
    files = narratives(Path(path), split)
    drawn = OnePerImage(seed)
    if captions == "one":
        for row in _rows(files, split):
            if isinstance(row, Caption):
                drawn.offer(row.image_id, row.caption_id)
    for row in _rows(files, split):
        if isinstance(row, Caption) and captions == "one" and not drawn.won(row.image_id, row.caption_id):
            row = Reject(row.caption_id, row.text, NOT_DRAWN)
        yield row


def _rows(files: list[Path], split: str) -> Iterator[Caption | Reject]:
    place, source = 0, f"openimages/{split}"
    for path in files:
        for number, item in json_lines(path):
            yield checked(f"{place:07d}", _image(path, number, item), item["caption"], source)
            place += 1


def _image(path: Path, number: int, item: dict[str, Any]) -> str:
    """The image of a line.

    Raises:
        UserError: the line is no narrative.
    """
    missing = [key for key in ("image_id", "caption") if key not in item]
    if missing:
        has = ", ".join(map(str, item)) or "nothing"
        raise UserError(f"{path}: line {number}: no {missing[0]!r}; expected a localized narrative, it has {has}")
    return str(item["image_id"])

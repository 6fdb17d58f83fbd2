"""Captions of MS-COCO in the official layout: `annotations/captions_{split}.json`, streamed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from t2ipal.captions import json_stream
from t2ipal.captions.draw import OnePerImage
from t2ipal.captions.rows import (
    ID_NOT_FOUND,
    NOT_DRAWN,
    NOT_IN_IDS,
    NOT_LISTED,
    NOT_ON_DISK,
    TWICE,
    Caption,
    Reject,
    checked,
)
from t2ipal.errors import UserError
from t2ipal.paths import coco_annotations


def read(
    root: str | Path,
    splits: Sequence[str],
    captions: Literal["one", "all"] = "one",
    seed: int = 0,
    *,
    ids: Collection[int] | None = None,
    on_disk: bool = False,
) -> Iterator[Caption | Reject]:
    """Yield every caption of the splits, in the files' order: taken or rejected; then rejects of `ids` not found.

    Memory holds ids, not captions.

    Args:
        captions: "one" per image, drawn by `seed` among those that are not rejected (TaI-DPT learns from one caption of
            each train2017 image); the draw of an image depends on its caption ids alone. Or "all".
        ids: caption ids to choose from; default: all.
        on_disk: reject captions whose image file is missing; text training needs no images.

    Raises:
        UserError: a file is missing or malformed.
    """
    wanted = None if ids is None else frozenset(ids)
    seen: set[int] = set()
    for split in splits:
        path = coco_annotations(Path(root), "captions", split)
        reasons = _images(path, Path(root) / split if on_disk else None)
        drawn = OnePerImage(seed)
        if captions == "one":
            for item in json_stream.items(path, "annotations"):
                row = _row(path, item, split, reasons, wanted)
                if isinstance(row, Caption) and item["id"] not in seen:
                    drawn.offer(item["image_id"], item["id"])
        for item in json_stream.items(path, "annotations"):
            row = _row(path, item, split, reasons, wanted)
            if item["id"] in seen:
                row = Reject(row.caption_id, row.text, TWICE)
            elif isinstance(row, Caption) and captions == "one" and not drawn.won(item["image_id"], item["id"]):
                row = Reject(row.caption_id, row.text, NOT_DRAWN)
            seen.add(item["id"])
            yield row
    for number in sorted((wanted or frozenset()) - seen):
        yield Reject(f"{number:012d}", "", ID_NOT_FOUND)


def _images(path: Path, folder: Path | None) -> dict[int, str]:
    """Why the captions of an image are rejected, by the listed images' ids; "" where they are not."""
    try:
        return {
            image["id"]: NOT_ON_DISK if folder and not (folder / Path(image["file_name"]).name).is_file() else ""
            for image in json_stream.items(path, "images")
        }
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: images: no {error} where one is expected") from error


def _row(path: Path, item: Any, split: str, reasons: dict[int, str], wanted: frozenset[int] | None) -> Caption | Reject:
    try:
        number, image, text = item["id"], item["image_id"], item["caption"]
        caption_id, image_id = f"{number:012d}", f"{image:012d}"
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: annotations: found {str(item)[:80]}; expected id, image_id and caption") from error
    row = checked(caption_id, image_id, text, f"coco/{split}")
    reason = reasons.get(image, NOT_LISTED) or (NOT_IN_IDS if wanted is not None and number not in wanted else "")
    return Reject(caption_id, row.text, reason) if reason and isinstance(row, Caption) else row

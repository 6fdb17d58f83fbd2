"""Captions of MS-COCO in the official layout: `annotations/captions_{split}.json`, streamed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from t2ipal.captions import json_stream
from t2ipal.captions.rows import NOT_DRAWN, NOT_LISTED, NOT_ON_DISK, TWICE, Caption, Reject, checked
from t2ipal.errors import UserError
from t2ipal.seeds import seed_of
from t2ipal.store import existing


def read(
    root: str | Path,
    splits: Sequence[str],
    captions: Literal["one", "all"] = "one",
    seed: int = 0,
    *,
    on_disk: bool = False,
) -> Iterator[Caption | Reject]:
    """Yield every caption of the splits, in the files' order: taken or rejected.

    Memory holds ids, not captions.

    Args:
        captions: "one" per image, drawn by `seed` among those that are not rejected (TaI-DPT learns from one caption of
            each train2017 image); the draw of an image depends on its caption ids alone. Or "all".
        on_disk: reject captions whose image file is missing; text training needs no images.

    Raises:
        UserError: a file is missing or malformed.
    """
    seen: set[int] = set()
    for split in splits:
        path = existing(Path(root) / "annotations" / f"captions_{split}.json")
        reasons = _images(path, Path(root) / split if on_disk else None)
        winners = dict[int, tuple[int, int]]()
        if captions == "one":
            for item in json_stream.items(path, "annotations"):
                row = _row(path, item, split, reasons)
                if isinstance(row, Caption) and item["id"] not in seen:
                    rank = (seed_of(seed, "caption", item["id"]), item["id"])
                    winners[item["image_id"]] = min(rank, winners.get(item["image_id"], rank))
        for item in json_stream.items(path, "annotations"):
            row = _row(path, item, split, reasons)
            if item["id"] in seen:
                row = Reject(row.caption_id, row.text, TWICE)
            elif isinstance(row, Caption) and captions == "one" and winners[item["image_id"]][1] != item["id"]:
                row = Reject(row.caption_id, row.text, NOT_DRAWN)
            seen.add(item["id"])
            yield row


def _images(path: Path, folder: Path | None) -> dict[int, str]:
    """Why the captions of an image are rejected, by the listed images' ids; "" where they are not."""
    try:
        return {
            image["id"]: NOT_ON_DISK if folder and not (folder / Path(image["file_name"]).name).is_file() else ""
            for image in json_stream.items(path, "images")
        }
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: images: no {error} where one is expected") from error


def _row(path: Path, item: Any, split: str, reasons: dict[int, str]) -> Caption | Reject:
    try:
        number, image, text = item["id"], item["image_id"], item["caption"]
        caption_id, image_id = f"{number:012d}", f"{image:012d}"
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: annotations: found {str(item)[:80]}; expected id, image_id and caption") from error
    row = checked(caption_id, image_id, text, f"coco/{split}")
    reason = reasons.get(image, NOT_LISTED)
    return Reject(caption_id, row.text, reason) if reason and isinstance(row, Caption) else row

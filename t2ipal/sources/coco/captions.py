"""Captions of MS-COCO in the official layout: `annotations/captions_{split}.json`, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from t2ipal.errors import UserError
from t2ipal.sources.base import CaptionSource, Counted, RequiredFile
from t2ipal.sources.caption_rows import (
    ID_NOT_FOUND,
    NOT_IN_IDS,
    NOT_LISTED,
    NOT_SAMPLED,
    TWICE,
    Caption,
    RejectedCaption,
    checked,
)
from t2ipal.sources.coco.layout import IMAGES, annotations, download_of
from t2ipal.sources.reading import json_stream
from t2ipal.sources.reading.id_list import read_ids
from t2ipal.sources.reading.one_per_image import OnePerImage
from t2ipal.validation import DataPath

PER_IMAGE = 5
"""Captions of an image, or a few more (COCO's pages)."""


class CocoCaptions(CaptionSource):
    """Captions of MS-COCO in the official layout."""

    source: Literal["coco"] = Field(description="MS-COCO in the official layout")
    root: DataPath = Field(description="folder with annotations/captions_{split}.json, relative to data_dir")
    splits: list[str] = Field(["train2017"], min_length=1, description="splits, such as [train2017]")
    captions: Literal["one", "all"] = Field("one", description="'one' sampled caption per image, or 'all' of them")
    ids: DataPath | None = Field(
        None, description="a list of caption ids to choose from (.pkl, .txt, .json, .npy), relative to data_dir"
    )

    def files(self) -> list[RequiredFile]:
        root = Path(self.root)
        files = [
            RequiredFile("root", annotations(root, "captions", split), download_of(split, "annotations"))
            for split in self.splits
        ]
        return [*files, RequiredFile("ids", Path(self.ids), "tai-dpt-ids")] if self.ids else files

    def rows(self, seed: int) -> Iterator[Caption | RejectedCaption]:
        """Yield every caption of the splits, in the files' order; then rejects of ids that are in no split.

        Memory holds ids, not captions. `captions`: "one" per image, chosen by `seed` among those that are not rejected
        (TaI-DPT learns from one caption of each train2017 image); the choice for an image depends on its caption ids
        alone. Or "all".

        Raises:
            UserError: a file is missing or malformed.
        """
        wanted = frozenset(read_ids(self.ids)) if self.ids else None
        seen: set[int] = set()
        for split in self.splits:
            path = annotations(Path(self.root), "captions", split)
            listed = _image_ids(path)
            chosen = OnePerImage(seed)
            if self.captions == "one":
                for item in json_stream.items(path, "annotations"):
                    row = _row(path, item, split, listed, wanted)
                    if isinstance(row, Caption) and item["id"] not in seen:
                        chosen.offer(item["image_id"], item["id"])
            for item in json_stream.items(path, "annotations"):
                row = _row(path, item, split, listed, wanted)
                if item["id"] in seen:
                    row = RejectedCaption(row.caption_id, row.text, TWICE)
                elif (
                    isinstance(row, Caption) and self.captions == "one" and not chosen.won(item["image_id"], item["id"])
                ):
                    row = RejectedCaption(row.caption_id, row.text, NOT_SAMPLED)
                seen.add(item["id"])
                yield row
        for number in sorted((wanted or frozenset()) - seen):
            yield RejectedCaption(f"{number:012d}", "", ID_NOT_FOUND)

    def count(self) -> Counted:
        images = sum(IMAGES.get(split, 0) for split in self.splits)
        return Counted(images * (1 if self.captions == "one" else PER_IMAGE), "COCO's published sizes")


def _image_ids(path: Path) -> set[int]:
    """The ids of the listed images."""
    try:
        return {image["id"] for image in json_stream.items(path, "images")}
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: images: no {error} where one is expected") from error


def _row(
    path: Path, item: Any, split: str, listed: set[int], wanted: frozenset[int] | None
) -> Caption | RejectedCaption:
    try:
        number, image, text = item["id"], item["image_id"], item["caption"]
        caption_id, image_id = f"{number:012d}", f"{image:012d}"
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: annotations: found {str(item)[:80]}; expected id, image_id and caption") from error
    row = checked(caption_id, image_id, text, f"coco/{split}")
    if not isinstance(row, Caption):
        return row
    if image not in listed:
        return RejectedCaption(caption_id, row.text, NOT_LISTED)
    return RejectedCaption(caption_id, row.text, NOT_IN_IDS) if wanted is not None and number not in wanted else row

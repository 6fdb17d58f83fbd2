"""Captions of MS-COCO in the official layout: `annotations/captions_{split}.json`, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

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
from t2ipal.sources.coco.ids import Id, field, id_of, id_text
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
        seen: set[Id] = set()
        for split in self.splits:
            path = annotations(Path(self.root), "captions", split)
            listed = _image_ids(path)
            chosen = OnePerImage(seed)
            if self.captions == "one":
                for key, image, row in _read(path, split, listed, wanted):
                    if isinstance(row, Caption) and key not in seen:
                        chosen.offer(image, key)
            for key, image, row in _read(path, split, listed, wanted):
                if key in seen:
                    row = RejectedCaption(row.caption_id, row.text, TWICE)
                elif isinstance(row, Caption) and self.captions == "one" and not chosen.won(image, key):
                    row = RejectedCaption(row.caption_id, row.text, NOT_SAMPLED)
                seen.add(key)
                yield row
        for number in sorted((wanted or frozenset()) - seen):
            yield RejectedCaption(id_text(number), "", ID_NOT_FOUND)

    def count(self) -> Counted:
        images = sum(IMAGES.get(split, 0) for split in self.splits)
        return Counted(images * (1 if self.captions == "one" else PER_IMAGE), "COCO's published sizes")


def _image_ids(path: Path) -> set[Id]:
    """The ids of the listed images."""
    try:
        return {id_of(field(image, "id")) for image in json_stream.items(path, "images")}
    except ValueError as error:
        raise UserError(f"{path}: images: {error}") from error


def _read(
    path: Path, split: str, listed: set[Id], wanted: frozenset[int] | None
) -> Iterator[tuple[Id, Id, Caption | RejectedCaption]]:
    """Yield (id, id of the image, caption or reject)."""
    for item in json_stream.items(path, "annotations"):
        try:
            key, image, text = id_of(field(item, "id")), id_of(field(item, "image_id")), field(item, "caption")
        except ValueError as error:
            entry = str(item)[:80]
            raise UserError(f"{path}: annotations: found {entry}; expected id, image_id and caption") from error
        row = checked(id_text(key), id_text(image), text, f"coco/{split}")
        if isinstance(row, Caption) and image not in listed:
            row = RejectedCaption(row.caption_id, row.text, NOT_LISTED)
        elif isinstance(row, Caption) and wanted is not None and key not in wanted:
            row = RejectedCaption(row.caption_id, row.text, NOT_IN_IDS)
        yield key, image, row

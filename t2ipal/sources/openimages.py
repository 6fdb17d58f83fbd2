"""Localized narratives of OpenImages: JSON lines of dataset_id, image_id, annotator_id, caption; streamed.

The file of captions, or the shards that add the timing and the mouse's trace of every word. TaI-DPT learns NUS-WIDE
from them. An image may have several narratives. Their ids are their places in the files: the data has no ids, and
TaI-DPT's limit per class (`t2ipal.captions.cap`) goes by this order.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from t2ipal.errors import UserError
from t2ipal.sources.base import CaptionSource, Counted, RequiredFile
from t2ipal.sources.caption_rows import NOT_SAMPLED, Caption, RejectedCaption, checked
from t2ipal.sources.reading.one_per_image import OnePerImage
from t2ipal.text_files import json_lines
from t2ipal.validation import DataPath

PUBLISHED = {"train": 507_000}
"""Localized narratives of OpenImages V6, rounded (their page)."""


class OpenImagesCaptions(CaptionSource):
    """Localized narratives of OpenImages."""

    source: Literal["openimages"] = Field(description="localized narratives of OpenImages")
    path: DataPath = Field(
        description="a .jsonl file of narratives, or the folder of it or of its shards, below data_dir"
    )
    split: Literal["train", "validation", "test"] = Field("train", description="which files of the folder")
    captions: Literal["one", "all"] = Field("all", description="'one' sampled narrative per image, or 'all' of them")

    def files(self) -> list[RequiredFile]:
        return [RequiredFile("path", path, "openimages-captions") for path in narratives(Path(self.path), self.split)]

    def rows(self, seed: int) -> Iterator[Caption | RejectedCaption]:
        """Yield every narrative, in the files' order: taken or rejected. Memory holds ids, not narratives.

        `captions`: "all" (TaI-DPT), or "one" per image, chosen by `seed` among those that are not rejected.

        Raises:
            UserError: a file is missing or malformed.
        """
        files = narratives(Path(self.path), self.split)
        chosen = OnePerImage(seed)
        if self.captions == "one":
            for row in _rows(files, self.split):
                if isinstance(row, Caption):
                    chosen.offer(row.image_id, row.caption_id)
        for row in _rows(files, self.split):
            if isinstance(row, Caption) and self.captions == "one" and not chosen.won(row.image_id, row.caption_id):
                row = RejectedCaption(row.caption_id, row.text, NOT_SAMPLED)
            yield row

    def count(self) -> Counted:
        return Counted(PUBLISHED.get(self.split, 0), "about as many narratives as published for train")


def narratives(path: Path, split: str) -> list[Path]:
    """The files of localized narratives: `path` itself, or in that folder the captions, or every shard of the whole."""
    if path.is_file() or path.suffix == ".jsonl":
        return [path]
    stem = f"open_images_{'train_v6' if split == 'train' else split}"
    folders = [folder for folder in (path, path / "captions", path / "annotations") if folder.is_dir()] or [path]
    for folder in folders:
        for whole in (f"{stem}_captions.jsonl", f"{stem}_localized_narratives.jsonl"):
            if (folder / whole).is_file():
                return [folder / whole]
        shards = sorted(folder.glob(f"{stem}_localized_narratives-?????-of-?????.jsonl"))
        if shards:
            count = shards[-1].stem[-5:]
            return [folder / f"{stem}_localized_narratives-{i:05d}-of-{count}.jsonl" for i in range(int(count))]
    return [folders[0] / f"{stem}_captions.jsonl"]


def _rows(files: list[Path], split: str) -> Iterator[Caption | RejectedCaption]:
    order, source = 0, f"openimages/{split}"
    for path in files:
        for number, item in json_lines(path):
            yield checked(f"{order:07d}", _image(path, number, item), item["caption"], source)
            order += 1


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

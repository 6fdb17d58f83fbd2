"""Captions and labelled images in WebDataset's tar shards: 000123.jpg next to 000123.txt, .json or .cls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from t2ipal.errors import UserError, printable
from t2ipal.findings import Finding
from t2ipal.sources.base import CaptionSource, Counted, ImageSource
from t2ipal.sources.caption_rows import TWICE, Caption, RejectedCaption, checked, rejected
from t2ipal.sources.image_rows import NEGATIVE, POSITIVE, ImageRow, RejectedImage
from t2ipal.sources.reading.class_names import check_single, match
from t2ipal.sources.reading.image_files import checked_images
from t2ipal.sources.reading.tar_samples import Sample, gaps, samples_of, shards_of
from t2ipal.sources.text import TEXT_COLUMNS
from t2ipal.text_files import unique, writable
from t2ipal.validation import DataPath

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

PICTURES = ("jpg", "jpeg", "png", "webp", "avif", "bmp", "gif", "jfif", "jpe", "ppm", "tif", "tiff")
LABELS = ("labels", "label")
_NUMERIC = re.compile(r"[-+\d., \n]*\d[-+\d., \n]*", re.ASCII)
"""A number in any form, or several: only one that counts a class is a label."""
NO_CAPTION, NO_LABELS, NO_PICTURE = "no caption", "no labels", "no image"


class WebDatasetCaptions(CaptionSource):
    """Captions in tar shards."""

    source: Literal["webdataset"] = Field(description="tar shards of WebDataset")
    path: DataPath = Field(description="a folder of .tar files, or one of them, relative to data_dir")
    text_key: str | None = Field(None, description="key of the .json file; null: the .txt file, or text or caption")

    def rows(self, seed: int) -> Iterator[Caption | RejectedCaption]:
        """Yield every caption, in the order of the shards. Its id is the key of its sample; of a key the first counts.

        Raises:
            UserError: no shards, or a damaged one.
        """
        seen: set[str] = set()
        for sample in samples_of(self.path):
            key, source = writable(sample.key), writable(sample.tar.name)
            try:
                text = self._text(sample)
            except ValueError as error:
                item: Caption | RejectedCaption = rejected(key, "", str(error))
            else:
                item = rejected(key, "", NO_CAPTION) if text is None else checked(key, key, text, source)
            if key in seen:
                item = rejected(key, item.text, TWICE)
            seen.add(key)
            yield item

    def _text(self, sample: Sample) -> object:
        if self.text_key is None and "txt" in sample.members:
            return _decoded(sample.members["txt"].read(), ".txt")
        content = _json_of(sample)
        keys = (self.text_key,) if self.text_key else TEXT_COLUMNS
        return next((content[key] for key in keys if content.get(key) is not None), None)

    def check(self, key: str) -> Iterator[Finding]:
        return _check(key, self.path)

    def count(self) -> Counted:
        return _count(self.path)


class WebDatasetImages(ImageSource):
    """Labelled images in tar shards."""

    source: Literal["webdataset"] = Field(description="tar shards of WebDataset")
    path: DataPath = Field(description="a folder of .tar files, or one of them, relative to data_dir")
    labels: str | None = Field(
        None, description="key of the .json file: one name or a list; null: labels or label, or the .cls file"
    )

    def read(self, classes: ClassList, role: str = "test", seed: int = 0) -> Iterator[ImageRow | RejectedImage]:
        """Yield every sample by key. A .cls file has a name, or the number of a class in the class list.

        Raises:
            UserError: no shards, a damaged one, or a class that no sample names.
        """
        samples = sorted(samples_of(self.path), key=attrgetter("key"))
        labels = self._labels(samples, classes)
        return checked_images(_listed(samples, labels))

    def _labels(self, samples: Iterable[Sample], classes: ClassList) -> list[tuple[int, ...] | str]:
        """The labels of each sample, or the reason why it has none."""
        named: list[list[str] | str] = []
        for sample in samples:
            try:
                named.append(self._names(sample, classes))
            except ValueError as error:
                named.append(str(error))
        categories = dict.fromkeys(name for names in named if isinstance(names, list) for name in names)
        check_single(classes, categories, str(self.path))
        indices = match(classes, categories, str(self.path), every=True)
        return [names if isinstance(names, str) else _codes(names, indices, len(classes.names)) for names in named]

    def _names(self, sample: Sample, classes: ClassList) -> list[str]:
        content = _json_of(sample)
        keys = (self.labels,) if self.labels else LABELS
        labels = next((content[key] for key in keys if content.get(key) is not None), None)
        if labels is None and not self.labels and "cls" in sample.members:
            labels = _decoded(sample.members["cls"].read(), ".cls").strip()
            if _NUMERIC.fullmatch(labels):
                if not (labels.isdigit() and len(labels) < 10 and int(labels) < len(classes.names)):
                    raise ValueError(f"class {labels[:60]}; expected a number from 0 to {len(classes.names) - 1}")
                labels = classes.names[int(labels)]
            check_single(classes, [labels], f"{sample.tar}: {writable(sample.key)}.cls", spaces=True)
        names = [labels] if isinstance(labels, str) else labels
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ValueError(NO_LABELS if labels is None else f"labels {str(labels)[:60]!r}; expected names")
        return names

    def all_positives(self, classes: ClassList) -> tuple[int, ...] | None:
        """As of any source; images are not read."""
        rows = [row for row in self._labels(samples_of(self.path), classes) if not isinstance(row, str)]
        return tuple(sum(row[index] == POSITIVE for row in rows) for index in range(len(classes.names)))

    def check(self, key: str) -> Iterator[Finding]:
        return _check(key, self.path)

    def count(self) -> Counted:
        return _count(self.path)


def _listed(samples: list[Sample], labels: list[tuple[int, ...] | str]) -> Iterator[Any]:
    last, twins = None, 0
    for sample, found in zip(samples, labels, strict=True):
        key, where = writable(sample.key), writable(str(sample.tar))
        twins = twins + 1 if sample.key == last else 0
        picture = sample.first(PICTURES)
        reason = "key occurs more than once; its first sample is taken" if twins else ""
        reason = reason or (found if isinstance(found, str) else "" if picture else NO_PICTURE)
        last = sample.key
        if reason:
            yield key, RejectedImage(f"{key} ({twins + 1})" if twins else key, where, reason), None
        else:
            yield key, picture.read(), found


def _codes(names: Iterable[str], indices: dict[str, int], classes: int) -> tuple[int, ...]:
    there = {indices[name] for name in names if name in indices}
    return tuple(POSITIVE if index in there else NEGATIVE for index in range(classes))


def _json_of(sample: Sample) -> dict[str, Any]:
    """The object in a sample's .json file; empty if it has none.

    Raises:
        ValueError: it is none, with the reason.
    """
    if "json" not in sample.members:
        return {}
    try:
        content = json.loads(_decoded(sample.members["json"].read(), ".json"), object_pairs_hook=unique)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f".json: not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(".json: not an object")
    return content


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{where}: not UTF-8") from None


def _check(key: str, path: str) -> Iterator[Finding]:
    """Finding before a run: which shards are there, and do their numbers leave some out?"""
    try:
        shards = shards_of(path)
    except UserError as error:
        yield Finding(f"{key}.path", str(error), missing=True)
        return
    text = f"{path}: {len(shards):,} shard{'s' if len(shards) > 1 else ''}"
    if lost := gaps(shards):
        text += f"; {len(lost):,} of their numbers left out, the first: {lost[0]}"
    yield Finding(f"{key}.path", printable(text))


def _count(path: str) -> Counted:
    if not Path(path).exists():
        return Counted(0, f"{path} is not there, so nothing is counted")
    shards = shards_of(path)
    first = sum(1 for _ in samples_of(shards[0]))
    how = f"samples of {shards[0]}" + (f", times {len(shards)} shards" if len(shards) > 1 else "")
    return Counted(first * len(shards), how)

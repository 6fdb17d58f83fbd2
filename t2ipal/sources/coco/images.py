"""Images of MS-COCO, 2014 and 2017: `annotations/instances_{split}.json` and a folder of images."""

from __future__ import annotations

import heapq
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from t2ipal.errors import UserError
from t2ipal.sources.base import Counted, ImageSource, RequiredFile, published
from t2ipal.sources.coco.layout import IMAGES, annotations, download_of, picture_folders
from t2ipal.sources.image_rows import NEGATIVE, POSITIVE, ImageRow, RejectedImage
from t2ipal.sources.reading import json_stream
from t2ipal.sources.reading.class_names import match
from t2ipal.sources.reading.image_files import checked_images
from t2ipal.validation import DataPath

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

_OFFICIAL = re.compile(r"(?:COCO_(?:train|val)2014_)?(\d{12})\.jpg")
"""File names of 2014 and of 2017; the number is the image's id in both."""


class CocoImages(ImageSource):
    """Images of MS-COCO with the labels of their instances."""

    source: Literal["coco"] = Field(description="MS-COCO in the official layout")
    root: DataPath = Field(
        description="folder with {split}/ and annotations/instances_{split}.json, relative to data_dir"
    )
    split: str = Field(description="a split, such as val2014")

    @property
    def annotations(self) -> Path:
        """The file of images, categories and instances."""
        return annotations(Path(self.root), "instances", self.split)

    def files(self) -> list[RequiredFile]:
        return [RequiredFile("root", self.annotations, download_of(self.split, "annotations"))]

    def folders(self) -> list[Path]:
        """The split's own folders; without any, those of other splits, where the same photographs may be."""
        own, others = picture_folders(Path(self.root), self.split)
        return own or others

    def pictures(self) -> RequiredFile:
        own, others = picture_folders(Path(self.root), self.split)
        folder = next(iter((*own, *others)), Path(self.root, self.split))
        return RequiredFile("root", folder, download_of(self.split, "images"))

    def read(self, classes: ClassList, role: str = "test", seed: int = 0) -> Iterator[ImageRow | RejectedImage]:
        """Yield the split's images. A class is positive where any instance of it is annotated, crowds included.

        Images without an instance stay, all negative: the usual protocol counts all 40,504 of val2014. An image that
        only an annotation names is a reject. The annotations are streamed: outlines of objects never fill the memory.

        Raises:
            UserError: a missing folder, a missing or malformed annotation file, or a class without a category.
        """
        path = self.annotations
        file_of = _finder(Path(self.root), self.split)
        images: dict[int, str] = {}
        names: dict[int, str] = {}
        present: defaultdict[int, set[int]] = defaultdict(set)
        try:
            for key, item in json_stream.entries(path, "images", "categories", "annotations"):
                if key == "annotations":
                    present[item["image_id"]].add(item["category_id"])
                elif key == "categories":
                    names[item["id"]] = item["name"]
                elif item["id"] in images:
                    raise UserError(f"{path}: image id {item['id']} occurs more than once; expected unique ids")
                else:
                    images[item["id"]] = item["file_name"]
        except (KeyError, TypeError) as error:
            raise UserError(f"{path}: not COCO instances: no {error} where one is expected") from error
        indices = match(classes, names.values(), str(path))
        unknown = set().union(*present.values()) - names.keys()
        if unknown:
            raise UserError(f"{path}: annotation of unknown category {min(unknown)}; expected one of its categories")
        columns = {category: indices[name] for category, name in names.items() if name in indices}
        return _rows(images, dict(present), columns, len(classes.names), file_of)

    def listed(self) -> Iterator[tuple[str, Path]]:
        path = self.annotations
        file_of = _finder(Path(self.root), self.split)
        try:
            for item in json_stream.items(path, "images"):
                yield image_id_of(item["id"]), file_of(item["id"], item["file_name"])
        except (KeyError, TypeError) as error:
            raise UserError(f"{path}: not COCO instances: no {error} where one is expected") from error

    def official_order(self) -> Iterator[str]:
        """As the annotation file lists them, which is no order of ids."""
        return (image_id for image_id, _ in self.listed())

    def count(self) -> Counted:
        return published(IMAGES, self.split)


def image_id_of(number: int) -> str:
    """A COCO image id as text of 12 digits, as in its file names: text order is number order."""
    return f"{number:012d}"


def _finder(root: Path, split: str) -> Callable[[int, str], Path]:
    """A function from an image's id and its file name to where it is, or where it should be.

    The split's own folder counts first, then those of the other splits and year, where the same photograph has the same
    id.

    Raises:
        UserError: no folder of images.
    """
    own, others = picture_folders(root, split)
    if not own and not others:
        raise UserError(f"{root / split}: no such folder of images (expected the images of {split})")
    names = {folder: {path.name for path in folder.iterdir()} for folder in (*own, *others)}
    by_number = {
        int(official[1]): (folder, name)
        for folder in reversed((*own, *others))
        for name in names[folder]
        if (official := _OFFICIAL.fullmatch(name))
    }
    home = own[0] if own else root / split

    def file_of(number: int, file_name: str) -> Path:
        name = Path(file_name).name
        # a name without an id is looked for in the split's own folders alone: elsewhere it may be another image
        folder = next((folder for folder in own if name in names[folder]), None)
        if folder is None and _OFFICIAL.fullmatch(name):
            folder, name = by_number.get(number, (home, name))
        return (folder or home) / name

    return file_of


def _rows(
    images: dict[int, str],
    present: dict[int, set[int]],
    columns: dict[int, int],
    count: int,
    file_of: Callable[[int, str], Path],
) -> Iterator[ImageRow | RejectedImage]:
    shown = {number: {columns.get(category) for category in categories} for number, categories in present.items()}
    rows = (
        (
            image_id_of(number),
            file_of(number, images[number]),
            tuple(POSITIVE if index in shown.get(number, ()) else NEGATIVE for index in range(count)),
        )
        for number in sorted(images)
    )
    unlisted = (
        RejectedImage(image_id_of(number), "", "annotated, but not in the list of images")
        for number in sorted(present.keys() - images.keys())
    )
    return heapq.merge(checked_images(rows), unlisted, key=attrgetter("image_id"))

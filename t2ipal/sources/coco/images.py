"""Images of MS-COCO, 2014 and 2017: `annotations/instances_{split}.json` and a folder of images."""

from __future__ import annotations

import heapq
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from t2ipal.errors import UserError
from t2ipal.sources.base import Counted, ImageSource, RequiredFile, published
from t2ipal.sources.coco.ids import field, id_text
from t2ipal.sources.coco.layout import IMAGES, annotations, download_of, picture_folders
from t2ipal.sources.image_rows import NEGATIVE, POSITIVE, ImageRow, RejectedImage
from t2ipal.sources.reading import json_stream
from t2ipal.sources.reading.class_names import match
from t2ipal.sources.reading.folders import finder, tidy
from t2ipal.sources.reading.image_files import checked_images
from t2ipal.text_files import writable
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
        """Yield the split's images by the text of their ids.

        A class is positive where any instance of it is annotated, crowds included.
        Images without an instance stay, all negative: the usual protocol counts all 40,504 of val2014. An image that
        only an annotation names is a reject. The annotations are streamed: outlines of objects never fill the memory.

        Raises:
            UserError: a missing folder, a missing or malformed annotation file, or a class without a category.
        """
        _check_folders(Path(self.root), self.split)
        images, present, columns = self._annotated(classes)
        file_of = _finder(Path(self.root), self.split, images.values())
        return _rows(images, present, columns, len(classes.names), file_of)

    def all_positives(self, classes: ClassList) -> tuple[int, ...]:
        images, present, columns = self._annotated(classes)
        shown = Counter(
            index
            for key, categories in present.items()
            if key in images
            for index in {columns[category] for category in categories if category in columns}
        )
        return tuple(shown[index] for index in range(len(classes.names)))

    def _annotated(self, classes: ClassList) -> tuple[dict[str, str], dict[str, set[str]], dict[str, int]]:
        """(file names by image, categories by image, index of the class by category).

        Raises:
            UserError: as `read`.
        """
        path = self.annotations
        images: dict[str, str] = {}
        names: dict[str, str] = {}
        present: defaultdict[str, set[str]] = defaultdict(set)
        with _located(path):
            for key, item in json_stream.entries(path, "images", "categories", "annotations"):
                if key == "annotations":
                    present[id_text(field(item, "image_id"))].add(id_text(field(item, "category_id")))
                elif key == "categories":
                    _add(names, "category", id_text(field(item, "id")), _text(item, "name"))
                else:
                    _add(images, "image", id_text(field(item, "id")), _text(item, "file_name"))
        indices = match(classes, names.values(), str(path))
        unknown = set().union(*present.values()) - names.keys()
        if unknown:
            raise UserError(
                f"{path}: annotation of unknown category {min(unknown).lstrip('0')}; expected one of its categories"
            )
        return images, dict(present), {category: indices[name] for category, name in names.items() if name in indices}

    def listed(self) -> Iterator[tuple[str, Path]]:
        path = self.annotations
        images: dict[str, str] = {}
        with _located(path):
            for item in json_stream.items(path, "images"):
                _add(images, "image", id_text(field(item, "id")), _text(item, "file_name"))
        file_of = _finder(Path(self.root), self.split, images.values())
        yield from ((key, file_of(key, name)) for key, name in images.items())

    def official_order(self) -> Iterator[str]:
        """As the annotation file lists them, which is no order of ids."""
        return (image_id for image_id, _ in self.listed())

    def count(self) -> Counted:
        return published(IMAGES, self.split)


@contextmanager
def _located(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise UserError(f"{path}: not COCO instances: {error}") from error


def _text(item: Any, key: str) -> str:
    """A text of an entry, at least one character.

    Raises:
        ValueError: there is none.
    """
    text = field(item, key)
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{key} is {str(text)[:60]!r}; expected a text")
    return text


def _add(table: dict[str, str], what: str, key: str, value: str) -> None:
    """Add an entry of a new id.

    Raises:
        ValueError: the id is there.
    """
    if key in table:
        raise ValueError(f"{what} id {key.lstrip('0')} occurs more than once; expected unique ids")
    table[key] = value


def _check_folders(root: Path, split: str) -> None:
    """Is there a folder of images?

    Raises:
        UserError: there is none.
    """
    own, others = picture_folders(root, split)
    if not own and not others:
        raise UserError(f"{root / split}: no such folder of images (expected the images of {split})")


def _finder(root: Path, split: str, listed: Iterable[str]) -> Callable[[str, str], Path]:
    """A function from an image's id and its file name to where it is, or where it should be.

    The split's own folder counts first, then those of the other splits and year, where the same photograph has the same
    id. A file name may have folders, of which those that exist below the split's own, or `root`, are kept. A name
    without its folders is looked for if it is that of one listed image alone.

    Raises:
        UserError: no folder of images; the function raises it where a name may be several files.
    """
    _check_folders(root, split)
    own, others = picture_folders(root, split)
    by_number = {
        official[1]: folder / name
        for folder in reversed((*own, *others))
        for name in sorted(os.listdir(folder))
        if (official := _OFFICIAL.fullmatch(name))
    }
    home = own[0] if own else root / split
    file_in = finder()
    shared = {name for name, count in Counter(_parts(name)[-1] for name in listed).items() if count > 1}

    def file_of(key: str, file_name: str) -> Path:
        try:
            return where(key, file_name)
        except ValueError as error:
            raise UserError(f"{annotations(root, 'instances', split)}: image {key}: {error}; expected one") from error

    def where(key: str, file_name: str) -> Path:
        *folders, name = _parts(file_name)
        for start in range(len(folders)):
            for folder in (*own, root):
                if path := file_in(folder, (*folders[start:], name)):
                    return path
        # a name without an id is looked for in the split's own folders alone: elsewhere it may be another image
        if not folders or name not in shared:
            for folder in own:
                if path := file_in(folder, (name,)):
                    return path
        if _OFFICIAL.fullmatch(name) and key in by_number:
            return by_number[key]
        return home.joinpath(*folders, name)

    return file_of


def _parts(file_name: str) -> list[str]:
    """The folders and the name in a file name, whatever its slashes, none above the folder that it is below."""
    return [part for part in tidy(file_name).split("/") if part not in ("", "..")] or [file_name]


def _rows(
    images: dict[str, str],
    present: dict[str, set[str]],
    columns: dict[str, int],
    count: int,
    file_of: Callable[[str, str], Path],
) -> Iterator[ImageRow | RejectedImage]:
    shown = {key: {columns.get(category) for category in categories} for key, categories in present.items()}
    files = {key: file_of(key, images[key]) for key in sorted(images)}
    first = {path: key for key, path in reversed(files.items())}
    rows = (
        (key, path, tuple(POSITIVE if index in shown.get(key, ()) else NEGATIVE for index in range(count)))
        for key, path in files.items()
        if first[path] == key
    )
    twice = (
        RejectedImage(key, writable(str(path)), f"the same file as image {first[path]}")
        for key, path in files.items()
        if first[path] != key
    )
    unlisted = (
        RejectedImage(key, "", "annotated, but not in the list of images")
        for key in sorted(present.keys() - images.keys())
    )
    return heapq.merge(checked_images(rows), twice, unlisted, key=attrgetter("image_id"))

"""Pascal VOC: `JPEGImages/`, `ImageSets/Main/` and, where class lists are missing, `Annotations/`.

Labels are those of the official class lists: 1, -1, or 0 for a class of which all objects are marked difficult.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

from pydantic import Field

from t2ipal import names
from t2ipal.errors import UserError
from t2ipal.images.decoding import not_a_file
from t2ipal.sources.base import Counted, ImageSource, RequiredFile, published
from t2ipal.sources.image_rows import DIFFICULT, NEGATIVE, POSITIVE, ImageRow, RejectedImage
from t2ipal.sources.reading.class_names import match
from t2ipal.sources.reading.folders import DEPTH, first_existing
from t2ipal.sources.reading.image_files import checked_images
from t2ipal.store import existing
from t2ipal.text_files import lines
from t2ipal.validation import DataPath

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

# fmt: off
NAMES = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
]
# fmt: on

_CODES = {"1": POSITIVE, "-1": NEGATIVE, "0": DIFFICULT}
"""Marks of the class lists: 0 is a class of which all objects are difficult."""

PUBLISHED = {"train": 2_501, "val": 2_510, "trainval": 5_011, "test": 4_952}
"""Images of VOC2007's splits."""


class VocImages(ImageSource):
    """Images of Pascal VOC with the labels of its class lists."""

    source: Literal["voc"] = Field(description="Pascal VOC in the official layout")
    root: DataPath = Field(description="folder with JPEGImages/ and ImageSets/, or one above it, relative to data_dir")
    split: str = Field("test", description="a split, such as test")
    difficult: Literal["negative", "ignore"] = Field(
        "negative", description="a class with difficult objects only: 'negative' (as TaI-DPT), or 'ignore' it"
    )

    @property
    def homes(self) -> list[Path]:
        """Folders with `ImageSets/Main` at or below `root`, that of the split first."""
        return _homes(Path(self.root), self.split)

    def files(self) -> list[RequiredFile]:
        """The list of the split, and what holds its labels: the class lists, or the folder of XML files."""
        homes = self.homes
        wanted = _list_of(homes[0], self.split)
        lists = sorted(wanted.parent.glob(f"*_{self.split}.txt"))
        paths = [wanted, *lists, *([] if len(lists) >= len(NAMES) else [_part_of(homes, "Annotations")])]
        download = "voc2007-test" if self.split == "test" else "voc2007-trainval"
        return [RequiredFile("root", path, download) for path in paths]

    def folders(self) -> list[Path]:
        return [_part_of(self.homes, "JPEGImages")]

    def read(self, classes: ClassList, role: str = "test", seed: int = 0) -> Iterator[ImageRow | RejectedImage]:
        """Yield the split's images with their labels.

        Raises:
            UserError: a missing or malformed list, or a class that VOC does not have.
        """
        table, bad = self.labels(classes)
        pictures = _part_of(self.homes, "JPEGImages")
        rows = ((key, pictures / f"{key}.jpg", tuple(codes)) for key, codes in table.items())
        return heapq.merge(checked_images(rows), bad, key=attrgetter("image_id"))

    def labels(self, classes: ClassList) -> tuple[dict[str, list[int]], list[RejectedImage]]:
        """Labels of the split's images by id, in order, and rejects of those without.

        They come from the class lists, or from the XML files where a list is missing. A class of which all objects are
        difficult is absent (as TaI-DPT and DualCoOp count), or DIFFICULT where these are to be ignored, which leaves
        the image out of the class's average precision (as VOC's own code and ML-GCN do).

        Raises:
            UserError: as `read`.
        """
        homes = self.homes
        ids = _ids(homes[0], self.split)
        indices = match(classes, NAMES, "Pascal VOC")
        columns = {name: _list_of(homes[0], self.split, name) for name in indices}
        bad: list[RejectedImage] = []
        if all(path.is_file() for path in columns.values()):
            table = _from_lists(columns, indices, ids, len(classes.names))
        else:
            folder = existing(_part_of(homes, "Annotations"), "folder")
            table, bad = _from_files(folder, indices, ids, len(classes.names))
        if self.difficult == "negative":
            table = {key: [NEGATIVE if code == DIFFICULT else code for code in codes] for key, codes in table.items()}
        return table, bad

    def all_positives(self, classes: ClassList) -> tuple[int, ...]:
        table, _ = self.labels(classes)
        return tuple(sum(codes[index] == POSITIVE for codes in table.values()) for index in range(len(classes.names)))

    def listed(self) -> Iterator[tuple[str, Path]]:
        homes = self.homes
        pictures = _part_of(homes, "JPEGImages")
        yield from ((key, pictures / f"{key}.jpg") for key in _ids(homes[0], self.split))

    def count(self) -> Counted:
        return published(PUBLISHED, self.split)


def _homes(root: Path, split: str) -> list[Path]:
    """Folders with `ImageSets/Main` at or below `root`, that of the split first, looking no deeper than needed.

    Official: VOCdevkit/VOC2007. The test archive unpacked on its own: VOCtest*/VOCdevkit/VOC2007 next to it.
    """
    homes: list[Path] = []
    for depth in range(DEPTH + 1):
        homes += sorted(path.parents[1] for path in root.glob("*/" * depth + "ImageSets/Main") if path.is_dir())
        if with_list := [home for home in homes if _list_of(home, split).is_file()]:
            return [with_list[0], *(home for home in homes if home != with_list[0])]
    return homes or [root]


def _list_of(home: Path, split: str, name: str | None = None) -> Path:
    """The list of a split's images, or of one class's labels on it."""
    return home / "ImageSets" / "Main" / (f"{name}_{split}.txt" if name else f"{split}.txt")


def _part_of(homes: Iterable[Path], part: str) -> Path:
    """`JPEGImages` or `Annotations` of the first home that has it."""
    return first_existing(home / part for home in homes)


def _ids(home: Path, split: str) -> list[str]:
    return sorted({line.split()[0] for line in lines(_list_of(home, split))})


def _from_lists(columns: dict[str, Path], indices: dict[str, int], ids: list[str], count: int) -> dict[str, list[int]]:
    table = {key: [NEGATIVE] * count for key in ids}
    for name, path in columns.items():
        codes = {}
        for line in lines(path):
            words = line.split()
            if len(words) != 2 or words[1] not in _CODES:
                raise UserError(f"{path}: line {' '.join(words)!r}; expected an image id and 1, 0 or -1")
            if codes.setdefault(words[0], _CODES[words[1]]) != _CODES[words[1]]:
                raise UserError(f"{path}: image {words[0]} has two marks; expected one")
        if codes.keys() != table.keys():
            other = sorted(codes.keys() ^ table.keys())[0]
            raise UserError(f"{path}: its images are not those of the split; image {other} is in one list alone")
        for key, code in codes.items():
            table[key][indices[name]] = _stronger(table[key][indices[name]], code)
    return table


def _from_files(
    folder: Path, indices: dict[str, int], ids: list[str], count: int
) -> tuple[dict[str, list[int]], list[RejectedImage]]:
    """Labels of the images with an XML file, and rejects of those without."""
    table, bad = {}, []
    for key in ids:
        path = folder / f"{key}.xml"
        if problem := not_a_file(path):
            bad.append(RejectedImage(key, str(path), f"annotations: {problem}"))
            continue
        try:
            table[key] = _from_objects(_objects(path), indices, count)
        except (ElementTree.ParseError, ValueError, LookupError, OSError) as error:
            bad.append(RejectedImage(key, str(path), f"damaged annotations: {error}"))
    return table, bad


def _objects(path: Path) -> list[ElementTree.Element]:
    root = ElementTree.parse(path).getroot()
    if root.tag != "annotation":
        raise ValueError(f"found <{root.tag}>; expected <annotation>")
    return root.findall("object")


def _from_objects(objects: list[ElementTree.Element], indices: dict[str, int], count: int) -> list[int]:
    labels = [NEGATIVE] * count
    columns = {names.key(name): index for name, index in indices.items()}
    for item in objects:
        name = item.findtext("name", "").strip()
        if not name:
            raise ValueError("an object without a name")
        index = columns.get(names.key(name))
        if index is not None:
            mark = item.findtext("difficult", "").strip() or "0"
            if mark not in ("0", "1"):
                raise ValueError(f"difficult is {mark[:20]!r}; expected 0 or 1")
            code = DIFFICULT if mark == "1" else POSITIVE
            labels[index] = _stronger(labels[index], code)
    return labels


def _stronger(left: int, right: int) -> int:
    """One object that is not difficult makes a class positive; a difficult one outweighs none."""
    return max(left, right) if POSITIVE in (left, right) else min(left, right)

"""Pascal VOC: `JPEGImages/`, `ImageSets/Main/` and, where class lists are missing, `Annotations/`.

Layouts: `t2ipal.paths`. Labels are those of the official class lists: 1, -1, or 0 for a class of which all objects
are marked difficult.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree

from t2ipal.datasets.files import check
from t2ipal.datasets.lists import lines
from t2ipal.datasets.names import match
from t2ipal.datasets.rows import DIFFICULT, NEGATIVE, POSITIVE, ImageRow, Reject
from t2ipal.errors import UserError
from t2ipal.paths import voc_homes, voc_list, voc_part
from t2ipal.store import existing

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

# fmt: off
NAMES = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
]
# fmt: on

Difficult = Literal["negative", "ignore"]

_CODES = {"1": POSITIVE, "-1": NEGATIVE, "0": DIFFICULT}
"""What the class lists say: 0 is a class of which all objects are difficult."""


def read(root: Path, split: str, classes: ClassList, difficult: Difficult = "negative") -> Iterator[ImageRow | Reject]:
    """Yield the split's images with their labels.

    Args:
        root: the folder that holds ImageSets, such as VOCdevkit/VOC2007, or one above it.
        difficult: as `labels`.

    Raises:
        UserError: a missing or malformed list, or a class that VOC does not have.
    """
    table, bad = labels(root, split, classes, difficult)
    pictures = voc_part(voc_homes(root, split), "JPEGImages")
    rows = ((key, pictures / f"{key}.jpg", tuple(codes)) for key, codes in table.items())
    return heapq.merge(check(rows), bad, key=attrgetter("image_id"))


def labels(
    root: Path, split: str, classes: ClassList, difficult: Difficult = "negative"
) -> tuple[dict[str, list[int]], list[Reject]]:
    """Labels of the split's images by id, in order, and rejects of those without.

    They come from the class lists, or from the XML files where a list is missing.

    Args:
        difficult: a class of which all objects are difficult is absent (as TaI-DPT and DualCoOp count) or DIFFICULT,
            which leaves the image out of the class's average precision (as VOC's own code and ML-GCN do).

    Raises:
        UserError: as `read`.
    """
    homes = voc_homes(root, split)
    ids = _ids(homes[0], split)
    indices = match(classes, NAMES, "Pascal VOC")
    columns = {name: voc_list(homes[0], split, name) for name in indices}
    bad: list[Reject] = []
    if all(path.is_file() for path in columns.values()):
        table = _from_lists(columns, indices, ids, len(classes.names))
    else:
        table, bad = _from_files(existing(voc_part(homes, "Annotations"), "folder"), indices, ids, len(classes.names))
    if difficult == "negative":
        table = {key: [NEGATIVE if code == DIFFICULT else code for code in codes] for key, codes in table.items()}
    return table, bad


def listed(root: Path, split: str) -> Iterator[tuple[str, Path]]:
    """Yield (image_id, file) of every image that the split lists.

    Raises:
        UserError: no list, or one that is not text.
    """
    homes = voc_homes(root, split)
    pictures = voc_part(homes, "JPEGImages")
    yield from ((key, pictures / f"{key}.jpg") for key in _ids(homes[0], split))


def _ids(home: Path, split: str) -> list[str]:
    return sorted({line.split()[0] for line in lines(voc_list(home, split))})


def _from_lists(columns: dict[str, Path], indices: dict[str, int], ids: list[str], count: int) -> dict[str, list[int]]:
    table = {key: [NEGATIVE] * count for key in ids}
    for name, path in columns.items():
        codes = {}
        for line in lines(path):
            words = line.split()
            if len(words) != 2 or words[1] not in _CODES:
                raise UserError(f"{path}: line {' '.join(words)!r}; expected an image id and 1, 0 or -1")
            codes[words[0]] = _CODES[words[1]]
        if codes.keys() != table.keys():
            other = sorted(codes.keys() ^ table.keys())[0]
            raise UserError(f"{path}: its images are not those of the split; image {other} is in one list alone")
        for key, code in codes.items():
            table[key][indices[name]] = _stronger(table[key][indices[name]], code)
    return table


def _from_files(
    folder: Path, indices: dict[str, int], ids: list[str], count: int
) -> tuple[dict[str, list[int]], list[Reject]]:
    """Labels of the images with an XML file, and rejects of those without."""
    table, bad = {}, []
    for key in ids:
        path = folder / f"{key}.xml"
        try:
            objects = ElementTree.parse(path).getroot().findall("object")
        except FileNotFoundError:
            bad.append(Reject(key, str(path), "no such file of annotations"))
        except ElementTree.ParseError as error:
            bad.append(Reject(key, str(path), f"damaged annotations: {error}"))
        else:
            table[key] = _from_objects(objects, indices, count)
    return table, bad


def _from_objects(objects: list[ElementTree.Element], indices: dict[str, int], count: int) -> list[int]:
    labels = [NEGATIVE] * count
    for item in objects:
        index = indices.get(item.findtext("name", "").strip())
        if index is not None:
            code = DIFFICULT if item.findtext("difficult", "0").strip() == "1" else POSITIVE
            labels[index] = _stronger(labels[index], code)
    return labels


def _stronger(left: int, right: int) -> int:
    """One object that is not difficult makes a class positive; a difficult one outweighs none."""
    return max(left, right) if POSITIVE in (left, right) else min(left, right)

"""Pascal VOC in the official layout: `JPEGImages/`, `ImageSets/Main/` and, where lists are missing, `Annotations/`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from t2ipal.datasets.files import check
from t2ipal.datasets.names import match
from t2ipal.datasets.rows import DIFFICULT, NEGATIVE, POSITIVE, ImageRow, Reject
from t2ipal.errors import UserError
from t2ipal.store import existing

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

# fmt: off
NAMES = [
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
]
# fmt: on

_CODES = {"1": POSITIVE, "-1": NEGATIVE, "0": DIFFICULT}
"""What the class lists say: 0 is a class of which all objects are difficult."""


def read(root: Path, split: str, classes: ClassList) -> Iterator[ImageRow | Reject]:
    """Yield the split's images with labels from the class lists, or from the XML files where a list is missing.

    Args:
        root: the folder that holds ImageSets, such as VOCdevkit/VOC2007.

    Raises:
        UserError: a missing or malformed list, or a class that VOC does not have.
    """
    main = existing(root / "ImageSets" / "Main", "folder of VOC image sets")
    ids = sorted(key for key, *_ in _lines(main / f"{split}.txt"))
    indices = match(classes, NAMES, "Pascal VOC")
    columns = {name: main / f"{name}_{split}.txt" for name in indices}
    if all(path.is_file() for path in columns.values()):
        table = _from_lists(columns, indices, ids, len(classes.names))
    else:
        table = {key: _from_xml(root / "Annotations" / f"{key}.xml", indices, len(classes.names)) for key in ids}
    return check((key, root / "JPEGImages" / f"{key}.jpg", tuple(table[key])) for key in ids)


def _lines(path: Path) -> Iterator[list[str]]:
    """Split lines into words; lines may end in CRLF and hold several blanks."""
    for line in existing(path).read_text(encoding="utf-8").splitlines():
        if words := line.split():
            yield words


def _from_lists(columns: dict[str, Path], indices: dict[str, int], ids: list[str], count: int) -> dict[str, list[int]]:
    table = {key: [NEGATIVE] * count for key in ids}
    for name, path in columns.items():
        codes = {}
        for words in _lines(path):
            if len(words) != 2 or words[1] not in _CODES:
                raise UserError(f"{path}: line {' '.join(words)!r}; expected an image id and 1, 0 or -1")
            codes[words[0]] = _CODES[words[1]]
        if codes.keys() != table.keys():
            other = sorted(codes.keys() ^ table.keys())[0]
            raise UserError(f"{path}: its images are not those of the split; image {other} is in one list alone")
        for key, code in codes.items():
            table[key][indices[name]] = _stronger(table[key][indices[name]], code)
    return table


def _from_xml(path: Path, indices: dict[str, int], count: int) -> list[int]:
    try:
        objects = ElementTree.parse(existing(path)).getroot().findall("object")
    except ElementTree.ParseError as error:
        raise UserError(f"{path}: not XML: {error}") from error
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

"""MS-COCO in the official layout: `annotations/instances_{split}.json` and `{split}/{file_name}`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.datasets.files import check
from t2ipal.datasets.names import match
from t2ipal.datasets.rows import NEGATIVE, POSITIVE, ImageRow, Reject
from t2ipal.errors import UserError
from t2ipal.store import existing, read_json

if TYPE_CHECKING:
    from t2ipal.classes import ClassList


def image_id_of(number: int) -> str:
    """A COCO image id as text of 12 digits, as in its file names: text order is number order."""
    return f"{number:012d}"


def read(root: Path, split: str, classes: ClassList) -> Iterator[ImageRow | Reject]:
    """Yield the split's images. A class is positive where any instance of it is annotated, crowds included.

    Images without an instance stay, all negative: the usual protocol counts all 40,504 of val2014. An image that only
    an annotation names is a reject.

    Raises:
        UserError: a missing folder, a missing or malformed annotation file, or a class without a category.
    """
    existing(root / split, "folder of images")
    path = root / "annotations" / f"instances_{split}.json"
    content = read_json(path)
    try:
        images = {image["id"]: image["file_name"] for image in content["images"]}
        names = {category["id"]: category["name"] for category in content["categories"]}
        instances = [(item["image_id"], item["category_id"]) for item in content["annotations"]]
        twice = len(images) < len(content["images"])
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: not COCO instances: no {error} where one is expected") from error
    if twice:
        raise UserError(f"{path}: an image id occurs more than once; expected unique ids")
    indices = match(classes, names.values(), str(path))
    present: defaultdict[int, set[int]] = defaultdict(set)
    for image, category in instances:
        if category not in names:
            raise UserError(f"{path}: annotation of unknown category {category}; expected one of its categories")
        present[image].add(indices.get(names[category], -1))
    return _rows(root / split, images, dict(present), len(classes.names))


def _rows(
    folder: Path, images: dict[int, str], present: dict[int, set[int]], count: int
) -> Iterator[ImageRow | Reject]:
    unlisted = sorted(present.keys() - images.keys())
    listed = (
        (
            image_id_of(number),
            folder / Path(images[number]).name,
            tuple(POSITIVE if index in present.get(number, ()) else NEGATIVE for index in range(count)),
        )
        for number in sorted(images)
    )
    # Both parts are sorted; merge them so that the whole is.
    checked = check(listed)
    row = next(checked, None)
    for number in unlisted:
        image_id = image_id_of(number)
        while row is not None and row.image_id < image_id:
            yield row
            row = next(checked, None)
        yield Reject(image_id, "", "annotated, but not in the list of images")
    while row is not None:
        yield row
        row = next(checked, None)

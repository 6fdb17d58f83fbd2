"""Classes of a list that have no image in a source, as a line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from t2ipal.classes import load_classes
from t2ipal.errors import UserError
from t2ipal.findings import Finding

if TYPE_CHECKING:
    from t2ipal.sources.base import ImageSource

SHOWN = 5
"""Classes that a message names."""
NEEDED = {
    "test": "a test image for each class: its average precision is not defined without",
    "train": "a training image for each class: few-shot samples have none without",
}


def find_classes(key: str, part: str, source: ImageSource, classes: str) -> list[Finding]:
    """Findings of `check_data` on a set of images: the classes without one, in sources of any size.

    None where its files are not there, which is told elsewhere.
    """
    if not all(os.path.exists(file.path) for file in source.files()):
        return []
    try:
        line = without_images(part, source, classes, quickly=False)
    except UserError as error:
        line = str(error)
    return [Finding(key, line, missing=True)] if line else []


def without_images(part: str, source: ImageSource, classes: str, quickly: bool = True) -> str:
    """The classes of a list that have no image in a source, as a line; "" if each has one or the source does not count.

    Args:
        part: "test" or "train".
        source: labelled images, their paths as seen from the working directory.
        classes: name or path of the class list.
        quickly: only in sources whose labels are quickly counted.

    Raises:
        UserError: the labels are missing or malformed.
    """
    names = load_classes(classes).names
    count = source.positives if quickly else source.all_positives
    counts = count(load_classes(classes))
    none = [name for name, count in zip(names, counts, strict=True) if not count] if counts is not None else []
    if not none:
        return ""
    more = f" and {len(none) - SHOWN} more" if len(none) > SHOWN else ""
    return f"no image of {', '.join(map(repr, none[:SHOWN]))}{more} (expected {NEEDED[part]})"

"""Matching the classes of a class list with the category names of a data set."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from t2ipal.errors import UserError

if TYPE_CHECKING:
    from t2ipal.classes import ClassList


def plain(name: str) -> str:
    """Lower case without spaces, underscores and hyphens: "Dining table" and "diningtable" are one name."""
    return re.sub(r"[\s_-]+", "", name.lower())


def match(classes: ClassList, categories: Iterable[str], where: str) -> dict[str, int]:
    """Map category names to class indices. Categories that no class names are left out.

    A class takes the category of its own name; without one, those its synonyms name (VOC's "sofa" is
    COCO's "couch").

    Raises:
        UserError: a class has no category; `where` names the file.
    """
    categories = list(categories)
    known = {plain(category): category for category in categories}
    named = {plain(entry.name) for entry in classes.classes}
    indices: dict[str, int] = {}
    for index, entry in enumerate(classes.classes):
        own = plain(entry.name)
        others = [plain(word) for word in entry.synonyms if plain(word) not in named]
        matching = [own] if own in known else [word for word in others if word in known]
        if not matching:
            listed = f"{len(categories)}: {', '.join(sorted(categories)[:8])} ..."
            raise UserError(f"{where}: no category for class {entry.name!r} of {classes.name}; it has {listed}")
        indices |= {known[word]: index for word in matching}
    return indices

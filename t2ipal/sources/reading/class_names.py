"""Matching the classes of a class list with the category names of a data set."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from t2ipal.errors import UserError
from t2ipal.names import key
from t2ipal.plurals import singulars

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

_SEPARATORS = re.compile(r"[,;|\t\n]")


def match(classes: ClassList, categories: Iterable[str], where: str, every: bool = False) -> dict[str, int]:
    """Map category names to class indices. Categories that no class names are left out.

    A class takes the category of its own name, or of its plural; without one, or with `every` besides, those its
    synonyms name (VOC's "sofa" is COCO's "couch"). Case, spaces, `_` and hyphens make no difference.

    Raises:
        UserError: a class has no category, or two of one name; `where` names the file.
    """
    categories = list(categories)
    named = {key(entry.name) for entry in classes.classes}
    known, plural = defaultdict(list), defaultdict(list)
    for category in categories:
        known[key(category)].append(category)
        for form in singulars(category) if key(category) not in named else ():
            plural[key(form)].append(category)
    indices: dict[str, int] = {}
    for index, entry in enumerate(classes.classes):
        own = [key(entry.name)]
        others = [key(word) for word in entry.synonyms if key(word) not in named]
        options = ((known, own), (plural, own), (known, others), (plural, others))
        matching = [twins for there, words in options if (twins := [there[word] for word in words if word in there])]
        if not matching:
            listed = f"{len(categories)}: {', '.join(sorted(categories)[:8])} ..."
            raise UserError(f"{where}: no category for class {entry.name!r} of {classes.name}; it has {listed}")
        for alike in (twins for option in (matching if every else matching[:1]) for twins in option):
            if len(alike) > 1:
                raise UserError(f"{where}: {alike[0]!r} and {alike[1]!r} are one name (expected different names)")
            indices[alike[0]] = index
    return indices


def check_single(classes: ClassList, labels: Iterable[str], where: str, least: int = 1, spaces: bool = False) -> None:
    """Check that no label is several names in one text, such as "cat, dog": as one name, it would be no class.

    Args:
        classes: the class list.
        labels: names as the rows or the header of a data set have them.
        where: names the file.
        least: how many different classes a text of several names has to name.
        spaces: whether spaces separate names too, where each word is one; "dog bed" may be a category of its own.

    Raises:
        UserError: one is.
    """
    known = {key(word): entry.name for entry in classes.classes for word in (entry.name, *entry.synonyms)}
    for label in labels:
        if key(label) in known:
            continue
        parts = [part.strip() for part in _SEPARATORS.split(label) if part.strip()]
        named = {known[key(part)] for part in parts if key(part) in known}
        words = {known.get(key(word)) for word in label.split()}
        if (len(parts) > 1 and len(named) >= least) or (spaces and len(words) > 1 and None not in words):
            raise UserError(f"{where}: label {label[:60]!r} is several names in one text; expected a list of names")

"""What a caption was asked to name, and whether the noun filter reads exactly that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from t2ipal.captions.nouns import NounFilter

if TYPE_CHECKING:
    from t2ipal.captions.labels import Labelled
    from t2ipal.classes import ClassList

OTHER = "the noun filter reads other classes than those asked for"


def implied(classes: ClassList, index: int) -> tuple[frozenset[int], frozenset[int]]:
    """The classes that one class names by itself, and those that it leaves open: a cat is an animal in NUS-WIDE."""
    name = classes.classes[index].terms[0]
    positive = {number for number, entry in enumerate(classes.classes) if name in entry.terms}
    unknown = {number for number, entry in enumerate(classes.classes) if name in entry.unknown}
    return frozenset(positive | {index}), frozenset(unknown - positive)


class Asked:
    """Compares captions with the classes that they were asked to name."""

    def __init__(self, classes: ClassList) -> None:
        self.classes, self.filter = classes, NounFilter(classes)
        self._implied = [implied(classes, index) for index in range(len(classes))]

    def kept(self, rows: Iterable[tuple[str, tuple[int, ...]]]) -> Iterator[bool]:
        """Whether each text names exactly the classes asked for, and those that these imply."""
        rows = list(rows)
        labels = self.filter.label(text for text, _ in rows)
        for (_, indices), found in zip(rows, labels, strict=True):
            yield self.fits(indices, found)

    def fits(self, indices: Iterable[int], labels: Labelled) -> bool:
        """Whether labels are exactly those of the classes asked for, and of what these imply."""
        positive = frozenset().union(*(self._implied[index][0] for index in indices))
        unknown = frozenset().union(*(self._implied[index][1] for index in indices)) - positive
        return set(labels.positive) == positive and set(labels.unknown) == unknown

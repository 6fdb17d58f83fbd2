"""Labels in the rows of a data set: a column with one label or a list of them, or one column per class."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from t2ipal.errors import UserError
from t2ipal.sources.huggingface.rows import HubRows
from t2ipal.sources.image_rows import DIFFICULT, NEGATIVE, POSITIVE
from t2ipal.sources.reading.class_names import check_single, match

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

LABELS = ("labels", "label")
NO_LABELS = "no labels"


class NoLabels(Exception):
    """A row without labels, which is rejected."""


@dataclass(frozen=True)
class ListedLabels:
    """Labels that are listed in a cell: names, or numbers that stand for `names`.

    Attributes:
        column: of the labels that are there.
        unknown: of those that are neither there nor absent; None: there are none.
        indices: the class of each label that names one.
        names: by column, what numbers stand for; none where cells have the names themselves.
        classes: their number.
    """

    column: str
    unknown: str | None
    indices: Mapping[str, int]
    names: Mapping[str, Sequence[str]]
    classes: int

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        return [self.column, *([self.unknown] if self.unknown else [])]

    def of(self, row: Mapping[str, Any]) -> tuple[int, ...]:
        """One of 1, 0, -1 per class.

        Raises:
            NoLabels: the cell is empty, which is not the same as an empty list.
            UserError: a label of another type.
        """
        if row[self.column] in (None, -1):  # -1: what public test sets have in the place of a label
            raise NoLabels(NO_LABELS)
        labels = [NEGATIVE] * self.classes
        for column, code in ((self.unknown, DIFFICULT), (self.column, POSITIVE)):
            for name in _named(row[column], self.names.get(column), column) if column else ():
                if name in self.indices:
                    labels[self.indices[name]] = code
        return tuple(labels)


@dataclass(frozen=True)
class ClassColumns:
    """One column per class, or several of one class: 1, 0 or -1, true or false."""

    indices: Mapping[str, int]
    classes: int

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        return list(self.indices)

    def of(self, row: Mapping[str, Any]) -> tuple[int, ...]:
        """As `ListedLabels.of`; of several columns of one class the strongest label counts."""
        marks: list[set[int]] = [set() for _ in range(self.classes)]
        for column, index in self.indices.items():
            value = row[column]
            if value is None:
                raise NoLabels(f"no label in column {column!r}")
            if value not in (POSITIVE, NEGATIVE, DIFFICULT):
                raise UserError(f"{column} is {str(value)[:60]!r}; expected 1, 0 or -1")
            marks[index].add(int(value))
        return tuple(next((c for c in (POSITIVE, DIFFICULT) if c in found), NEGATIVE) for found in marks)


def label_reader(
    data: HubRows, classes: ClassList, asked: str | None, unknown: str | None, others: Collection[str | None]
) -> ListedLabels | ClassColumns:
    """What reads the labels of a row.

    Args:
        asked: the column that the user named; None: a usual one, or else one column per class.
        unknown: the column of unknown labels.
        others: columns that are no labels.

    Raises:
        UserError: no such column, a class without a category, or numbers without names.
    """
    column = data.column(asked, LABELS, "labels", optional=True)
    if column is None:
        if unknown:
            raise UserError(f"{data.where}: a column of unknown labels needs one of labels; expected labels too")
        categories = [name for name in data.columns if name not in others]
        return ClassColumns(match(classes, categories, data.where, every=True), len(classes.names))
    columns = [column, *([data.column(unknown, (), "unknown labels")] if unknown else [])]
    names = {name: found for name in columns if (found := _names_of(data.features.get(name)))}
    # Names in the cells are collected first: a class that no row has is an error here as in every other source.
    written = [name for name in columns if name not in names]
    categories = dict.fromkeys(name for known in names.values() for name in known)
    for row in data.read(written) if written else ():
        for name in written:
            categories |= dict.fromkeys(_named(row[name], None, f"{data.where}: {name}"))
    if written:
        check_single(classes, categories, data.where)
    for name, known in names.items():
        check_single(classes, known, data.where, least=2)
        if _are_marks(data, name, len(known)):
            raise UserError(
                f"{data.where}: {name} has a 0 or 1 for each of {len(known)} names; expected the numbers of the names "
                "that are there, or a column per class"
            )
    return ListedLabels(column, unknown, match(classes, categories, data.where, every=True), names, len(classes.names))


def _are_marks(data: HubRows, column: str, names: int) -> bool:
    """Whether the lists of a column have a mark for each name. Lists of numbers have each once, and other lengths."""
    repeats = False
    for row in data.read([column]):
        cell = row[column]
        if cell is None:
            continue
        if not isinstance(cell, list) or len(cell) != names or set(cell) - {0, 1}:
            return False
        repeats = repeats or len(set(cell)) < len(cell)
    return repeats


def _names_of(feature: Any) -> Sequence[str]:
    """What the numbers of a column stand for; none where it has no ClassLabel."""
    while getattr(feature, "feature", None) is not None:
        feature = feature.feature
    return getattr(feature, "names", None) or ()


def _named(cell: object, names: Sequence[str] | None, where: str) -> Iterator[str]:
    """The labels in a cell by name."""
    for label in cell if isinstance(cell, Iterable) and not isinstance(cell, str | bytes | dict) else [cell]:
        if isinstance(label, str) and not names:
            yield label.strip()
        elif names and isinstance(label, int) and 0 <= label < len(names):
            yield names[label]
        elif label is not None:
            expected = f"a number from 0 to {len(names) - 1}" if names else "a name, as text or ClassLabel"
            raise UserError(f"{where}: label {str(label)[:60]!r}; expected {expected}")

"""Captions composed from the names of a class list, for those who have no captions."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from t2ipal.classes import ClassList, class_files, load_classes
from t2ipal.errors import UserError
from t2ipal.names import key
from t2ipal.seeds import seed_of
from t2ipal.sources.base import CaptionSource, Counted, RequiredFile
from t2ipal.sources.caption_rows import Caption, RejectedCaption, rejected
from t2ipal.sources.reading.delimited import Table, column_of
from t2ipal.store import existing
from t2ipal.user_paths import ModelPath
from t2ipal.validation import Count, DataPath

if TYPE_CHECKING:
    from t2ipal.composed.sentences import Things

NEVER_NAMED = "the noun filter reads no word of this class alone; no caption was asked for"
COLUMNS = ("class", "other", "weight")


class NamesCaptions(CaptionSource):
    """Captions composed from class names."""

    source: Literal["names"] = Field(description="captions composed from class names")
    classes: ModelPath = Field(description="a class list of resources/classes/ by name, or a path to one")
    size: Count = Field(description="number of captions, a whole number >= 1")
    most: Annotated[int, Field(ge=1, le=4)] = Field(4, description="most classes in a caption, from 1 to 4")
    pairs: DataPath | None = Field(
        None, description="a .csv with columns class, other, weight: which classes occur together; null: all alike"
    )

    def files(self) -> list[RequiredFile]:
        lists = [RequiredFile("classes", Path(os.path.relpath(path))) for path in class_files(self.classes)]
        return [*lists, *([RequiredFile("pairs", Path(self.pairs))] if self.pairs else [])]

    def rows(self, seed: int) -> Iterator[Caption | RejectedCaption]:
        """Yield `size` captions; those in which the noun filter reads other classes than asked for are rejects.

        A class of which it reads no word is a reject of its own, and in no caption. The first captions of a larger pool
        are those of a smaller one.

        Raises:
            UserError: a malformed table of pairs, or no class that can be named.
        """
        from t2ipal.composed.asked import OTHER, Asked
        from t2ipal.composed.sentences import chosen, places_of, sentence, things_of

        classes = load_classes(self.classes)
        asked = Asked(classes)
        things, places = things_of(classes, asked), places_of(asked.filter)
        usable = [index for index, thing in enumerate(things) if thing.one or thing.several]
        if not usable:
            raise UserError(f"{self.classes}: no class that the noun filter reads by its name; expected at least one")
        weights = weights_of(self.pairs, classes) if self.pairs else {}
        made = []
        for number in range(self.size):
            chance = random.Random(seed_of("names", seed, number))
            indices = chosen(usable, self.most, weights, chance)
            made.append((sentence([_named(things[index], chance) for index in indices], places, chance), indices))
        for index, entry in enumerate(classes.classes):
            if index not in usable:
                yield rejected(f"class-{index:04d}", entry.name, NEVER_NAMED)
        for number, ((text, _), good) in enumerate(zip(made, asked.kept(made), strict=True)):
            identity = f"names-{number:07d}"
            yield Caption(identity, None, text, "names") if good else rejected(identity, text, OTHER)

    def count(self) -> Counted:
        return Counted(self.size)


def _named(thing: Things, chance: random.Random) -> str:
    """A noun phrase: one thing in three of five cases, where both are possible."""
    several = thing.several and (not thing.one or chance.random() < 0.4)
    return chance.choice(thing.several if several else thing.one)


def weights_of(path: str, classes: ClassList) -> dict[int, dict[int, float]]:
    """How often classes occur together, both ways round, by class and other class.

    Raises:
        UserError: no such table, no such column, a class that the list lacks, or a weight that is no number >= 0.
    """
    table = Table(existing(path, "table of pairs"), COLUMNS)
    if missing := [name for name in COLUMNS if column_of(table.columns, (name,), path) is None]:
        raise UserError(f"{path}: no column {missing[0]!r}; it has {', '.join(table.columns)[:200] or 'none'}")
    places = [table.columns.index(name) for name in COLUMNS]
    rows = []
    for row in table:
        if row.problem:
            raise UserError(f"{path}: {row.problem}")
        rows.append((row.line, *(row.cells[place] for place in places)))
    if not rows:
        raise UserError(f"{path}: no rows; expected pairs of classes")
    known = {key(word): index for index, entry in enumerate(classes.classes) for word in entry.synonyms}
    known |= {key(name): index for index, name in enumerate(classes.names)}
    weights: dict[int, dict[int, float]] = {}
    for line, one, other, weight in rows:
        try:
            pair, share = (known[key(one)], known[key(other)]), float(weight)
        except KeyError as error:
            raise UserError(f"{path}: line {line}: no class {error} in {classes.name}") from error
        except ValueError as error:
            raise UserError(f"{path}: line {line}: weight {weight!r}; expected a number >= 0") from error
        if not 0 <= share < float("inf"):
            raise UserError(f"{path}: line {line}: weight {weight!r}; expected a number >= 0")
        for first, second in (pair, pair[::-1]):
            of_first = weights.setdefault(first, {})
            of_first[second] = of_first.get(second, 0.0) + share
    return weights

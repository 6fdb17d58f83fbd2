"""A class list for review: its words, their origin, and how many captions contain them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from t2ipal.classes import ClassList, load_classes, proposed_names

if TYPE_CHECKING:
    import pyarrow as pa

GIVEN, KNOWN, NAME = "given", "known lists", "name only"


@dataclass(frozen=True)
class Words:
    """The words of one class.

    Attributes:
        name: of the class.
        words: that name it, its own name first; plurals are found without being listed.
        unknown: that leave it open.
        blockers: that hold one of its words and mean something else.
        source: "given" in the list itself; "known lists": proposed, from those that come with this project; or
            "name only": nothing was given, and none of those lists has the class.
        captions: that name it; None: not counted.
    """

    name: str
    words: tuple[str, ...]
    unknown: tuple[str, ...]
    blockers: tuple[str, ...]
    source: str
    captions: int | None = None


def class_words(classes: str | Path, captions: Mapping[int, int] | None = None) -> list[Words]:
    """The words of each class of a list.

    Args:
        classes: a shipped list by name, or the path of a .yaml or .txt file.
        captions: that name a class, by its index.

    Raises:
        UserError: no such list, or one that is malformed.
    """
    class_list = load_classes(classes)
    proposed = proposed_names(classes)
    return [
        Words(
            entry.name,
            entry.terms,
            entry.unknown,
            entry.blockers,
            NAME
            if not (entry.synonyms or entry.unknown or entry.blockers)
            else KNOWN
            if entry.name in proposed
            else GIVEN,
            None if captions is None else captions.get(index, 0),
        )
        for index, entry in enumerate(class_list.classes)
    ]


def count_captions(labels: Iterable[Sequence[int]]) -> Counter[int]:
    """Captions by the class that they name, from the `positive` labels of each."""
    return Counter(index for row in labels for index in set(row))


def find_captions(path: str | Path, classes: ClassList) -> tuple[Counter[int], int, int]:
    """(captions by class, captions with a class, captions) of a file of captions.

    Raises:
        UserError: the file is missing or malformed.
    """
    from t2ipal.captions.nouns import NounFilter
    from t2ipal.sources.caption_rows import Caption
    from t2ipal.sources.text import TextCaptions

    rows = TextCaptions(source="text", path=str(path)).rows(seed=0)
    texts = [row.text for row in rows if isinstance(row, Caption)]
    labels = [row.positive for row in NounFilter(classes).label(texts)]
    return count_captions(labels), sum(map(bool, labels)), len(labels)


def lines(rows: Sequence[Words], most: int | None = 8, more: bool = True) -> list[str]:
    """The words as text: a line per class, and below it what leaves the class open or means something else.

    Args:
        rows: the classes.
        most: words of each kind; None: all.
        more: with the lines below.
    """

    def some(words: Sequence[str]) -> str:
        left = f" and {len(words) - most} more" if most is not None and len(words) > most else ""
        return ", ".join(words[:most]) + left

    width = min(24, max((len(row.name) for row in rows), default=0))
    lines = []
    for row in rows:
        count = "" if row.captions is None else f"{row.captions:>7,} captions  "
        head = f"{row.name:<{width}}  {count}"
        lines.append(f"{head}{some(row.words)} [{row.source}]")
        below = [("maybe", row.unknown), ("not", row.blockers)] if more else []
        lines += [f"{'':<{len(head)}}{kind}: {some(words)}" for kind, words in below if words]
    return lines


def warnings(rows: Sequence[Words]) -> list[str]:
    """Warnings: classes that no caption names."""
    never = [row.name for row in rows if row.captions == 0]
    if not never:
        return []
    named = ", ".join(never[:8]) + (f" and {len(never) - 8} more" if len(never) > 8 else "")
    what = "1 class is" if len(never) == 1 else f"{len(never)} classes are"
    return [f"{what} in no caption: {named} (known by name alone; add captions, or synonyms to the class list)"]


def as_yaml(rows: Sequence[Words]) -> str:
    """The words as a class list to save, change and name in the config."""
    import yaml

    def entry(row: Words) -> dict[str, object]:
        words = {"synonyms": row.words[1:], "unknown": row.unknown, "blockers": row.blockers}
        # keys without a word too: a class without them would get those of the known lists
        if not any(words.values()):
            return {"name": row.name}
        return {"name": row.name, **{key: list(value) for key, value in words.items()}}

    return yaml.safe_dump({"classes": [entry(row) for row in rows]}, sort_keys=False, allow_unicode=True, width=110)


def words_table(rows: Sequence[Words]) -> pa.Table:
    """The words as a table."""
    import pyarrow as pa

    strings = pa.list_(pa.string())
    schema = pa.schema(
        [
            ("class", pa.string()),
            ("captions", pa.int64()),
            ("words", strings),
            ("unknown", strings),
            ("blockers", strings),
            ("source", pa.string()),
        ]
    )
    columns = {"class": [row.name for row in rows]}
    columns |= {name: [getattr(row, name) for row in rows] for name in schema.names[1:]}
    return pa.Table.from_pydict(columns, schema)

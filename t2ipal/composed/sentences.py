"""Sentences from class names: counts, places and the order of things, of which the noun filter reads nothing else."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from t2ipal.captions.nouns import NounFilter
from t2ipal.composed.asked import Asked
from t2ipal.names import spoken
from t2ipal.plurals import PLURAL_ONLY, forms, singulars

if TYPE_CHECKING:
    from t2ipal.classes import ClassEntry, ClassList

BEGINNINGS = ("", "", "a photo of ", "a picture of ", "a close view of ")
NUMBERS = ("two", "three", "some", "several")
JOINED = ("{} and {}", "{} with {}", "{} next to {}", "{} in front of {}", "{} behind {}")
PLACES = (
    *("", "", "indoors", "outdoors", "in a room", "in a park", "on a street", "in a field", "near a wall", "at night"),
    *("on a sunny day", "in the city", "in the countryside", "by the water", "in the snow"),
)
UNCOUNTED = frozenset(
    {
        *("coral", "dancing", "food", "frost", "grass", "military", "nighttime", "police", "running", "sand", "snow"),
        *("soccer", "surf", "traffic", "water", "weather", "broccoli", "luggage", "cattle"),
    }
)
"""Words without an article and a plural."""
UNIQUE = frozenset({"moon", "sky", "sun"})
"""Words with "the"."""
SYNONYMS_TRIED = 6
"""Synonyms of a class that are tried after its names."""


@dataclass(frozen=True)
class Things:
    """How a class can be named, by what the noun filter reads: one thing, and several."""

    one: tuple[str, ...] = ()
    several: tuple[str, ...] = ()


def things_of(classes: ClassList, asked: Asked) -> list[Things]:
    """How each class of a list can be named, by its first word that the filter reads; in no way, if it reads none."""
    words = [words_of(entry) for entry in classes.classes]
    things = [Things() for _ in words]
    for place in range(max(map(len, words))):
        left = [index for index, known in enumerate(words) if things[index] == Things() and place < len(known)]
        tried = [(index, number, text) for index in left for number, text in _phrases(words[index][place])]
        kept = asked.kept((f"a photo of {text}.", (index,)) for index, _, text in tried)
        for (index, number, text), good in zip(tried, kept, strict=True):
            if good:
                things[index] = replace(things[index], **{number: (*getattr(things[index], number), text)})
    return things


def words_of(entry: ClassEntry) -> list[str]:
    """The words of a class that are tried: its names, then some synonyms."""
    names = (*(name for _, name in entry.names), spoken(entry.name))
    return list(dict.fromkeys((*names, *entry.synonyms[:SYNONYMS_TRIED])))


def _phrases(word: str) -> list[tuple[str, str]]:
    """(one or several, noun phrase) of a word."""
    head, last = word.rpartition(" ")[::2]
    before = f"{head} " if head else ""
    if last in UNCOUNTED or last in UNIQUE:
        return [("one", f"the {word}" if last in UNIQUE else word)]
    if singulars(word) or last in PLURAL_ONLY:
        several = [("several", f"{number} {word}") for number in NUMBERS if last not in PLURAL_ONLY]
        return [("one", word), *several]
    one = ("one", f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}")
    return [one, *(("several", f"{number} {before}{(*forms(last), last)[1]}") for number in NUMBERS)]


def places_of(noun_filter: NounFilter) -> tuple[str, ...]:
    """The places in which the filter reads no class."""
    labels = noun_filter.label(f"it is {place}." for place in PLACES)
    return tuple(place for place, found in zip(PLACES, labels, strict=True) if not (found.positive or found.unknown))


def sentence(things: Sequence[str], places: Sequence[str], chance: random.Random) -> str:
    """A sentence with one to four things, as "Two dogs next to a bus and a boat in a park."."""
    phrase = things[-1]
    if len(things) == 2:
        phrase = chance.choice(JOINED).format(*things)
    if len(things) > 2:
        phrase = f"{', '.join(things[:-1])} and {phrase}"
    text = f"{chance.choice(BEGINNINGS)}{phrase} {chance.choice(places)}".strip()
    return f"{text[0].upper()}{text[1:]}."


def chosen(
    usable: Sequence[int], most: int, weights: Mapping[int, Mapping[int, float]], chance: random.Random
) -> tuple[int, ...]:
    """One to `most` different classes: the first and the number evenly, others by their weights with the first.

    Args:
        usable: classes that can be named.
        weights: by first and other class; without weights of a class, all others are as likely.
    """
    first = chance.choice(usable)
    picked = [first]
    for _ in range(chance.randint(1, min(most, len(usable))) - 1):
        left = [index for index in usable if index not in picked]
        shares = [weights.get(first, {}).get(index, 0.0 if first in weights else 1.0) for index in left]
        if not any(shares):
            break
        picked.append(chance.choices(left, shares)[0])
    return tuple(picked)

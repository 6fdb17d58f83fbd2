"""Finding many phrases in a sequence of words at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from t2ipal.plurals import forms


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase, in words.

    Attributes:
        text: as the class list has it.
        head: its words but the last.
        last: the forms that its last word takes.
    """

    text: str
    head: tuple[str, ...]
    last: frozenset[str]

    @classmethod
    def of(cls, text: str, words: Sequence[str]) -> Phrase:
        """The phrase whose `words` are `text`, singular or plural."""
        return cls(text, tuple(words[:-1]), frozenset(forms(words[-1])))

    def __len__(self) -> int:
        return len(self.head) + 1


@dataclass(frozen=True, slots=True)
class Match:
    """A phrase found at words [start, end); `literal` if its last word is spelled as in the phrase."""

    phrase: Phrase
    start: int
    end: int
    literal: bool = False


class PhraseIndex:
    """Phrases by their first word."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self._by_first: defaultdict[str, list[Phrase]] = defaultdict(list)
        for phrase in dict.fromkeys(phrases):
            for first in sorted(phrase.last) if not phrase.head else phrase.head[:1]:
                self._by_first[first].append(phrase)

    def starts(self, word: str) -> bool:
        """Whether a phrase starts with this word."""
        return word in self._by_first

    def find(self, words: Sequence[tuple[str, ...]]) -> Iterator[Match]:
        """Yield every match, overlapping ones too, by start.

        Args:
            words: per word, the spellings it may be found under (as written, lemma).
        """
        count = len(words)
        firsts = self._by_first.keys()
        for start, spellings in enumerate(words):
            if firsts.isdisjoint(spellings):
                continue
            seen: set[int] = set()  # a phrase may be met under both spellings; ids, as hashing one takes long
            for spelling in spellings:
                for phrase in self._by_first.get(spelling, ()):
                    end = start + len(phrase)
                    if id(phrase) in seen or end > count:
                        continue
                    inner = all(
                        word in words[at] for at, word in enumerate(phrase.head[1:], start + 1)
                    ) and not phrase.last.isdisjoint(words[end - 1])
                    if inner:
                        seen.add(id(phrase))
                        yield Match(phrase, start, end, phrase.text.endswith(words[end - 1][0]))


def longest(matches: Iterable[Match]) -> list[Match]:
    """Matches that no better one overlaps, by start.

    Better is longer, then further left, then literal.
    """
    taken: set[int] = set()
    kept = []
    for match in sorted(matches, key=lambda m: (m.start - m.end, m.start, not m.literal, m.phrase.text)):
        span = range(match.start, match.end)
        if taken.isdisjoint(span):
            taken.update(span)
            kept.append(match)
    return sorted(kept, key=lambda m: m.start)

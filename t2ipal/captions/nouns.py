"""The noun filter: which classes a caption names, which it leaves open, and in which words.

spaCy gives words, parts of speech and lemmas; the class list gives phrases. Of overlapping phrases the longest counts
(compounds before singles). A phrase names its class if its last word is a noun that heads its chunk: "an orange shirt"
names no orange. What is depicted, imitated or denied ("a statue of a horse", "a toy car", "no dogs") is unknown, as are
the phrases that the list calls so: a label that neither rewards nor punishes.

The paper (section 3.1) states only that nouns of captions are matched with classes; TaI-DPT's rule is `tai_dpt.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import tee
from typing import TYPE_CHECKING

from t2ipal import names as spelling
from t2ipal.captions import english
from t2ipal.captions.grammar import (
    NOUNS,
    PREMODIFIER,
    determiner,
    is_noun,
    is_verb_form,
    lives,
    modifies,
    phrase_start,
    pos_at,
    text_at,
)
from t2ipal.captions.labels import NOTHING, Labelled, Span, Verdict
from t2ipal.captions.phrases import Match, Phrase, PhraseIndex, longest
from t2ipal.captions.scopes import Reason, not_there
from t2ipal.captions.senses import Senses
from t2ipal.captions.tagger import Tagger, Word

if TYPE_CHECKING:
    from t2ipal.classes import ClassList


class NounFilter:
    """Labels captions with the classes of one list. Deterministic; memory does not grow with the captions.

    Args:
        words: how many words of a caption are looked at, from its start; None: all.
    """

    def __init__(self, classes: ClassList, words: int | None = None) -> None:
        self.classes = classes
        self._tagger = Tagger(words)
        self._people = {index for index, entry in enumerate(classes.classes) if "people" in entry.terms}
        self._names_of = [spelling.spoken(entry.name).lower() for entry in classes.classes]
        self._positive: defaultdict[Phrase, list[int]] = defaultdict(list)
        self._unknown: defaultdict[Phrase, list[int]] = defaultdict(list)
        self._blocks: defaultdict[Phrase, set[int]] = defaultdict(set)
        for index, entry in enumerate(classes.classes):
            for texts, owners in ((entry.terms, self._positive), (entry.unknown, self._unknown)):
                for text in texts:
                    owners[self._phrase(text)].append(index)
            for text in entry.blockers:
                self._blocks[self._phrase(text)].add(index)
        self._terms = PhraseIndex([*self._positive, *self._unknown])
        self._blockers = PhraseIndex(self._blocks)

    def label(self, texts: Iterable[str]) -> Iterator[Labelled]:
        """Yield the labels of each text, in order."""
        tagged, written = tee(texts)
        # a text without a word that starts a phrase names nothing: tagging it would be in vain
        for words, text in zip(self._tagger.tag(tagged, self._terms.starts), written, strict=True):
            yield self.label_words(words, text) if words else NOTHING

    def label_words(self, words: list[Word], text: str = "") -> Labelled:
        """Labels of a caption whose words are tagged.

        Args:
            text: the caption; without it, hyphens are not seen.
        """
        spellings = [_spellings(words, at) for at in range(len(words))]
        matches = longest(match for match in self._terms.find(spellings) if self._names(match, words))
        if not matches:
            return NOTHING
        # blockers are met as written: "a bus stopping" is no bus stop
        written = [_written(words, at) for at in range(len(words))]
        blocked = [
            (block, self._blocks[block.phrase])
            for block in self._blockers.find(written)
            if len(block.phrase) == 1 or not is_verb_form(words, block.start, block.end - 1)
        ]
        senses, unreal = Senses(words, text), not_there(words)
        others = {at: match for match in matches for at in range(match.start, match.end)}
        spans: list[Span] = []
        doubted: dict[int, bool] = {}  # by class: whether its last thing was none
        for match in matches:
            reason = _reason(match, words, unreal)
            if reason == "quoted":
                continue
            start, end = words[match.start].start, words[match.end - 1].end
            term = match.phrase.text
            positive = self._positive.get(match.phrase, ())
            for index in (*positive, *self._unknown.get(match.phrase, ())):
                blocks = [block for block, owners in blocked if index in owners and covers(block, match)]
                if blocks:
                    # "a wood stove", and later "the stove"
                    doubted[index] = any(block.end == match.end and len(block.phrase) > 1 for block in blocks)
                    continue
                sense = senses.of(match, own_name=term == self._names_of[index], person_class=index in self._people)
                if sense == "absent":
                    continue
                verdict: Verdict = "positive" if index in positive or senses.supported(match) else "unknown"
                same = doubted.get(index, False) and determiner(words, match.start) in english.DEFINITE
                if (
                    reason
                    or sense
                    or same  # "the horse" of a statue
                    or modifies(words, match.start, match.end)
                    or self._alternative(match, index, words, others)
                ):
                    verdict = "unknown"
                doubted[index] = bool(reason or sense) or (doubted.get(index, False) and verdict != "positive")
                spans.append(Span(index, term, start, end, verdict))
        return Labelled.of(spans) if spans else NOTHING

    def _phrase(self, text: str) -> Phrase:
        return Phrase.of(text, self._tagger.split(text))

    def _names(self, match: Match, words: list[Word]) -> bool:
        """Whether a match can name something: a single word must be a noun, an activity ("skiing") or a hint."""
        if len(match.phrase) > 1 or is_noun(words, match.start):
            return True
        word = words[match.start].text
        return word in match.phrase.last and (match.phrase in self._unknown or word.endswith("ing"))

    def _alternative(self, match: Match, index: int, words: list[Word], others: dict[int, Match]) -> bool:
        """Whether "or" leaves open if the class is there: "a tree or a cone", not "a man or a woman"."""
        before = phrase_start(words, match.start) - 1
        after = match.end
        if text_at(words, before) == "or" and pos_at(words, before - 1) in NOUNS:
            near = range(max(before - 4, 0), before)
        elif text_at(words, after) == "or" and pos_at(words, after + 1) in ("DET", "ADJ", "NOUN", "PROPN"):
            near = range(after + 1, min(after + 5, len(words)))
        else:
            return False
        return not any(index in self._positive.get(others[at].phrase, ()) for at in near if at in others)


def _spellings(words: Sequence[Word], at: int) -> tuple[str, ...]:
    """What word `at` may be found under: as written, and its lemma; "a table topped with" is no table top."""
    word = words[at]
    participle = word.pos == "VERB" and word.text.endswith("ed") and pos_at(words, at - 1) in NOUNS
    return (word.text,) if participle or word.text == word.lemma else (word.text, word.lemma)


def _written(words: Sequence[Word], at: int) -> tuple[str, ...]:
    """The spellings of a blocker: "bunches of bananas" as "bunch of", but not "umbrellas stand" as "umbrella stand"."""
    word = words[at]
    text = word.text.replace("\u2019", "'")
    return (text, word.lemma) if text != word.lemma and text_at(words, at + 1) == "of" else (text,)


def _reason(match: Match, words: Sequence[Word], unreal: dict[int, Reason]) -> Reason | None:
    """Why a match names nothing that is there, if so."""
    for at in range(match.start, match.end):
        if at in unreal:
            return unreal[at]
    if imitated(words, match.start, match.end):
        return "depicted"
    depicted = modifies(words, match.start, match.end) and words[match.end].lemma in english.DEPICTIONS
    return "depicted" if depicted else None


def covers(block: Match, match: Match) -> bool:
    """Whether a blocker explains a match away: it overlaps it and is at least as long."""
    return block.start < match.end and match.start < block.end and block.end - block.start >= match.end - match.start


def imitated(words: Sequence[Word], start: int, end: int) -> bool:
    """Whether the noun phrase around word `start` speaks of a toy or another imitation: "a toy car, truck and bus"."""
    if any(word.text in english.TOYS for word in words[start:end]):
        return False  # a toy is meant: "a plush teddy bear"
    alive = end - start == 1 and (lives(words[start]) or words[start].lemma in english.NATURAL)
    kinds = english.IMITATIONS | english.IMITATED_LIVES if alive else english.IMITATIONS
    at = start - 1
    while at >= 0:
        word = words[at]
        if word.lemma in kinds or word.text in kinds:
            return True
        # the members of a list share what is said of the first, unless they have articles of their own
        listed = word.text in (",", "and", "or") and pos_at(words, at + 1) not in ("DET", "NUM")
        if word.pos not in PREMODIFIER and not (listed and pos_at(words, at - 1) in NOUNS):
            return False
        if word.pos == "VERB" and not word.text.endswith(("ed", "en")):
            return False
        at -= 1
    return False

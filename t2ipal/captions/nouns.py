"""The noun filter: which classes a caption names, which it leaves open, and in which words.

spaCy gives words, parts of speech and lemmas; the class list gives phrases. Of overlapping phrases the longest counts
(compounds before singles). A phrase names its class if its last word is a noun that heads its chunk: "an orange shirt"
names no orange. What is depicted, imitated or denied ("a statue of a horse", "a toy car", "no dogs") is unknown, as are
the phrases that the list calls so: a label that neither rewards nor punishes.

The paper (section 3.1) states only that nouns of captions are matched with classes; TaI-DPT's rule is `tai_dpt.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from t2ipal.captions import english
from t2ipal.captions.labels import NOTHING, Labelled, Span, Verdict
from t2ipal.captions.phrases import Match, Phrase, PhraseIndex, longest
from t2ipal.captions.tagger import Tagger, Word

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

NOUNS = frozenset({"NOUN", "PROPN"})
NAMING = NOUNS | {"PRON"}  # "someone"
# words allowed between a trigger ("no", "statue of") and the noun it holds for
CHUNK = frozenset({"DET", "ADJ", "NUM", "NOUN", "PROPN", "PRON", "PART", "ADV"})
# what a denial, a depiction or a likeness begins with
TRIGGERS = (
    english.NEGATIONS
    | english.ABSENCES
    | english.DEPICTIONS
    | english.PICTURES
    | {first for first, _ in english.LIKENESS}
)
PREMODIFIER = frozenset({"ADJ", "NOUN", "PROPN", "NUM", "VERB"})


class NounFilter:
    """Labels captions with the classes of one list. Deterministic; memory does not grow with the captions.

    Args:
        words: how many words of a caption are looked at, from its start; None: all.
    """

    def __init__(self, classes: ClassList, words: int | None = None) -> None:
        self.classes = classes
        self._tagger = Tagger(words)
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
        # a text without a word that starts a phrase names nothing: tagging it would be in vain
        for words in self._tagger.tag(texts, self._terms.starts):
            yield self.label_words(words) if words else NOTHING

    def label_words(self, words: list[Word]) -> Labelled:
        """Labels of a caption whose words are tagged."""
        spellings = [(word.text,) if word.text == word.lemma else (word.text, word.lemma) for word in words]
        matches = longest(match for match in self._terms.find(spellings) if self._names(match, words))
        if not matches:
            return NOTHING
        # blockers are met as written: "a bus stopping" is no bus stop
        blocked = [
            (block, self._blocks[block.phrase]) for block in self._blockers.find([(word.text,) for word in words])
        ]
        unreal = not_there(words)
        spans = []
        for match in matches:
            verdict = verdict_of(match, words, unreal)
            start, end = words[match.start].start, words[match.end - 1].end
            term = match.phrase.text
            positive = self._positive.get(match.phrase, ())
            for index in (*positive, *self._unknown.get(match.phrase, ())):
                if any(index in owners and covers(block, match) for block, owners in blocked):
                    continue
                spans.append(Span(index, term, start, end, verdict if index in positive else "unknown"))
        return Labelled.of(spans) if spans else NOTHING

    def _phrase(self, text: str) -> Phrase:
        return Phrase.of(text, self._tagger.split(text))

    def _names(self, match: Match, words: list[Word]) -> bool:
        """Whether a match can name something: a single word must be a noun, an activity ("skiing") or a hint."""
        if len(match.phrase) > 1 or is_noun(words, match.start):
            return True
        word = words[match.start].text
        return word in match.phrase.last and (match.phrase in self._unknown or word.endswith("ing"))


def verdict_of(match: Match, words: list[Word], unreal: set[int]) -> Verdict:
    """The verdict of a match on the classes that its phrase names."""
    if not unreal.isdisjoint(range(match.start, match.end)) or imitated(words, match.start):
        return "unknown"
    return "unknown" if modifies(words, match.end) else "positive"


def is_noun(words: list[Word], at: int) -> bool:
    """Whether word `at` is a noun: tagged as one, or where only a noun fits (taggers err on captions)."""
    word = words[at]
    if word.pos in NAMING:
        return True
    after = words[at + 1].pos if at + 1 < len(words) else ""
    if word.text.endswith(("ing", "ed")):
        return False
    if word.text in english.ADJECTIVES and word.pos == "ADJ" and after in ("NOUN", "PROPN", "ADJ", "CCONJ"):
        return False
    if at == 0:
        return not (word.pos == "VERB" and after in ("DET", "NOUN", "PRON"))
    before = words[at - 1]
    if before.pos == "CCONJ" and at > 1:
        return words[at - 2].pos in NOUNS
    return before.pos in ("DET", "NUM", "ADJ") or before.text in english.POSSESSIVES


def covers(block: Match, match: Match) -> bool:
    """Whether a blocker explains a match away: it overlaps it and is at least as long."""
    return block.start < match.end and match.start < block.end and block.end - block.start >= match.end - match.start


def modifies(words: list[Word], end: int) -> bool:
    """Whether the phrase that ends before word `end` modifies a further noun, so that it is not what is meant."""
    if end >= len(words) or words[end].pos not in NOUNS:
        return False
    word = words[end]
    # "a giraffe grazing", "a horse grazes": verbs that taggers take for nouns
    if word.text.endswith("ing") or word.lemma in english.TRANSPARENT_HEADS or word.text in english.NO_HEADS:
        return False
    return words[end - 1].end + 1 >= word.start


def imitated(words: list[Word], start: int) -> bool:
    """Whether the noun phrase around word `start` speaks of a toy or another imitation."""
    for at in range(start - 1, -1, -1):
        if words[at].lemma in english.IMITATIONS:
            return True
        if words[at].pos not in PREMODIFIER:
            return False
    return False


def not_there(words: list[Word]) -> set[int]:
    """Words that a denial, a depiction or a likeness holds for."""
    held: set[int] = set()
    for at, word in enumerate(words):
        if word.text not in TRIGGERS and word.lemma not in TRIGGERS:
            continue
        after = words[at + 1].text if at + 1 < len(words) else ""
        if word.text in english.NEGATIONS or (word.lemma in english.ABSENCES and after in ("of", "from")):
            held |= _chunk(words, at + 1 + (after in ("of", "from")), coordinated=True)
        elif _depicts(words, at) or not english.LIKENESS.isdisjoint({(word.lemma, after), (word.text, after)}):
            held |= _chunk(words, at + 2, coordinated=False)
    return held


def _depicts(words: list[Word], at: int) -> bool:
    """Whether word `at` begins "a statue of"; the caption's own picture ("a photo of") is none."""
    word = words[at]
    if word.pos not in NOUNS or at + 1 == len(words) or words[at + 1].text != "of":
        return False
    if word.lemma in english.DEPICTIONS:
        return True
    return word.lemma in english.PICTURES and any(
        before.pos in NOUNS and before.lemma not in english.PICTURES for before in words[:at]
    )


def _chunk(words: list[Word], start: int, *, coordinated: bool) -> set[int]:
    """Indices of the noun chunk from `start`, and of those joined to it by "and", "or" or a comma."""
    held: set[int] = set()
    for at in range(start, len(words)):
        word = words[at]
        joins = coordinated and (word.pos == "CCONJ" or word.text == ",")
        if word.pos not in CHUNK and not joins:
            break
        held.add(at)
    return held

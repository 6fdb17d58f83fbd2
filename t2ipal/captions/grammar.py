"""Noun phrases and sentences of a tagged caption, by rules on words and parts of speech: there is no parser."""

from __future__ import annotations

from collections.abc import Sequence

from t2ipal.captions import english
from t2ipal.captions.tagger import Word
from t2ipal.plurals import PLURAL_ONLY

NOUNS = frozenset({"NOUN", "PROPN"})
NAMING = NOUNS | {"PRON"}  # "someone"
# words allowed between a trigger ("no", "statue of") and the noun it holds for
CHUNK = frozenset({"DET", "ADJ", "NUM", "NOUN", "PROPN", "PRON", "PART", "ADV"})
PREMODIFIER = frozenset({"ADJ", "NOUN", "PROPN", "NUM", "VERB"})
LONG = 40
"""Words of a narrative; captions are shorter."""
ENDS = frozenset({".", "!", "?"})


def text_at(words: Sequence[Word], at: int) -> str:
    """Word `at` as written, lower case; "" outside the caption."""
    return words[at].text if 0 <= at < len(words) else ""


def pos_at(words: Sequence[Word], at: int) -> str:
    """Part of speech of word `at`; "" outside the caption."""
    return words[at].pos if 0 <= at < len(words) else ""


def lives(word: Word) -> bool:
    """Whether a word names a person or an animal."""
    return word.text in english.HUMANS or word.lemma in english.KIN or word.lemma in english.ANIMALS


def is_plural(word: Word) -> bool:
    """Whether a noun is written as a plural; scissors are none."""
    return word.text != word.lemma and word.text not in PLURAL_ONLY and not word.text.endswith(("ing", "ed"))


def is_noun(words: Sequence[Word], at: int) -> bool:
    """Whether word `at` is a noun: tagged as one, or where only a noun fits (taggers err on captions)."""
    word, after = words[at], pos_at(words, at + 1)
    if _takes_object(words, at) or (word.lemma in english.VERBS and _is_verb(words, at)):
        return False
    if word.pos in NAMING:
        return True
    if word.text.endswith(("ing", "ed")):
        return False
    if word.text in english.ADJECTIVES and word.pos == "ADJ" and after in ("NOUN", "PROPN", "ADJ", "CCONJ"):
        return False
    if at == 0:
        return not (word.pos == "VERB" and after in ("DET", "NOUN", "PRON"))
    before = words[at - 1]
    if before.pos == "CCONJ" and at > 1:
        return words[at - 2].pos in NOUNS
    if before.pos in ("DET", "NUM", "ADJ") or before.text in english.POSSESSIVES:
        return True
    return (before.text in english.COLOURS and after not in NOUNS) or _counted(words, at)


def _takes_object(words: Sequence[Word], at: int) -> bool:
    """Whether a word tagged as a noun is a verb: "the man on the right sports a hat"."""
    return (
        is_plural(words[at])
        and words[at].text.endswith("s")
        and text_at(words, at + 1) in ("a", "an", "his", "her", "its", "their")
        and (pos_at(words, at - 1) in ("NOUN", "PROPN", "PRON") or text_at(words, at - 1) in ("left", "right"))
    )


def _is_verb(words: Sequence[Word], at: int) -> bool:
    """Whether a word that is a verb too is one by its neighbours: "some bear fruit", "shelves that house books"."""
    before, after = text_at(words, at - 1), pos_at(words, at + 1)
    objects = after in ("DET", "ADJ", "NUM", "PRON", "NOUN", "PROPN")
    if is_plural(words[at]) and words[at].text.endswith("s"):
        subject = pos_at(words, at - 1) in NOUNS and not is_plural(words[at - 1])
        return objects and (before in ("which", "that", "who", "it", "also") or (subject and after == "DET"))
    if before == "to" and pos_at(words, at - 1) == "PART":
        return True
    if before in english.AUXILIARIES:
        return True
    if not objects:
        return False
    if before in ("that", "which", "who", "they", "also") and after != "VERB":
        return before != "that" or (pos_at(words, at - 2) in NOUNS and is_plural(words[at - 2]))
    several = before in ("some", "many", "several", "others", "most", "both", "all")
    plural = pos_at(words, at - 1) in NOUNS and is_plural(words[at - 1])
    return several or (plural and after in ("DET", "ADJ", "NUM", "NOUN"))


def _counted(words: Sequence[Word], at: int) -> bool:
    """Whether a plural is what a number before it counts: "two unripe oranges growing"."""
    if not words[at].text.endswith("s") or pos_at(words, at + 1) in ("DET", "PRON"):
        return False
    for before in reversed(words[max(at - 3, 0) : at]):
        if before.text in english.SEVERAL:
            return True
        if before.pos not in PREMODIFIER or is_plural(before):
            return False
    return False


def is_verb_form(words: Sequence[Word], start: int, at: int) -> bool:
    """Whether word `at` is the verb of the noun phrase that begins near `start`: "a city bus stops"."""
    word = words[at]
    if not word.text.endswith("s") or word.text == word.lemma:
        return False
    if word.pos == "VERB":
        return True
    if word.text in english.NO_HEADS and pos_at(words, at + 1) in ("ADP", "ADV"):
        return True
    first = phrase_start(words, start)
    counted = text_at(words, first + 1) in ("few", "couple", "dozen", "lot", "pair", "number")
    return words[first].text in english.SINGULAR and not counted and pos_at(words, at + 1) not in NOUNS


def modifies(words: Sequence[Word], start: int, end: int) -> bool:
    """Whether the phrase [start, end) modifies a further noun, so that it is not what is meant: "train station"."""
    if end < len(words) and words[end].text.endswith("ing") and words[end].pos == "VERB":
        return pos_at(words, end + 1) in NOUNS and words[end + 1].lemma == "sign"
    if pos_at(words, end) not in NOUNS or (is_plural(words[end - 1]) and words[end - 1].pos in NOUNS):
        return False
    word = words[end]
    # "a giraffe grazing", "a horse grazes": verbs that taggers take for nouns
    if word.text.endswith("ing") and word.lemma not in english.ING_NOUNS:
        return pos_at(words, end + 1) in NOUNS and words[end + 1].lemma in english.MARKERS
    if word.lemma in english.TRANSPARENT_HEADS or word.text in english.NO_HEADS or is_verb_form(words, start, end):
        return False
    if lives(words[end - 1]) and word.lemma in english.DOINGS and pos_at(words, end + 1) in ("ADP", "ADV"):
        return False
    return words[end - 1].end + 1 >= word.start


def phrase_start(words: Sequence[Word], at: int) -> int:
    """First word of the noun phrase whose noun is word `at`."""
    start = at
    while start > 0:
        before = words[start - 1]
        if before.pos == "DET" or before.text in english.POSSESSIVES or before.pos == "NUM":
            start -= 1
            if pos_at(words, start - 1) not in ("DET", "NUM"):
                break
        elif before.pos in ("ADJ", "NOUN", "PROPN") or (
            before.pos == "VERB" and before.text.endswith(("ed", "ing", "en")) and pos_at(words, start - 2) == "DET"
        ):
            start -= 1
        else:
            break
    return start


def determiner(words: Sequence[Word], at: int) -> str:
    """Article, number or possessive of the noun phrase whose noun is word `at`; "" if it has none."""
    first = words[phrase_start(words, at)]
    return first.text if first.pos in ("DET", "NUM") or first.text in english.POSSESSIVES else ""


def head_after(words: Sequence[Word], at: int) -> int:
    """The noun that heads the noun phrase from word `at` on; -1 if there is none."""
    head = -1
    for place in range(at, min(at + 7, len(words))):
        pos = words[place].pos
        if pos in NOUNS or words[place].text in english.HUMANS:
            head = place
        elif head >= 0 or pos not in ("DET", "ADJ", "NUM", "ADV", "PRON", "VERB"):
            break
    return head


def chunk(words: Sequence[Word], start: int, *, coordinated: bool) -> set[int]:
    """Indices of the noun chunk from `start`, and of those joined to it by "and", "or" or a comma."""
    held: set[int] = set()
    for at in range(start, len(words)):
        word = words[at]
        joins = coordinated and (word.pos == "CCONJ" or word.text == ",")
        participle = word.pos == "VERB" and word.text.endswith(("ed", "en"))
        if word.pos not in CHUNK and not joins and not (participle and pos_at(words, at + 1) in ("ADJ", "NOUN")):
            break
        held.add(at)
    return held


def sentence(words: Sequence[Word], at: int) -> tuple[int, int]:
    """First word of the sentence of word `at`, and the one after its last."""
    start, end = at, at
    while start > 0 and words[start - 1].text not in ENDS:
        start -= 1
    while end < len(words) and words[end].text not in ENDS:
        end += 1
    return start, end

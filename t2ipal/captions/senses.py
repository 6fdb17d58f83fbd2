"""What a word of a class list means in its sentence: kin of animals, parts of things, colours, figures of speech.

Each rule answers "absent" (another thing is meant), "unknown", or None (the rule has nothing to say).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

from t2ipal.captions import english
from t2ipal.captions.grammar import (
    LONG,
    NOUNS,
    determiner,
    head_after,
    is_plural,
    lives,
    phrase_start,
    pos_at,
    sentence,
    text_at,
)
from t2ipal.captions.phrases import Match
from t2ipal.captions.tagger import Word

Sense = Literal["absent", "unknown"] | None

# words before a part of the body that taggers take for nouns
SIDES = frozenset(
    ["left", "right", "upper", "lower", "bare", "open", "other", "human", "back", "front", "top", "single"]
)


class Senses:
    """The meanings of the words of one caption.

    Args:
        text: the caption, for its hyphens.
    """

    def __init__(self, words: Sequence[Word], text: str) -> None:
        self._words = words
        self._text = text

    def of(self, match: Match, *, own_name: bool, person_class: bool = False) -> Sense:
        """What a match does not mean.

        Args:
            own_name: the phrase is the name of its class: "hand" is a part of a person only in the class person.
            person_class: it is the class of people, who are there whatever their gear is.
        """
        words, at, end = self._words, match.start, match.end
        if found := self._compound(at, end) or self._figure(end):
            return found
        term = match.phrase.text
        if len(match.phrase) > 1:
            last = term.rpartition(" ")[2]
            if last in english.VIRTUAL:
                return self._virtual(at)
            return self._other_sense(at, last if last == "table" else term)
        if term == "ball" and len(words) >= LONG and english.GAMES.isdisjoint(word.text for word in words):
            return "unknown"
        if term in english.COLOUR_THINGS and self._colour(at):
            return "absent"
        if term == "ball" and text_at(words, at - 2) == "into" and text_at(words, at - 1) == "a":
            return "absent"  # "curled up into a ball"
        if term == "ball" and is_plural(words[at]) and not self._near(at) & english.GAMES:
            return "unknown"  # of yarn, ornaments, food
        if words[end - 1].lemma in english.ENCLOSED and self._inside(at):
            return "unknown"
        if term == "car":
            return self._railway_car(at)
        if term == "stone" and not is_plural(words[at]) and not determiner(words, at):
            return "unknown"  # the material
        if term == "window" and (owner := _owner(words, at)) and owner.lemma in english.VEHICLES:
            return "unknown"
        if at + 1 == end and self._words[at].text.endswith("ing"):
            return self._activity(at) or (None if person_class else self._other_sense(at, term))
        if term in english.VIRTUAL and (found := self._virtual(at)):
            return found
        if term == "sun" and len(words) < LONG:
            return None  # short captions name what is seen
        if own_name and term not in english.EVEN_NAMES:
            return None
        person = words[at].text in english.HUMANS or term in english.KIN
        if person and pos_at(words, end) in NOUNS and words[end].lemma in english.VEHICLES:
            return "absent"  # "a passenger jet"
        if person and len(words) >= LONG and self._capital(at):
            return "unknown"  # "the Old Man of the Mountain"
        if person and self._owns(end):
            return "unknown"
        if words[at].text in english.ROOM_OWNERS and words[end:] and words[end].pos == "PART":
            owned = head_after(words, end + 1)
            return None if owned >= 0 and words[owned].lemma in english.PARTS else "unknown"
        if term in english.BEHOLDERS and text_at(words, phrase_start(words, at) - 1) in english.TOWARDS:
            return "unknown"
        if term in english.KIN:
            return self._kin(at, end)
        if term in english.PARTS and (found := self._part(at, end)):
            return found
        return None if person_class and term in english.GEAR else self._other_sense(at, term)

    def supported(self, match: Match) -> bool:
        """Whether the sentence makes certain what a phrase leaves open: people eat at dining tables."""
        words, term = self._words, match.phrase.text
        if term not in english.SUPPORTS or text_at(words, match.end) == "topped":
            return False
        if text_at(words, phrase_start(words, match.start) - 1) in english.SUPPORTS_BEFORE[term]:
            return self._other_sense(match.start, term) is None
        start, end = sentence(words, match.start)
        return any(word.text in english.SUPPORTS[term] for word in words[start:end])

    @cached_property
    def _humans(self) -> list[int]:
        """People who are called so by a word that animals are not."""
        return [
            at for at, word in enumerate(self._words) if word.text in english.HUMANS and word.lemma not in english.KIN
        ]

    @cached_property
    def _animals(self) -> list[int]:
        return [at for at, word in enumerate(self._words) if word.lemma in english.ANIMALS and word.pos in NOUNS]

    def _hyphen(self, end: int) -> bool:
        """Whether the word before `end` and the next are one with a hyphen."""
        last = self._words[end - 1].end
        return self._text[last : last + 1] in ("-", "\u2010", "\u2013") and self._words[end].start == last + 1

    def _capital(self, at: int) -> bool:
        """Whether a word inside a sentence has a capital: it is part of a name."""
        start, _ = sentence(self._words, at)
        return at > start and self._text[self._words[at].start : self._words[at].end].istitle()

    def _compound(self, at: int, end: int) -> Sense:
        """ "bird-shaped", "car-free", "non-human": compounds that name what is not there."""
        words = self._words
        suffix = text_at(words, end)
        if suffix in english.SHAPED and pos_at(words, end + 1) in ("NOUN", "ADJ"):
            return "absent"
        if suffix in english.LIKE_SUFFIXES and self._hyphen(end):
            return "absent"
        if at > 0 and words[at - 1].text in english.UNLIKE_PREFIXES and self._hyphen(at):
            return "absent"
        return None

    def _figure(self, end: int) -> Sense:
        """ "a bed of pebbles", "signs of wear", "a sea of leaves"."""
        words = self._words
        thing = words[end - 1].lemma
        if thing not in english.FIGURES or text_at(words, end) != "of":
            return None
        content = words[end + 1 : end + 2]
        if content and (content[0].text in english.DEFINITE or content[0].pos == "PROPN"):
            return None
        head = head_after(words, end + 1)
        real = head >= 0 and words[head].lemma in english.REAL_CONTENTS
        return None if real and thing not in english.NEVER_OF else "absent"

    def _colour(self, at: int) -> bool:
        """Whether the name of a thing is that of a colour here: "an orange, white and blue bus"."""
        words = self._words
        word, before, after = words[at], text_at(words, at - 1), text_at(words, at + 1)
        if is_plural(word):
            return False
        joins = (",", "and", "or", "&")
        if after in english.COLOURS or (after in joins and _colour_near(words, at + 1, 1)):
            return True
        if before in english.COLOURS or (before in joins and _colour_near(words, at - 1, -1)):
            return True
        if before in english.SHADES or before.removesuffix("er") in english.SHADES:
            return True
        if _premodifies(words, at):
            return True
        if word.text == "orange" and before == "the" and after == "of":
            return True
        if word.text != "orange" or at == 0 or determiner(words, at):
            return False
        # one fruit has an article, unless it is in a list or the object of a verb
        listed = before in joins or after in joins
        eaten = pos_at(words, at - 1) == "VERB" and words[at - 1].lemma not in english.COLOURING
        measured = (
            before == "of"
            and pos_at(words, at - 2) in NOUNS
            and words[at - 2].text.removesuffix("s") not in english.SHADES
        )
        return not (listed or eaten or measured)

    def _railway_car(self, at: int) -> Sense:
        """ "a train with several cars", "a passenger railway car"."""
        words = self._words
        if text_at(words, at - 1) in english.TRAINS:
            return "unknown"
        first = phrase_start(words, at)
        coupled = is_plural(words[at]) and text_at(words, first - 1) in english.COUPLINGS
        coupled = coupled or words[first].text == "its"
        start, _ = sentence(words, at)
        return "unknown" if coupled and any(word.lemma in english.TRAINS for word in words[start:first]) else None

    def _inside(self, at: int) -> bool:
        """Whether a vehicle is seen from within: "inside a bus", "passengers on a plane", "sitting in a car"."""
        words = self._words
        before = phrase_start(words, at) - 1
        where = text_at(words, before)
        if where in ("aboard", "inside"):
            return True
        if where == "of":
            return text_at(words, before - 1) in ("inside", "interior") and words[before + 1].text != "the"
        return (
            where in ("on", "in") and before > 0 and words[before - 1].lemma in english.SEATED and self._peopled(before)
        )

    def _peopled(self, before: int) -> bool:
        """Whether the words before index `before` name people: cats sit on cars."""
        words = self._words
        start, _ = sentence(words, before)
        return any(word.text in english.HUMANS for word in words[start:before])

    def _owns(self, end: int) -> bool:
        """Whether people are only those whose room or market it is: "the men's room", "a farmer's market"."""
        words = self._words
        if text_at(words, end) in ("'s", "'", "\u2019s", "\u2019"):
            end += 1
        elif not (is_plural(words[end - 1]) and pos_at(words, end) in NOUNS):
            return False
        owned = head_after(words, end)
        return owned >= 0 and words[owned].lemma in english.OWNED

    def _near(self, at: int) -> set[str]:
        start, end = sentence(self._words, at)
        return {word.text for word in self._words[start:end]}

    def _activity(self, at: int) -> Sense:
        """ "a stripe running down the side", "a dancing cactus"."""
        words = self._words
        if text_at(words, at + 1) in ("equipment", "gear"):
            return "unknown"
        if words[at].pos not in ("VERB", "ADJ"):
            return None
        if pos_at(words, at + 1) in NOUNS and pos_at(words, at - 1) in ("DET", "ADJ"):
            return None if self._lives(head_after(words, at + 1)) else "unknown"
        if words[at].text not in english.EXTENDS:
            return None
        start, _ = sentence(words, at)
        nouns = [place for place in range(start, at) if words[place].pos in NOUNS or lives(words[place])]
        return None if not nouns or self._lives(nouns[-1]) else "unknown"

    def _virtual(self, at: int) -> Sense:
        """ "playing tennis on the wii"."""
        start, end = sentence(self._words, at)
        return "unknown" if any(word.text in english.CONSOLES for word in self._words[start:end]) else None

    def _lives(self, at: int) -> bool:
        return lives(self._words[at]) or self._words[at].lemma.endswith(("er", "or", "ist", "man"))

    def _kin(self, at: int, end: int) -> Sense:
        """ "a mother cow and her baby", "a family of elephants", "a calf and its mother"."""
        words = self._words
        lemma = words[end - 1].lemma
        animals = english.ANIMALS
        couple = lemma == "couple" and end < len(words) and is_plural(words[end])
        if pos_at(words, end) in NOUNS and (couple or words[end].lemma in animals):
            return "absent"
        if text_at(words, end) in ("and", "or", "of", "with"):
            head = head_after(words, end + 1)
            if head >= 0 and words[head].lemma in animals and self._joined(end, head):
                return "absent"
        if not self._animals:
            return None
        first = phrase_start(words, at)
        owner = text_at(words, first)
        before = [place for place in self._animals if place < at]
        people = [place for place in self._humans if place < at]
        if lemma == "owner":
            others = [place for place in people if words[place].text not in english.POSSESSIVES]
            return "unknown" if before and not others else None
        if owner == "its" or (owner == "'s" and pos_at(words, first - 1) in NOUNS) or _owned_by(words, at, animals):
            return "absent"
        if before and not people:
            if owner in english.POSSESSIVES:
                return "absent"
            joined = text_at(words, first - 1) in ("and", "with", "&", ",")
            if joined and before[-1] == first - 2 and (first == at or lemma not in english.KIN_OF_PEOPLE):
                return "absent"
            wild = words[before[-1]].lemma not in english.PETS
            if lemma == "baby" and text_at(words, first - 1) == "with" and before[-1] == first - 2 and wild:
                return "absent"
            if owner == "the":
                return "unknown"
        if self._humans or lemma in english.KIN_OF_PEOPLE:
            return None
        return "unknown"

    def _joined(self, end: int, head: int) -> bool:
        """Whether "of elephants", or "and baby moose", belongs to the kin word before it."""
        words = self._words
        if words[end].text == "of":
            return True
        return any(word.lemma in english.KIN for word in words[end + 1 : head])

    def _part(self, at: int, end: int) -> Sense:
        """ "the arms of the chair", "its head", "the clock's hands"."""
        words = self._words
        people = english.HUMANS | english.KIN
        if text_at(words, end) == "of":
            head = head_after(words, end + 1)
            return _ownership(words[head]) if head >= 0 else "absent"
        first = phrase_start(words, at)
        if words[first].text == "its":
            return "absent"
        owner = _owner(words, at)
        if owner is not None:
            return _ownership(owner)
        had = text_at(words, first - 1) in ("with", "has", "have", "having")
        of_thing = had and pos_at(words, first - 2) in NOUNS
        if of_thing and words[at].text.endswith("s") and not lives(words[first - 2]):
            return "absent"  # "a couch with wooden arms"
        before = words[at - 1] if at > 0 else None
        if before and before.pos in NOUNS and before.text not in SIDES and not {before.text, before.lemma} & people:
            return "absent"
        if not self._humans and any(word.lemma in english.SOLID_DEPICTIONS for word in words):
            return "unknown"  # a statue's, or a doll's
        if self._humans or words[first].text in english.POSSESSIVES:
            return None
        if self._animals and words[end - 1].lemma not in ("hand", "arm", "finger", "thumb"):
            return "absent"
        hand = words[at].text in ("hand", "fingers", "finger", "thumb")
        return "unknown" if not hand and len(words) > 20 else None

    def _other_sense(self, at: int, term: str) -> Sense:
        """Words with two meanings, by the words of their sentence."""
        needed, other = english.NEEDED_SENSES.get(term), english.OTHER_SENSES.get(term)
        if needed is None and other is None:
            return None
        near = self._near(at)
        uncertain: Sense = "unknown" if term.rpartition(" ")[2] in english.UNKNOWN_SENSES else "absent"
        if needed is not None:
            return None if needed & near else "absent" if other and other & near else uncertain
        sure = english.SURE_SENSES.get(term, frozenset())
        return uncertain if other and other & near and not sure & near else None


def _ownership(owner: Word) -> Sense:
    """Whether a hand of this owner is a person's: absent, or unknown for words that people and machines end in."""
    if (lives(owner) and owner.lemma not in english.ANIMALS) or owner.lemma.endswith(("ist", "man", "woman")):
        return None
    return "unknown" if owner.lemma.endswith("er") else "absent"


def _owner(words: Sequence[Word], at: int) -> Word | None:
    """The owner of word `at` by "'s": "the chair's wooden arms"."""
    place = at
    while place > 0 and words[place - 1].pos in ("ADJ", "NUM", "NOUN"):
        place -= 1
    marked = place > 1 and words[place - 1].pos == "PART" and words[place - 1].text in ("'s", "'", "\u2019s", "\u2019")
    return words[place - 2] if marked else None


def _owned_by(words: Sequence[Word], at: int, lemmas: frozenset[str]) -> bool:
    owner = _owner(words, at)
    return owner is not None and owner.lemma in lemmas


def _colour_near(words: Sequence[Word], at: int, step: int) -> bool:
    """Whether a colour follows the commas and conjunctions from word `at` on, in a direction."""
    while text_at(words, at) in (",", "and", "or", "&"):
        at += step
    return text_at(words, at) in english.COLOURS


def _premodifies(words: Sequence[Word], at: int) -> bool:
    """Whether word `at` comes before adjectives and a noun that they describe: "an orange tabby cat"."""
    place = at + 1
    while pos_at(words, place) == "ADJ" or (
        pos_at(words, place) == "VERB" and text_at(words, place).endswith(("ed", "en"))
    ):
        place += 1
    if pos_at(words, place) not in NOUNS or words[place].text in english.NO_HEADS:
        return False
    return words[place].lemma not in english.TRANSPARENT_HEADS and not (
        words[place].text.endswith("ing") and words[place].lemma not in english.ING_NOUNS
    )

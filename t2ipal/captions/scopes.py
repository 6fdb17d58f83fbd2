"""What a caption says of things that are not there: denied, depicted, compared with, only possible, or in quotes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from t2ipal.captions import english
from t2ipal.captions.grammar import ENDS, LONG, NOUNS, chunk, lives, phrase_start, pos_at, sentence, text_at
from t2ipal.captions.tagger import Word

Reason = Literal["denied", "depicted", "doubtful", "quoted"]

QUOTES = {'"': '"', "\u201c": "\u201d", "``": "''"}
LONGEST_QUOTE = 60
"""Words of a text in a picture; what is longer between two marks is no quotation."""
OPENING = 20
"""Words of a narrative that name its subject."""
SURFACES = {"on": english.PRINTED_ON, "in": english.SHOWN_IN}
SHOWN_ON = english.PRINTED_ON | english.SHOWN_IN
# The first words of a scope, besides quotation marks: any other word is passed over at once.
STARTS = (
    english.NEGATIONS
    | english.ABSENCES
    | english.DEPICTIONS
    | english.PICTURES
    | english.DEPICTS
    | english.MARKED
    | english.HEDGES
    | english.SEEMING
    | english.MODALS
    | english.AVERTS
    | english.INTENDED
    | {first for first, _ in english.LIKENESS}
    | english.CARRIERS
    | english.MATERIAL
    | SHOWN_ON
    | english.SURFACES
    | {"wait", "decorate", "ornament", "adorn"}
    | {"as", "like", "than", "out", "be", "cannot", "from"}
)
OBJECTS = frozenset({"DET", "ADJ", "NUM", "NOUN", "PROPN", "ADV", "PRON"})


def not_there(words: Sequence[Word]) -> dict[int, Reason]:
    """Words that name nothing that is there, by index, and why."""
    held: dict[int, Reason] = {}
    for at, word in enumerate(words):
        if word.text in STARTS or word.lemma in STARTS:
            for reason, places in _scopes(words, at):
                held |= dict.fromkeys(places, reason)
    held |= dict.fromkeys(_artwork(words), "depicted")
    held |= dict.fromkeys(_quoted(words), "quoted")
    return held


def _artwork(words: Sequence[Word]) -> Iterator[int]:
    """Words of a narrative that is about a work of art, a statue or a toy: named as its subject, or again and again.

    All things are in a painting; with a statue, only people and animals are likely to be what it shows.
    """
    if len(words) < LONG:
        return
    # taggers take "his painting" for a verb
    art = [at for at, word in enumerate(words) if word.text in english.ARTWORKS or word.lemma in english.ARTWORKS]
    art = [at for at in art if words[at].pos in NOUNS or at < OPENING]
    if len(art) > 1 or any(_is_subject(words, at) for at in art):
        yield from range(len(words))
        return
    for at, word in enumerate(words[1 : 2 * OPENING], 1):
        if word.lemma in english.PICTURES and words[at - 1].text in english.FRAMED:
            yield from range(at, len(words))  # what follows is most likely in it
            return
    for at, word in enumerate(words[:OPENING]):
        if not {word.lemma, word.text}.isdisjoint(english.TOY_SUBJECTS) and _is_subject(words, at):
            yield from (place for place, other in enumerate(words) if lives(other) or other.lemma in english.PARTS)
            return


def _is_subject(words: Sequence[Word], at: int) -> bool:
    """Whether word `at` begins a narrative as its subject, not as the place of something else."""
    before = text_at(words, phrase_start(words, at) - 1)
    return at < OPENING and before not in ("on", "with", "behind", "above", "near", "and", "by", "against", "into")


def _scopes(words: Sequence[Word], at: int) -> Iterator[tuple[Reason, set[int] | range]]:
    """What begins with word `at`."""
    word, after = words[at], text_at(words, at + 1)
    text, lemma = word.text, word.lemma
    if text in english.NEGATIONS or (lemma in english.ABSENCES and after in ("of", "from")):
        yield "denied", chunk(words, at + 1 + (after in ("of", "from")), coordinated=True)
    if (text in english.NEGATIONS or text == "cannot" or text == "out") and (subject := _unseen(words, at)):
        yield "denied", subject
    if text in english.AVERTS and text_at(words, at - 1) == "to":
        yield "denied", chunk(words, at + 1, coordinated=True)
    if _depicts(words, at):
        yield "depicted", _depicted(words, at)
    elif (lemma in english.DEPICTIONS or _painted(words, at)) and word.pos in NOUNS and (shows := _shows(words, at)):
        yield "depicted", range(shows, _place(words, shows))
    elif (lemma in english.DEPICTS or text in ("depicted", "portrayed", "illustrated")) and word.pos == "VERB":
        start, end = sentence(words, at)
        yield "depicted", range(start if pos_at(words, at - 1) == "AUX" else at, end)
    elif after == "with" and (lemma in english.MARKED or (lemma in english.SHOWING and word.pos in NOUNS)):
        yield "depicted", chunk(words, at + 2, coordinated=True)
    elif lemma in english.CARRIERS and after == "with":
        carried = chunk(words, at + 2, coordinated=True)
        if text_at(words, at + 2 + len(carried)) == "on" and text_at(words, at + 3 + len(carried)) in ("it", "them"):
            yield "depicted", carried
    elif lemma in ("decorate", "ornament", "adorn") and after == "with":
        yield "depicted", {place for place in chunk(words, at + 2, coordinated=True) if lives(words[place])}
    elif lemma in english.MATERIAL and word.pos == "VERB" and after in ("of", "from"):
        yield "doubtful", chunk(words, at + 2, coordinated=True)
    elif lemma == "wait" and after == "for":
        awaited = chunk(words, at + 2, coordinated=False)
        yield "doubtful", {place for place in awaited if words[place].lemma not in english.ARRIVALS}
    if lemma in SHOWN_ON and (shown := _printed(words, at)):
        yield "depicted", shown
    if text == "from" and (viewpoint := _viewpoint(words, at)):
        yield "doubtful", viewpoint
    if not english.LIKENESS.isdisjoint({(lemma, after), (text, after)}):
        yield "depicted", chunk(words, at + 2, coordinated=False)
    elif _compares(words, at):
        yield "doubtful", chunk(words, at + 1, coordinated=False)
    if text == "as" and after in ("if", "though"):
        yield "doubtful", range(at, _clause(words, at))
    if doubt := _doubted(words, at):
        yield "doubtful", chunk(words, doubt, coordinated=False)
    if lemma in english.INTENDED and after in ("for", "to", "as") and pos_at(words, at + 2) in OBJECTS:
        yield "doubtful", chunk(words, at + 2, coordinated=True)


def _depicts(words: Sequence[Word], at: int) -> bool:
    """Whether word `at` begins "a statue of"; the caption's own picture ("a photo of") is none."""
    word = words[at]
    if word.pos not in NOUNS or text_at(words, at + 1) != "of":
        return False
    if word.lemma in english.DEPICTIONS:
        return True
    if any(before.lemma in ("take", "snap") for before in words[max(at - 2, 0) : at]):
        return False  # "a man takes a picture of a horse"
    return word.lemma in english.PICTURES - {"view", "shot"} and any(
        before.pos in NOUNS and before.lemma not in english.PICTURES for before in words[:at]
    )


def _painted(words: Sequence[Word], at: int) -> bool:
    """Whether word `at` is a surface with something on it: "a painted background showing trees"."""
    return words[at].lemma in english.SURFACES and text_at(words, at - 1) in ("painted", "printed", "illustrated")


def _depicted(words: Sequence[Word], at: int) -> set[int]:
    """What the depiction at word `at` shows: a list, and what its members do: "of a man, woman and child riding"."""
    held = chunk(words, at + 2, coordinated=True)
    end = at + 2 + len(held)
    rest: set[int] = set()
    follows = text_at(words, end)
    if pos_at(words, end) == "VERB" and follows.endswith("ing") and follows not in english.PLACES:
        rest = set(range(end, _place(words, end + 1)))
    elif follows in ("of", "on", "with") and pos_at(words, end + 1) in ("DET", "NOUN", "NUM", "ADJ"):
        rest = chunk(words, end + 1, coordinated=False)
    if words[at].lemma in english.SOLID_DEPICTIONS:
        # a bench that two statues sit on may be one
        return held | {place for place in rest if lives(words[place])}
    return held if follows == "on" else held | rest


def _shows(words: Sequence[Word], at: int) -> int:
    """Where the content begins of "a sign that shows ..." with its sign at `at`; 0 if it does not follow."""
    for place in range(at + 1, min(at + 4, len(words))):
        word = words[place]
        if word.lemma in english.SHOWS and word.pos == "VERB":
            return place + 1
        if word.text in ("including", "featuring"):
            return place + 1
        if word.pos not in ("AUX", "PRON", "SCONJ", "ADV", "DET") and word.text != ",":
            break
    return 0


def _printed(words: Sequence[Word], at: int) -> set[int]:
    """What lives before "on the shirt", "on the front of a can" or "in a painting" with its thing at `at`."""
    lemma, first = words[at].lemma, phrase_start(words, at)
    if words[at].pos not in NOUNS and pos_at(words, at - 1) != "DET":
        return set()  # taggers take "a can" for a verb
    if text_at(words, first - 1) == "of" and text_at(words, first - 2) in ("front", "side", "back", "cover"):
        first = phrase_start(words, first - 2)
    if lemma not in SURFACES.get(text_at(words, first - 1), ()):
        return set()
    last = first - 2
    while text_at(words, last) in ("that", "who", "which", "is", "are", "'s"):
        last -= 1
    shown = last >= 0 and (lives(words[last]) or words[last].lemma.endswith(("er", "or", "ist", "man")))
    return set(range(phrase_start(words, last), last + 1)) if shown else set()


def _viewpoint(words: Sequence[Word], at: int) -> set[int]:
    """What a picture is taken from, named after "from" at `at`: "seen from a plane", "from the window of a train"."""
    last = at - 1
    while pos_at(words, last) in ("ADV", "ADP") and last > at - 3:
        last -= 1
    if text_at(words, last) not in english.VIEWED:
        return set()
    start = at + 1 + (text_at(words, at + 1) in ("inside", "within", "aboard"))
    held = chunk(words, start, coordinated=False)
    end = start + len(held)
    if text_at(words, end) == "of" and text_at(words, end - 1) in english.VIEWPOINTS:
        held |= chunk(words, end + 1, coordinated=False)
    return held


def _place(words: Sequence[Word], start: int) -> int:
    """Where a clause from `start` on ends, or names a place: "next to a road"."""
    end = start
    while end < len(words) and words[end].text not in ENDS and words[end].text not in english.PLACES:
        end += 1
    return end


def _clause(words: Sequence[Word], start: int) -> int:
    end = start
    while end < len(words) and words[end].text not in ENDS and words[end].text not in (",", ";"):
        end += 1
    return end


def _compares(words: Sequence[Word], at: int) -> bool:
    """Whether word `at` compares with what follows: "like a boat", "larger than a car", "as big as a dog"."""
    text, after = words[at].text, pos_at(words, at + 1)
    if after not in OBJECTS:
        return False
    if text == "like":
        # "things like cups" are cups
        listed = pos_at(words, at - 1) in NOUNS and words[at - 1].text != words[at - 1].lemma
        return words[at].pos in ("ADP", "SCONJ", "INTJ") and not listed
    if text == "than":
        return after != "NUM"
    # "as well as a dog" is one more
    measured = pos_at(words, at - 1) in ("ADJ", "ADV") and text_at(words, at - 1) not in ("well", "soon", "far")
    return text == "as" and measured and text_at(words, at - 2) == "as"


def _doubted(words: Sequence[Word], at: int) -> int:
    """Where a noun phrase begins that word `at` makes only possible; 0 if it makes none so."""
    word, after = words[at], text_at(words, at + 1)
    if word.text in english.HEDGES:
        start = at + 1
        if pos_at(words, start) == "ADP":
            start += 1
    elif word.lemma in english.SEEMING and after in ("to", "like", "as"):
        start = at + (3 if text_at(words, at + 2) == "be" else 2)
        if after == "to" and start != at + 3:
            return 0
    elif word.text in english.MODALS and after in ("be", "have"):
        start = at + (3 if text_at(words, at + 2) == "been" else 2)
    else:
        return 0
    participle = pos_at(words, start) == "VERB" and text_at(words, start).endswith(("ed", "en"))
    return start if pos_at(words, start) in OBJECTS or participle else 0


def _unseen(words: Sequence[Word], at: int) -> set[int]:
    """The subject of "is not visible" or "out of frame", whose denial is word `at`."""
    text, after = words[at].text, text_at(words, at + 1)
    if text == "out":
        rest = [text_at(words, at + place) for place in (1, 2, 3)]
        if rest[0] != "of" or not {"frame", "view", "sight", "picture", "shot"} & set(rest[1:]):
            return set()
        last = at - 1 - (pos_at(words, at - 1) == "AUX")
    elif text == "cannot" or (text in ("not", "never") and pos_at(words, at - 1) == "AUX"):
        if after not in english.SEEN and not (after == "be" and text_at(words, at + 2) in english.SEEN):
            return set()
        if after in ("in", "there"):
            return set()
        last = at - 1 - (text != "cannot")
    else:
        return set()
    return set(range(phrase_start(words, last), last + 1)) if pos_at(words, last) in NOUNS else set()


def _quoted(words: Sequence[Word]) -> Iterator[int]:
    """Words in quotation marks: what a sign says. A caption all in marks is none."""
    at = 0
    while at < len(words):
        closing = QUOTES.get(words[at].text)
        if closing:
            for end in range(at + 1, min(at + LONGEST_QUOTE, len(words))):
                if words[end].text == closing:
                    if at > 0:
                        yield from range(at, end)
                    at = end
                    break
        at += 1

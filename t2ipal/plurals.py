"""English plurals."""

from __future__ import annotations

IRREGULAR_PLURALS = {
    "person": ("people", "persons"),
    "man": ("men",),
    "woman": ("women",),
    "child": ("children",),
    "foot": ("feet",),
    "tooth": ("teeth",),
    "goose": ("geese",),
    "mouse": ("mice",),
    "ox": ("oxen",),
    "calf": ("calves",),
    "knife": ("knives",),
    "wife": ("wives",),
    "half": ("halves",),
    "leaf": ("leaves",),
    "loaf": ("loaves",),
    "wolf": ("wolves",),
    "shelf": ("shelves",),
    "cactus": ("cacti", "cactuses"),
    "passerby": ("passersby",),
    "sheep": (),
    "people": (),
    "bison": (),
    "aircraft": (),
    "luggage": (),
    "cattle": (),
}
# words in -man that are no men
_NOT_MEN = ("human", "german", "roman", "talisman", "caiman", "shaman", "ottoman")


def forms(noun: str) -> tuple[str, ...]:
    """A singular noun and its plurals.

    >>> forms("baby"), forms("fireman"), forms("box")
    (('baby', 'babies'), ('fireman', 'firemen'), ('box', 'boxes'))
    """
    if noun in IRREGULAR_PLURALS:
        return (noun, *IRREGULAR_PLURALS[noun])
    if noun.endswith("man") and noun not in _NOT_MEN:
        return (noun, noun[:-2] + "en")
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return (noun, noun[:-1] + "ies")
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return (noun, noun + "es")
    if noun.endswith("o"):
        return (noun, noun + "s", noun + "es")
    return (noun, noun + "s")


# fmt: off
PLURAL_ONLY = frozenset({
    "glasses", "sunglasses", "eyeglasses", "goggles", "scissors", "jeans", "shorts", "pants", "trousers", "tights",
    "leggings", "overalls", "pajamas", "pliers", "tongs", "tweezers", "binoculars", "headphones", "arms", "news",
    "series", "species", "clothes", "sports", "gymnastics", "athletics",
})
# fmt: on
"""Plurals that are not several of their singular: scissors, or glasses, which are not made of glass."""
_NOT_SEVERAL_MEN = frozenset({"omen", "specimen", "abdomen", "ramen"})


def singulars(noun: str) -> tuple[str, ...]:
    """What a noun, or a phrase whose last word is one, may be the plural of, in lower case; nothing for a singular.

    >>> singulars("golden retrievers"), singulars("women"), singulars("horses"), singulars("bus"), singulars("glasses")
    (('golden retriever',), ('woman',), ('hors', 'horse'), (), ())
    """
    head, space, word = noun.lower().rpartition(" ")
    ones = [one for one, several in IRREGULAR_PLURALS.items() if word in several]
    if not ones and (word in PLURAL_ONLY or word in IRREGULAR_PLURALS or word in _NOT_SEVERAL_MEN):
        return ()
    if not ones and word.endswith("men"):
        ones = [f"{word[:-2]}an"]
    if not ones and len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        stems = (f"{word[:-3]}y" if word.endswith("ies") else "", word[:-2] if word.endswith("es") else "", word[:-1])
        ones = [stem for stem in stems if stem and word in forms(stem)]
    return tuple(f"{head}{space}{stem}" for stem in ones)

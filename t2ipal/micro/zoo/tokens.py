"""The few hundred byte-pair ids that the micro world uses, and a tokenizer cut down to them.

CLIP's vocabulary has 49,408 entries; the grammar uses a few hundred words. The zoo trains and ships the rows in use;
the loader puts them back into the full table, where all other rows are zero: the numbers are the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from t2ipal.backbones.openai import tokens

WORD_END = "</w>"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?'-:;\"()"


@dataclass(frozen=True)
class Vocabulary:
    """`ids`: the CLIP ids in use, ascending; 0 pads, the last two are start and end of text."""

    ids: tuple[int, ...]

    @staticmethod
    @cache
    def of_grammar() -> Vocabulary:
        """Every id that the grammar, the class names and the prompt templates can need."""
        from t2ipal.micro.grammar import vocabulary

        used = {tokens.PAD_ID, tokens.START_ID, tokens.END_ID}
        for word in vocabulary():
            used.update(tokens.encode(word))
        return Vocabulary(tuple(sorted(used)))

    def compact(self, texts: Sequence[str], length: int) -> np.ndarray:
        """Tokenise to places in `ids`, int64 [len(texts), length], cut to `length` with the end mark kept.

        Raises:
            ValueError: a text needs an id outside the vocabulary.
        """
        full = tokens.tokenize(texts, context=length)[0].numpy()
        places = np.searchsorted(self.ids, full)
        if not np.array_equal(np.asarray(self.ids)[np.minimum(places, len(self.ids) - 1)], full):
            strange = next(t for t, row in zip(texts, full, strict=True) if not set(row) <= set(self.ids))
            raise ValueError(f"the micro vocabulary lacks a word of {strange!r}")
        return places


def small_vocabulary(vocabulary: Vocabulary) -> tuple[list[str], list[tuple[str, str]], np.ndarray]:
    """Symbols and merges of a tokenizer that has the vocabulary's merges only.

    Any text can still be tokenised (single characters remain), and a text of the vocabulary is split exactly as by the
    full tokenizer: each merge that the full one would make on it is kept, in the same order.

    Returns:
        The symbols by id, the merges in order, and CLIP's id of each symbol, int64.
    """
    pairs = tokens.byte_pairs()
    names, marks = pairs.symbols, (tokens.START_ID, tokens.END_ID)
    keep: set[str] = set()
    pending = [names[i] for i in vocabulary.ids if i not in marks]
    parts = {"".join(pair): pair for pair in pairs.merges}
    while pending:
        symbol = pending.pop()
        if symbol not in keep:
            keep.add(symbol)
            pending += parts.get(symbol, ())
    for letter in LETTERS:
        keep.update((letter, letter + WORD_END))
    symbols = [*sorted(keep, key=pairs.ids.__getitem__), *(names[mark] for mark in marks)]
    merges = [pair for pair in pairs.merges if "".join(pair) in keep and set(pair) <= keep]
    return symbols, merges, np.array([pairs.ids[symbol] for symbol in symbols])


def write_tokenizer(folder: Path, vocabulary: Vocabulary, length: int) -> np.ndarray:
    """Write a `transformers.CLIPTokenizer` of the small vocabulary, and return CLIP's id of each of its ids."""
    from transformers import CLIPTokenizer

    symbols, merges, ids = small_vocabulary(vocabulary)
    folder.mkdir(parents=True, exist_ok=True)
    vocab = {symbol: index for index, symbol in enumerate(symbols)}
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=length)
    tokenizer.save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(pair) for pair in merges) + "\n")
    return ids

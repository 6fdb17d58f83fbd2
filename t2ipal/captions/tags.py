"""Parts of speech from features of words: the layers of spaCy's tagger, on arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from spacy.language import Language

WORDS = 1024
"""Words that pass the layers at once: their activations are 4 MB."""


class TagLayers:
    """The tagger of a pipeline, without its documents.

    The same layers in fewer operations: what does not depend on the neighbours is computed once for equal words, and a
    text of any length passes in pieces, each with the neighbours that its tags depend on.

    Attributes:
        columns: features of a word that `tags` expects, as spaCy names its attributes.
        labels: the tags.
    """

    def __init__(self, language: Language) -> None:
        tok2vec = language.get_pipe("tok2vec").model
        extract, _, hashes, mix, _ = tok2vec.get_ref("embed").layers
        tagger = language.get_pipe("tagger")
        self.columns: list[str] = extract.attrs["columns"]
        self.labels: tuple[str, ...] = tagger.labels
        self._embedding = (hashes, mix)
        self._encode = tok2vec.get_ref("encode")
        self._score = tagger.model.get_ref("output_layer")

    def tags(self, texts: Sequence[np.ndarray]) -> list[list[int]]:
        """Indices into `labels` for the words of each text.

        Args:
            texts: features, uint64 [words, columns] each.
        """
        import numpy as np

        lengths = [len(text) for text in texts]
        if not sum(lengths):
            return [[] for _ in texts]
        vectors = self._embed(np.concatenate(texts))
        found: list[int] = []
        for group in _groups(lengths, self._encode.attrs["pad"]):
            encoded = self._encode.predict([vectors[first:last] for first, last, _, _ in group])
            inner = [rows[skip : skip + count] for rows, (_, _, skip, count) in zip(encoded, group, strict=True)]
            found += self._score.predict(np.concatenate(inner)).argmax(axis=1).tolist()
        ends = list(accumulate(lengths))
        return [found[end - length : end] for length, end in zip(lengths, ends, strict=True)]

    def _embed(self, features: np.ndarray) -> np.ndarray:
        """Vectors of words without their neighbours, float32 [words, width]."""
        import numpy as np

        rows: dict[bytes, int] = {}
        features = np.ascontiguousarray(features)
        keys = features.view(f"V{features.itemsize * features.shape[1]}").ravel().tolist()
        places = [rows.setdefault(key, len(rows)) for key in keys]
        vectors = np.frombuffer(b"".join(rows), features.dtype).reshape(len(rows), -1)
        for layer in self._embedding:
            vectors = layer.predict(vectors)
        return vectors[places]


def _groups(lengths: Sequence[int], reach: int) -> Iterator[list[tuple[int, int, int, int]]]:
    """Pieces of texts that lie one behind the other, in groups of about WORDS words.

    A piece is (first, last, skip, count): of the rows [first, last), `count` are asked for, after the `skip` first. The
    others are the `reach` neighbours on each side.
    """
    group: list[tuple[int, int, int, int]] = []
    room, start = WORDS, 0
    for length in lengths:
        for at in range(0, length, WORDS):
            count, skip = min(WORDS, length - at), min(at, reach)
            last = min(at + count + reach, length)
            group.append((start + at - skip, start + last, skip, count))
            room -= count
            if room <= 0:
                yield group
                group, room = [], WORDS
        start += length
    if group:
        yield group

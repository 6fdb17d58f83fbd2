"""Word vectors from a text file, such as GloVe's: a word and its numbers on each line."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from t2ipal.errors import UserError
from t2ipal.store import existing

log = logging.getLogger(__name__)


def read_word_vectors(path: str | Path, names: Sequence[str]) -> np.ndarray:
    """The vector of each name: [len(names), W] float32.

    A name's vector is the mean of those of its words, in lower case; spaces, hyphens and underscores part words. A word
    that the file lacks is left out of the mean, with a warning. Only the lines of wanted words are parsed.

    Raises:
        UserError: the file is missing; a name none of whose words is there; a wanted line that is no word and numbers,
            or has another number of them.
    """
    if not existing(path, "file of word vectors").is_file():
        raise UserError(f"{path}: a folder; expected a text file of word vectors")
    words = [[word for word in re.split(r"[\s_-]+", name.lower()) if word] for name in names]
    vectors = _read(Path(path), {word for parts in words for word in parts})
    rows = []
    for name, parts in zip(names, words, strict=True):
        known = [word for word in parts if word in vectors]
        if not known:
            raise UserError(f"{path}: no vector for class {name!r}; expected a line for {' or '.join(parts)}")
        if len(known) < len(parts):
            missing = ", ".join(word for word in parts if word not in vectors)
            log.warning("%s: no vector for %s: class %r is the mean of its other words", path, missing, name)
        rows.append(np.mean([vectors[word] for word in known], axis=0))
    return np.stack(rows).astype(np.float32)


def _read(path: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    """The vectors of the `wanted` words, the first line of a word counting."""
    vectors: dict[str, np.ndarray] = {}
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            word, _, rest = line.partition(" ")
            if word not in wanted or word in vectors:
                continue
            try:
                vector = np.array(rest.split(), dtype=np.float64)
            except ValueError:
                vector = np.empty(0)
            size = next((len(other) for other in vectors.values()), len(vector))
            if not len(vector) or len(vector) != size or not np.isfinite(vector).all():
                wish = f"{size} numbers as in the lines before" if size else "a word and its numbers"
                raise UserError(f"{path}: line {number}, {word!r}: {len(rest.split())} fields; expected {wish}")
            vectors[word] = vector
            if len(vectors) == len(wanted):
                break
    return vectors

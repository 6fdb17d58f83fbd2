"""Captions made worse on purpose, to see how much a method depends on their content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from t2ipal.seeds import seed_of
from t2ipal.sources.caption_rows import Caption, RejectedCaption


def drop_words(
    rows: Iterable[Caption | RejectedCaption], rate: float, seed: int
) -> Iterator[Caption | RejectedCaption]:
    """Yield the rows, the captions' words thinned out; rejects stay as they are.

    Args:
        rate: chance of each word to be left out.
        seed: the global seed of random choices.

    Raises:
        ValueError: `rate` is not in [0, 1].
    """
    for row in rows:
        yield replace(row, text=thinned(row.text, row.caption_id, rate, seed)) if isinstance(row, Caption) else row


def thinned(text: str, caption_id: str, rate: float, seed: int) -> str:
    """`text` with each word left out at the chance `rate`; the last word that would go stays.

    Each word has a number of its own, sampled by (seed, caption_id), and goes where it is below `rate`: a word that is
    left out at one rate is left out at every higher one, which makes rates comparable.

    Raises:
        ValueError: `rate` is not in [0, 1].
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate is {rate}; expected a chance in [0, 1]")
    words = text.split()
    numbers = np.random.default_rng(seed_of("drop", seed, caption_id)).random(len(words))
    kept = [word for word, number in zip(words, numbers, strict=True) if number >= rate]
    return " ".join(kept or [words[int(numbers.argmax())]])

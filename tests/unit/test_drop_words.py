"""Captions with words left out."""

from __future__ import annotations

import pytest

from t2ipal.sources.caption_rows import EMPTY, Caption, RejectedCaption
from t2ipal.sources.reading.drop_words import drop_words, thinned
from t2ipal.sources.registry import caption_source


def is_part(part: list[str], whole: list[str]) -> bool:
    """Whether `part` is `whole` with some words left out."""
    rest = iter(whole)
    return all(word in rest for word in part)


@pytest.mark.slow
def test_dropped_words() -> None:
    pool = {"source": "micro", "size": 300}
    whole = [row.text.split() for row in caption_source(pool).read(seed=0)]
    rows = list(caption_source(pool | {"drop_words": 0.3}).read(seed=0))
    assert rows == list(caption_source(pool | {"drop_words": 0.3}).read(seed=0))
    parts = [row.text.split() for row in rows]
    assert all(is_part(part, words) for part, words in zip(parts, whole, strict=True))
    assert 1 - sum(map(len, parts)) / sum(map(len, whole)) == pytest.approx(0.3, abs=0.03)
    # the same words go, whatever else is in the pool; at a higher rate more of them
    assert list(caption_source(pool | {"size": 20, "drop_words": 0.3}).read(seed=0)) == rows[:20]
    more = list(caption_source(pool | {"drop_words": 0.6}).read(seed=0))
    assert all(is_part(row.text.split(), part) for row, part in zip(more, parts, strict=True))
    assert list(caption_source(pool | {"drop_words": 0.0}).read(seed=0)) == list(caption_source(pool).read(seed=0))


def test_dropped_words_depend_on_seed_and_caption() -> None:
    text = " ".join(map(str, range(100)))
    drawn = {thinned(text, identity, 0.5, seed) for identity in "abc" for seed in range(3)}
    assert len(drawn) == 9


def test_dropping_leaves_a_word_and_rejects_alone() -> None:
    whole = [
        Caption("1", "i1", "A dog. It sleeps.", "coco/val"),
        RejectedCaption("2", "", EMPTY),
        Caption("3", None, "A puppy", "coco/val"),
    ]
    rows = list(drop_words(whole, 1.0, 0))
    assert rows[1] == whole[1]
    for row, before in zip(rows[::2], whole[::2], strict=True):
        assert row.text in before.text.split()
        assert (row.caption_id, row.image_id, row.source) == (before.caption_id, before.image_id, before.source)
    with pytest.raises(ValueError, match=r"rate is 1.5; expected a chance in \[0, 1\]"):
        list(drop_words(whole, 1.5, 0))

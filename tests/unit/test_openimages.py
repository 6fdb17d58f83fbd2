"""Localized narratives: the file of captions, the shards, and what is broken in either."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from t2ipal.errors import UserError
from t2ipal.sources.caption_rows import EMPTY, NO_TEXT, NOT_SAMPLED, Caption, RejectedCaption
from t2ipal.sources.openimages import OpenImagesCaptions, narratives

CAPTIONS = "open_images_train_v6_captions.jsonl"
TEXTS = ["In this image there is a dog.", "There is\n a dog. ", "", "A boat on the water.", "A cat", "A kite"]
IMAGES = ["0000aa11", "0000aa11", "0000bb22", "0000bb22", "0000cc33", "0000aa11"]


def read(path: Path, split: str = "train", captions: str = "all", seed: int = 0) -> Iterator[Caption | RejectedCaption]:
    return OpenImagesCaptions(source="openimages", path=str(path), split=split, captions=captions).rows(seed)


def lines(places: Iterable[int], more: dict[str, object] | None = None) -> str:
    rows = [
        {"dataset_id": "mscoco_or_open_images", "image_id": IMAGES[k], "annotator_id": k, "caption": TEXTS[k]}
        for k in places
    ]
    return "".join(json.dumps({**row, **(more or {})}) + "\n" for row in rows)


def timed() -> dict[str, object]:
    trace = [{"x": 0.1, "y": 0.2, "t": 0.3}] * 50
    said = [{"utterance": "dog", "start_time": 0.0, "end_time": 0.4}]
    return {"timed_caption": said, "traces": [trace] * 3, "voice_recording": "open_images_train_v6/x.ogg"}


def shard(number: int, count: int) -> str:
    return f"open_images_train_v6_localized_narratives-{number:05d}-of-{count:05d}.jsonl"


def test_captions_and_shards_read_alike(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    (whole / CAPTIONS).write_text(lines(range(6)))
    for number, places in enumerate(((0, 1), (2,), (3, 4, 5))):
        (cut / shard(number, 3)).write_text(lines(places, timed()) + "\n")
    rows = list(read(whole))
    assert rows == list(read(cut)) == list(read(whole / CAPTIONS))
    assert rows[0] == Caption("0000000", "0000aa11", TEXTS[0], "openimages/train")
    assert rows[1].text == "There is a dog."
    assert rows[2] == RejectedCaption("0000002", "", EMPTY)
    assert [row.caption_id for row in rows] == [f"{place:07d}" for place in range(6)]
    assert list(read(cut / shard(1, 3))) == [RejectedCaption("0000000", "", EMPTY)]


def test_one_narrative_per_image(tmp_path: Path) -> None:
    path = tmp_path / CAPTIONS
    path.write_text(lines(range(6)))
    drawn = set()
    for seed in range(12):
        rows = list(read(path, captions="one", seed=seed))
        kept = [row for row in rows if isinstance(row, Caption)]
        assert len(rows) == 6
        assert sorted(row.image_id for row in kept) == ["0000aa11", "0000bb22", "0000cc33"]
        assert sum(row.reason == NOT_SAMPLED for row in rows if isinstance(row, RejectedCaption)) == 2
        drawn |= {row.caption_id for row in kept}
    assert drawn == {f"{place:07d}" for place in (0, 1, 3, 4, 5)}


def test_where_the_files_are(tmp_path: Path) -> None:
    folder = tmp_path / "captions"
    folder.mkdir()
    assert narratives(tmp_path, "train") == [tmp_path / CAPTIONS]
    (folder / shard(7, 10)).touch()
    found = narratives(tmp_path, "train")
    assert [path.name for path in found] == [shard(number, 10) for number in range(10)]
    with pytest.raises(UserError, match=r"00000-of-00010\.jsonl: no such file"):
        list(read(tmp_path))
    (folder / CAPTIONS).write_text(lines([0]))
    assert narratives(tmp_path, "train") == [folder / CAPTIONS]
    assert narratives(tmp_path, "test") == [tmp_path / "open_images_test_captions.jsonl"]
    (folder / "open_images_validation_localized_narratives.jsonl").write_text(lines([3]))
    assert [row.source for row in read(tmp_path, "validation")] == ["openimages/validation"]


@pytest.mark.parametrize(("content", "message"), [
    (lines([0]).encode() + b'{"image_id": "x", "capt', "line 2: not JSON"),
    (b"\n\n[1]\n", r"line 3: found \[1\]; expected a JSON object"),
    (b'{"caption": "a"}', "line 1: no 'image_id'; expected a localized narrative, it has caption"),
    (b'{"image_id": "a", "text": "b"}', "no 'caption'; expected a localized narrative, it has image_id, text"),
    (b"\xff\xfe\x00", "not UTF-8 text"),
])  # fmt: skip
def test_what_is_broken_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / CAPTIONS
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        list(read(path))
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_no_file_names_the_official_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{CAPTIONS}: no such file"):
        list(read(tmp_path))


def test_a_caption_that_is_no_text_is_a_reject(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"image_id": 12, "caption": 5}\n{"image_id": 12, "caption": null}\n')
    reasons = [row.reason for row in read(path, captions="one")]
    assert reasons == [NO_TEXT, EMPTY]


@pytest.mark.slow
def test_memory_is_flat(tmp_path: Path) -> None:
    path, peaks = tmp_path / CAPTIONS, []
    for count in (50, 600):
        path.write_text(lines([0], timed()) * count)
        tracemalloc.start()
        assert sum(1 for _ in read(path)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert path.stat().st_size > 3_000_000
    assert peaks[1] < 1.5 * peaks[0] < 1_000_000


def test_real_captions_in_the_narratives_layout(real_data: Callable[..., Path], tmp_path: Path) -> None:
    rows = [json.loads(line) for line in real_data("coco_captions_labelled.jsonl").read_text().splitlines()[:500]]
    text = next(key for key, value in rows[0].items() if isinstance(value, str) and " " in value)
    path = tmp_path / CAPTIONS
    path.write_text("".join(json.dumps({"image_id": f"{k:016x}", "caption": row[text]}) + "\n"
                            for k, row in enumerate(rows)))  # fmt: skip
    found = list(read(tmp_path))
    assert [row.text for row in found] == [" ".join(row[text].split()) for row in rows]

"""Captions of MS-COCO: what is taken, what is rejected and why, and what is broken."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from t2ipal.errors import UserError
from t2ipal.sources.caption_rows import EMPTY, NO_TEXT, NOT_LISTED, NOT_SAMPLED, TWICE, Caption, RejectedCaption
from t2ipal.sources.coco.captions import CocoCaptions
from t2ipal.sources.reading import json_stream

IMAGES = [{"id": 7, "file_name": "a.jpg"}, {"id": 9, "file_name": "b.jpg"}]
ANNOTATIONS = [
    {"id": 3, "image_id": 7, "caption": " A dog.\nIt sleeps. "},
    {"id": 1, "image_id": 9, "caption": "A cat"},
    {"id": 2, "image_id": 7, "caption": "  "},
    {"id": 4, "image_id": 8, "caption": "A ghost"},
    {"id": 5, "image_id": 7, "caption": "A puppy"},
    {"id": 6, "image_id": 9, "caption": None},
    {"id": 8, "image_id": 9, "caption": 5},
]


def write_coco(root: Path, annotations: list[dict] = ANNOTATIONS, split: str = "val") -> Path:
    (root / "annotations").mkdir(exist_ok=True)
    path = root / "annotations" / f"captions_{split}.json"
    # as in the official files: other keys before and between
    path.write_text(json.dumps({"info": {"x": [1]}, "images": IMAGES, "licenses": [], "annotations": annotations}))
    return path


def coco(
    root: Path, splits: list[str], captions: str = "one", seed: int = 0, ids: Path | None = None
) -> Iterator[Caption | RejectedCaption]:
    """Read the captions of splits."""
    source = CocoCaptions(source="coco", root=str(root), splits=splits, captions=captions, ids=ids and str(ids))
    return source.rows(seed)


def test_all(tmp_path: Path) -> None:
    write_coco(tmp_path)
    rows = list(coco(tmp_path, ["val"], "all"))
    assert len(rows) == len(ANNOTATIONS)
    assert rows[0] == Caption("000000000003", "000000000007", "A dog. It sleeps.", "coco/val")
    reasons = {row.caption_id[-1]: row.reason for row in rows if isinstance(row, RejectedCaption)}
    assert reasons == {"2": EMPTY, "4": NOT_LISTED, "6": EMPTY, "8": NO_TEXT}


def test_one_caption_per_image(tmp_path: Path) -> None:
    path = write_coco(tmp_path)
    drawn = set()
    for seed in range(8):
        rows = list(coco(tmp_path, ["val"], "one", seed))
        kept = [row for row in rows if isinstance(row, Caption)]
        assert len(rows) == len(ANNOTATIONS)
        assert sorted(row.image_id for row in kept) == ["000000000007", "000000000009"]
        assert sum(row.reason == NOT_SAMPLED for row in rows if isinstance(row, RejectedCaption)) == 1
        drawn |= {row.caption_id[-1] for row in kept}
        write_coco(tmp_path, ANNOTATIONS[::-1])  # the draw does not depend on the order
        assert {row for row in coco(tmp_path, ["val"], "one", seed) if isinstance(row, Caption)} == set(kept)
        write_coco(tmp_path)
    assert drawn == {"1", "3", "5"}
    assert path.exists()


def test_double_ids(tmp_path: Path) -> None:
    write_coco(tmp_path)
    write_coco(tmp_path, ANNOTATIONS[:2], "train")
    rows = list(coco(tmp_path, ["val", "train"], "all"))
    assert [row.reason for row in rows[len(ANNOTATIONS) :]] == [TWICE, TWICE]


@pytest.mark.parametrize(("content", "message"), [
    ("[]", "found '\\['"),
    ('{"images": [], "annotations": {}}', "no array"),
    ('{"images": []}', "no key 'annotations'"),
    ('{"images": [], "annotations": [{"id": 1, "ima', "cut off"),
    ('{"images": [], "annotations": [{"id": 1}]}', "expected id, image_id and caption"),
    ('{"images": [{}], "annotations": []}', "images: no 'id'"),
])  # fmt: skip
def test_malformed_files(tmp_path: Path, content: str, message: str) -> None:
    path = write_coco(tmp_path)
    path.write_text(content)
    with pytest.raises(UserError, match=message) as error:
        list(coco(tmp_path, ["val"]))
    assert str(path) in str(error.value)
    with pytest.raises(UserError, match="no such file"):
        list(coco(tmp_path, ["test"]))


@pytest.mark.slow
def test_memory_is_flat(tmp_path: Path) -> None:
    peaks = []
    for count in (2000, 20000):
        rows = [{"id": i, "image_id": 7, "caption": f"A dog number {i}" + " word" * 40} for i in range(count)]
        size = write_coco(tmp_path, rows).stat().st_size
        tracemalloc.start()
        assert sum(1 for _ in coco(tmp_path, ["val"], "all")) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert size > 4e6
    assert peaks[1] - peaks[0] < 3 * json_stream.CHUNK + 100 * 20000  # a window, and the ids


def test_real_layout(real_data: Callable[..., Path]) -> None:
    root = real_data("coco_mini")
    rows = list(coco(root, ["val2014"]))
    kept = [row for row in rows if isinstance(row, Caption)]
    assert len(rows) == 243
    assert len(kept) == len({row.image_id for row in kept}) > 40


def test_ids_of_any_kind(tmp_path: Path) -> None:
    """Texts, negative numbers and long ones; a number written as text is that number."""
    write_coco(tmp_path, [{"id": key, "image_id": "7", "caption": "A dog"} for key in ("a", -1, 10**12, 5)])
    for captions, kept in (("all", 4), ("one", 1)):
        rows = list(coco(tmp_path, ["val"], captions))
        assert [row.caption_id for row in rows] == ["a", "-00000000001", "1000000000000", "000000000005"]
        assert sum(isinstance(row, Caption) for row in rows) == kept

"""Caption readers and class templates."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from t2ipal.captions import coco, json_stream, text
from t2ipal.captions.degrade import drop_words, thinned
from t2ipal.captions.readers import read_captions
from t2ipal.captions.rows import EMPTY, NO_TEXT, NOT_DRAWN, NOT_LISTED, NOT_ON_DISK, TWICE, Caption, Reject
from t2ipal.captions.templates import load_patterns, templates
from t2ipal.errors import UserError

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


def test_coco_all(tmp_path: Path) -> None:
    write_coco(tmp_path)
    rows = list(coco.read(tmp_path, ["val"], "all"))
    assert len(rows) == len(ANNOTATIONS)
    assert rows[0] == Caption("000000000003", "000000000007", "A dog. It sleeps.", "coco/val")
    reasons = {row.caption_id[-1]: row.reason for row in rows if isinstance(row, Reject)}
    assert reasons == {"2": EMPTY, "4": NOT_LISTED, "6": EMPTY, "8": NO_TEXT}


def test_coco_one_caption_per_image(tmp_path: Path) -> None:
    path = write_coco(tmp_path)
    drawn = set()
    for seed in range(8):
        rows = list(coco.read(tmp_path, ["val"], "one", seed))
        kept = [row for row in rows if isinstance(row, Caption)]
        assert len(rows) == len(ANNOTATIONS)
        assert sorted(row.image_id for row in kept) == ["000000000007", "000000000009"]
        assert sum(row.reason == NOT_DRAWN for row in rows if isinstance(row, Reject)) == 1
        drawn |= {row.caption_id[-1] for row in kept}
        write_coco(tmp_path, ANNOTATIONS[::-1])  # the draw does not depend on the order
        assert {row for row in coco.read(tmp_path, ["val"], "one", seed) if isinstance(row, Caption)} == set(kept)
        write_coco(tmp_path)
    assert drawn == {"1", "3", "5"}
    assert path.exists()


def test_coco_missing_images_and_double_ids(tmp_path: Path) -> None:
    write_coco(tmp_path)
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "a.jpg").touch()
    rows = list(coco.read(tmp_path, ["val"], "all", on_disk=True))
    assert {row.caption_id[-1]: row.reason for row in rows if isinstance(row, Reject)}["1"] == NOT_ON_DISK
    write_coco(tmp_path, ANNOTATIONS[:2], "train")
    rows = list(coco.read(tmp_path, ["val", "train"], "all"))
    assert [row.reason for row in rows[len(ANNOTATIONS) :]] == [TWICE, TWICE]


@pytest.mark.parametrize(("content", "message"), [
    ("[]", "found '\\['"),
    ('{"images": [], "annotations": {}}', "no array"),
    ('{"images": []}', "no key 'annotations'"),
    ('{"images": [], "annotations": [{"id": 1, "ima', "cut off"),
    ('{"images": [], "annotations": [{"id": 1}]}', "expected id, image_id and caption"),
    ('{"images": [{}], "annotations": []}', "images: no 'id'"),
])  # fmt: skip
def test_malformed_coco(tmp_path: Path, content: str, message: str) -> None:
    path = write_coco(tmp_path)
    path.write_text(content)
    with pytest.raises(UserError, match=message) as error:
        list(coco.read(tmp_path, ["val"]))
    assert str(path) in str(error.value)
    with pytest.raises(UserError, match="no such file"):
        list(coco.read(tmp_path, ["test"]))


@pytest.mark.parametrize("chunk", [1, 2, 7, 1000])
def test_json_stream_equals_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    values = [1, -2.5e3, 'a "b" \u00e9 \\', {"x": [1, {"y": None}]}, [], [[]], True, "", 12345]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"first": 12, "skip": [{"items": [0]}, 3], "items": values}, indent=1))
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    assert list(json_stream.items(path, "items")) == values


def test_coco_memory_is_flat(tmp_path: Path) -> None:
    peaks = []
    for count in (2000, 20000):
        rows = [{"id": i, "image_id": 7, "caption": f"A dog number {i}" + " word" * 40} for i in range(count)]
        size = write_coco(tmp_path, rows).stat().st_size
        tracemalloc.start()
        assert sum(1 for _ in coco.read(tmp_path, ["val"], "all")) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert size > 4e6
    assert peaks[1] - peaks[0] < 3 * json_stream.CHUNK + 100 * 20000  # a window, and the ids


def write_text_file(path: Path) -> Path:
    rows = [
        {"caption_id": "x", "caption": "A dog"},
        {"caption_id": "y", "caption": ""},
        {"caption_id": "x", "caption": "?"},
    ]
    if path.suffix == ".csv":
        path.write_text('caption_id,caption,image_id\nx,"A\ndog",i1\ny,,i2\nx,?,i3\n')
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_tables(tmp_path: Path, suffix: str) -> None:
    path = write_text_file(tmp_path / f"mine{suffix}")
    rows = list(text.read(path))
    image = "i1" if suffix == ".csv" else None
    assert rows == [
        Caption("x", image, "A dog", path.name),
        Reject("y", "", EMPTY),
        Reject("x", "?", TWICE),
    ]


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("A dog\n\nA cat", encoding="utf-8")
    assert list(text.read(path)) == [
        Caption("00000001", None, "A dog", "mine.txt"),
        Reject("00000002", "", EMPTY),
        Caption("00000003", None, "A cat", "mine.txt"),
    ]


def test_chosen_columns(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("k,said,text\n5,A dog,no\n")
    assert list(text.read(path, "said", "k")) == [Caption("5", None, "A dog", "mine.csv")]


@pytest.mark.parametrize(("name", "content", "message"), [
    ("a.csv", b"x,y\n1,2\n", "no column 'text' or 'caption'; it has x, y"),
    ("a.jsonl", b'{"text": "a"}\n{"text"\n', "line 2: not JSON"),
    ("a.jsonl", b"[1]\n", r"line 1: found \[1\]; expected a JSON object"),
    ("a.txt", b"\xff\xfe\xff", "not UTF-8"),
    ("a.parquet", b"PAR1", "damaged or not a parquet file"),
    ("a.docx", b"", "found '.docx'; expected .txt, .csv, .jsonl, .parquet"),
])  # fmt: skip
def test_malformed_text(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        list(text.read(path))
    assert "\n" not in str(error.value)


def test_micro_pool() -> None:
    rows = list(read_captions({"source": "micro", "size": 5}, seed=0))
    assert [row.caption_id for row in rows] == [f"micro-{index:07d}" for index in range(5)]
    assert rows == list(read_captions({"source": "micro", "size": 6}, seed=0))[:5]
    assert rows != list(read_captions({"source": "micro", "size": 5}, seed=1))


def is_part(part: list[str], whole: list[str]) -> bool:
    """Whether `part` is `whole` with some words left out."""
    rest = iter(whole)
    return all(word in rest for word in part)


def test_dropped_words() -> None:
    pool = {"source": "micro", "size": 300}
    whole = [row.text.split() for row in read_captions(pool, seed=0)]
    rows = list(read_captions(pool | {"drop_words": 0.3}, seed=0))
    assert rows == list(read_captions(pool | {"drop_words": 0.3}, seed=0))
    parts = [row.text.split() for row in rows]
    assert all(is_part(part, words) for part, words in zip(parts, whole, strict=True))
    assert 1 - sum(map(len, parts)) / sum(map(len, whole)) == pytest.approx(0.3, abs=0.03)
    # the same words go, whatever else is in the pool; at a higher rate more of them
    assert list(read_captions(pool | {"size": 20, "drop_words": 0.3}, seed=0)) == rows[:20]
    more = list(read_captions(pool | {"drop_words": 0.6}, seed=0))
    assert all(is_part(row.text.split(), part) for row, part in zip(more, parts, strict=True))
    assert list(read_captions(pool | {"drop_words": 0.0}, seed=0)) == list(read_captions(pool, seed=0))


def test_dropped_words_depend_on_seed_and_caption() -> None:
    text = " ".join(map(str, range(100)))
    drawn = {thinned(text, identity, 0.5, seed) for identity in "abc" for seed in range(3)}
    assert len(drawn) == 9


def test_dropping_leaves_a_word_and_rejects_alone(tmp_path: Path) -> None:
    write_coco(tmp_path)
    whole = list(coco.read(tmp_path, ["val"], "all"))
    rows = list(
        read_captions({"source": "coco", "root": tmp_path, "splits": ["val"], "captions": "all", "drop_words": 1.0}, 0)
    )
    assert [row for row in rows if isinstance(row, Reject)] == [row for row in whole if isinstance(row, Reject)]
    for row, before in zip(rows, whole, strict=True):
        if isinstance(row, Caption):
            assert row.text in before.text.split()
            assert (row.caption_id, row.image_id, row.source) == (before.caption_id, before.image_id, before.source)
    with pytest.raises(ValueError, match=r"rate is 1.5; expected a chance in \[0, 1\]"):
        list(drop_words(whole, 1.5, 0))


def test_real_coco_layout(real_data: Callable[..., Path]) -> None:
    root = real_data("coco_mini")
    pool = {"source": "coco", "root": str(root), "splits": ["val2014"], "captions": "one"}
    rows = list(read_captions(pool, seed=0))
    kept = [row for row in rows if isinstance(row, Caption)]
    assert len(rows) == 243
    assert len(kept) == len({row.image_id for row in kept}) > 40


def test_templates() -> None:
    patterns = load_patterns()
    assert (len(patterns), len(set(patterns))) == (89, 80)
    assert patterns[:9] == ("a photo of a {}.",) * 9
    rows = templates(["hot dog", "cat"])
    assert len(rows) == 2 * 89
    assert (rows[0].template_id, rows[0].text, rows[0].index) == ("000-000", "a photo of a hot dog.", 0)
    assert rows[-1].template_id == "001-088"
    assert len({row.template_id for row in rows}) == len(rows)


def test_malformed_templates(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("repeated: {text: 'a {}.', times: 1}\nwords: {}\npatterns: ['a {size} {}']\n")
    with pytest.raises(UserError, match="malformed"):
        load_patterns(path)

"""Captions of the user's own: lines, columns, and what is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from t2ipal.errors import UserError
from t2ipal.sources.caption_rows import (
    EMPTY,
    HALF,
    LONG,
    NO_TEXT,
    NUL,
    TWICE,
    Caption,
    RejectedCaption,
    write_captions,
)
from t2ipal.sources.text import TextCaptions


def read(path: Path, **settings: str) -> Iterator[Caption | RejectedCaption]:
    return TextCaptions(source="text", path=str(path), **settings).rows(seed=0)


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
    rows = list(read(path))
    image = "i1" if suffix == ".csv" else None
    assert rows == [
        Caption("x", image, "A dog", path.name),
        RejectedCaption("y", "", EMPTY),
        RejectedCaption("x", "?", TWICE),
    ]


def test_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("A dog\n\nA cat", encoding="utf-8")
    assert list(read(path)) == [
        Caption("00000001", None, "A dog", "mine.txt"),
        RejectedCaption("00000002", "", EMPTY),
        Caption("00000003", None, "A cat", "mine.txt"),
    ]


def test_chosen_columns(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("k,said,text\n5,A dog,no\n")
    assert list(read(path, text_column="said", id_column="k")) == [Caption("5", None, "A dog", "mine.csv")]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_named_columns_are_read_from_every_kind(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    rows = [{"uid": "u0", "long": "A dog", "text": "no"}, {"uid": "", "long": "A cat", "text": "no"}]
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        mark = {".csv": ";", ".tsv": "\t"}[suffix]
        path.write_text("".join(f"{mark.join(cells)}\n" for cells in (rows[0], *(row.values() for row in rows))))
    assert list(read(path, text_column="long", id_column="uid")) == [
        Caption("u0", None, "A dog", path.name),
        RejectedCaption("00000002", "A cat", "no id in column 'uid'"),
    ]
    with pytest.raises(UserError, match=r"no column 'id'; it has uid, long, text"):
        list(read(path, id_column="id"))
    with pytest.raises(UserError, match=r"no column 'short'; it has uid, long, text"):
        list(read(path, text_column="short"))


def test_texts_that_no_file_can_hold_are_rejects(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    texts = ["A \ud83d\ude00 dog", "half \ud83d", "a \0 bus", "x" * 140_000, 5, "A cat"]
    path.write_text(
        "".join(json.dumps({"id": f"{number}\udc00", "text": text}) + "\n" for number, text in enumerate(texts))
    )
    rows = list(read(path))
    assert [getattr(row, "reason", row.text) for row in rows] == ["A \U0001f600 dog", HALF, NUL, LONG, NO_TEXT, "A cat"]
    write_captions(rows, tmp_path / "captions.parquet", tmp_path / "rejects.parquet")
    assert pq.read_table(tmp_path / "rejects.parquet")["text"].to_pylist()[0] == "half \\ud83d"
    assert pq.read_table(tmp_path / "captions.parquet")["caption_id"].to_pylist() == ["0\\udc00", "5\\udc00"]


def test_a_column_that_is_there_twice_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("caption,id,caption\nA,1,B\n")
    with pytest.raises(UserError, match=r"a\.csv: column 'caption' occurs twice"):
        list(read(tmp_path / "a.csv"))
    table = pa.table([["A"], ["B"]], names=["caption", "caption"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"a\.parquet: column 'caption' occurs twice"):
        list(read(tmp_path / "a.parquet"))


@pytest.mark.parametrize(("name", "content", "message"), [
    ("a.csv", b"", "no column 'text' or 'caption'; it has nothing"),
    ("a.jsonl", b'{"text": ' + b"9" * 5000 + b"}", "line 1: .* 5000 digits"),
    ("a.jsonl", b"[" * 100_000, "line 1: not JSON"),
    ("a.jsonl", b'{"id": 1}', "line 1: no column 'text' or 'caption'; it has id"),
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
        list(read(path))
    assert "\n" not in str(error.value)


def test_a_key_twice_in_a_line_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "A dog"}\n{"text": "A cat", "more": {"x": 1, "x": 2}}\n')
    with pytest.raises(UserError, match=r"a\.jsonl: line 2: key 'x' occurs twice in one object"):
        list(read(path))


def test_ids_are_texts_or_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    ids = ["007", 7, 1.5, " x ", None, "", "  ", True, [1], {"a": 1}, float("nan")]
    path.write_text("".join(json.dumps({"id": key, "text": "A dog", "image_id": key}) + "\n" for key in ids))
    assert [row.caption_id for row in read(path)] == ["007", "7", "1.5", "x", *(f"{i:08d}" for i in range(5, 12))]
    assert [row.image_id for row in read(path)] == ["007", "7", "1.5", "x", *[None] * 7]
    assert [row.reason for row in list(read(path, id_column="id"))[4:]] == ["no id in column 'id'"] * 7


def test_captions_that_nobody_sees_are_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("A dog\n\u200b\n \ufeff\u2060 \nA \u200dcat\n")
    assert [row.text for row in read(path)] == ["A dog", "", "", "A \u200dcat"]
    assert [getattr(row, "reason", "") for row in read(path)] == ["", EMPTY, EMPTY, ""]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()])
def test_texts_of_parquet_of_any_type(tmp_path: Path, kind: pa.DataType) -> None:
    path = tmp_path / "a.parquet"
    ids = pa.array(["a", "b"]).dictionary_encode()
    pq.write_table(pa.table({"text": pa.array(["A dog", None]).cast(kind), "id": ids}), path)
    rows = list(read(path))
    assert [(row.caption_id, row.text) for row in rows] == [("a", "A dog"), ("b", "")]


def test_bytes_and_lists_are_no_captions(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for column in (pa.array([b"\xff"]), pa.array([["A", "B"]]), pa.array([{"en": "A"}]), pa.array([1])):
        pq.write_table(pa.table({"text": column}), path)
        assert [row.reason for row in read(path)] == [NO_TEXT]

"""Captions of the user's own: lines, columns, and what is broken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from t2ipal.errors import UserError
from t2ipal.sources.caption_rows import EMPTY, TWICE, Caption, RejectedCaption
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
        list(read(path))
    assert "\n" not in str(error.value)

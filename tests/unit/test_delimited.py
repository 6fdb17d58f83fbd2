"""Tables as spreadsheets and scripts write them: delimiters, encodings, quotes, and rows that do not fit."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from t2ipal.errors import UserError
from t2ipal.sources.reading.delimited import Table, column_of, delimiter_of, open_quote
from t2ipal.sources.text import TextCaptions
from t2ipal.text_files import encoding_of, open_text, writable

PLAIN = "id,caption\n1,A dog\n2,A cat\n"
LONG = "x" * 140_000


def rows(path: Path, content: bytes | str, *wanted: str) -> list[tuple[int, tuple[str, ...] | str]]:
    """(line, cells or the problem without the line) of a table."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = Table(path, wanted or ("caption",))
    return [(row.line, row.problem.partition(": ")[2] or row.cells) for row in table]


def test_a_line_break_in_a_cell_stays_as_it_is(tmp_path: Path) -> None:
    found = rows(tmp_path / "t.csv", 'id,caption\r\n1,"A dog\r\nand a cat"\r\n2,A bus\r\n')
    assert found == [(2, ("1", "A dog\r\nand a cat")), (4, ("2", "A bus"))]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        "\n\n" + PLAIN.replace("\n", "\n\n"),
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", " | "),
        '"id","caption"\n"1","A dog"\n"2","A cat"',
        "id,caption,,\n1,A dog,,\n,,,\n2,A cat,,\n",
        "sep=;\r\n" + PLAIN.replace(",", ";"),
        ("sep=\t\n" + PLAIN.replace(",", "\t")).encode("utf-16"),
        '"sep=|"\n' + PLAIN.replace(",", "|"),
        PLAIN.replace("\n", "\n\ufeff").encode("utf-8-sig"),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-32"),
        "\ufeff".encode("utf-16-be") + PLAIN.encode("utf-16-be"),
    ],
)
def test_a_table_is_read_however_it_is_written(tmp_path: Path, content: bytes | str) -> None:
    assert [cells[:2] for _, cells in rows(tmp_path / "a.csv", content)] == [("1", "A dog"), ("2", "A cat")]


def test_a_bad_row_has_its_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    content = (
        'id,caption\n1,A dog, a cat\n2\n3,A bus,\n4,"stop" sign\n5,it\'s 5" wide\n'
        '6,"said ""hi"""\n7,"two\nlines"\n' + f"8,{LONG}\n9,\0end\n"
    )
    assert rows(tmp_path / "a.csv", content) == [
        (2, "3 cells; expected 2, as in the header (put a text with the delimiter in quotes)"),
        (3, "1 cells; expected 2, as in the header"),
        (4, ("3", "A bus")),
        (5, 'text after a closing quote; expected quotes inside a quoted text doubled ("")'),
        (6, ("5", "it's 5\" wide")),
        (7, ("6", 'said "hi"')),
        (8, ("7", "two\nlines")),
        (10, "a cell of more than 131,072 characters"),
        (11, ("9", "\0end")),
    ]


@pytest.mark.parametrize(
    ("content", "line", "begin"),
    [
        ('caption\nA\n"B\nC\n', 3, '"B'),
        ('caption\n"B\nC\n"D\nE "F" G\n', 2, '"B'),
        ('id,caption\n1,"A ""x"" b\n2,A cat said "hello" to a dog\n', 2, '"A'),
        ('id,caption\n1,"A\nb","never\n2,C\n', 3, '"never'),
        ("caption\r'A'\r\"B\rC", 3, '"B'),
        ('caption\n"' + "B\n" * 70_000, 2, '"B'),
    ],
)
def test_a_quote_that_never_ends_is_one_line_with_its_number(
    tmp_path: Path, content: str, line: int, begin: str
) -> None:
    with pytest.raises(UserError, match=rf"a\.csv: line {line}: the quote of {begin}.* never ends") as error:
        rows(tmp_path / "a.csv", content)
    assert "\n" not in str(error.value)


def test_the_place_of_a_quote() -> None:
    assert open_quote(['a,"b\n', 'c "d" e\n'], ",") == (0, 2)
    assert open_quote(['"a\n', 'b","c""\n', "d\n"], ",") == (1, 3)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PLAIN.replace("dog", "caf\u00e9").encode("latin-1"), r"line 2: byte 0xE9 is not UTF-8 text: Latin-1"),
        (PLAIN.encode("utf-16-le"), "NUL bytes, as in UTF-16 without a byte order mark"),
        (PLAIN.encode("utf-16")[:-1], "not UTF-8 text, and damaged UTF-16"),
        (zipped(), r"a zip archive, such as an .xlsx or .ods workbook; expected text in UTF-8"),
        (b"\x1f\x8b\x08", "compressed by gzip"),
        (b"PAR1\x15\x00", "a Parquet file"),
    ],
)
def test_what_is_no_text_in_utf8_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        rows(tmp_path / "a.csv", content)
    assert "\n" not in str(error.value)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe")
    for name, message in (("", "a folder"), ("pipe", "not a regular file"), ("none", "no such file")):
        with pytest.raises(UserError, match=message), open_text(tmp_path / name):
            pass


def test_parts() -> None:
    assert [delimiter_of(line, ["b"]) for line in ("a,b", "a;b", "a\tb", "b", "c;d")] == [",", ";", "\t", ",", ";"]
    assert [column_of(["a", "b"], wanted, "") for wanted in (["c", "b"], ["c"])] == ["b", None]
    with pytest.raises(UserError, match="x: column 'a' occurs twice"):
        column_of(["a", "b", "a"], ["a"], "x")
    assert encoding_of(b"") == encoding_of(b"a\0bcdefgh") == "utf-8-sig"
    assert writable("caf\u00e9 \udce9 \ud83d") == "caf\u00e9 \\udce9 \\ud83d"


def test_damaged_tables_never_end_in_a_traceback(tmp_path: Path) -> None:
    """Bytes changed, cut out and doubled in tables of each kind, by a fixed seed."""
    random = np.random.default_rng(15)
    start = 'id,caption,image_id\n1,"A dog, ""x""",i\n2,"A\ncaf\u00e9",j\n3;A bus;k\n' * 3
    contents = [start.encode(), start.encode("utf-16"), start.replace(",", ";").encode("latin-1")]
    contents.append(b'{"id": 1, "caption": "A \\ud83d\\ude00 dog"}\n{"id": [2], "caption": {"a": null}}\n')
    for number in range(240):
        content = bytearray(contents[number % 4])
        for place in random.integers(0, len(content), random.integers(1, 5)):
            change = random.integers(3)
            content[place : place + change] = bytes(random.integers(0, 256, change, np.uint8)) * int(random.integers(3))
        path = tmp_path / f"a.{'jsonl' if number % 4 == 3 else 'csv'}"
        path.write_bytes(content)
        try:
            for row in TextCaptions(source="text", path=str(path)).rows(0):
                row.text.encode()
        except UserError as error:
            assert "\n" not in str(error)  # noqa: PT017 - one line, or none


def test_pythons_limit_is_as_documented() -> None:
    assert csv.field_size_limit() == 131_072


def test_a_header_in_the_middle_of_a_table_is_no_row(tmp_path: Path) -> None:
    """Files joined one behind the other, each with its own mark and header."""
    assert rows(tmp_path / "a.csv", PLAIN.rstrip("2,A cat\n") + "\n\ufeffid,caption\n3,A cow\n") == [
        (2, ("1", "A dog")),
        (3, "the header again"),
        (4, ("3", "A cow")),
    ]


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (b"BZh91AY&SY", "bzip2"),
        (b"\xfd7zXZ\0", "xz"),
        (b"7z\xbc\xaf'", "7z"),
        (b"ARROW1\0\0", "Arrow"),
        (b"\x93NUMPY\1", "NumPy"),
        (b"\x80\x04\x95", "pickle"),
        (b"{\\rtf1", "RTF"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"\xef\xbb\xbf\n<!DOCTYPE HTML><title>404", "web page"),
        (b"<html lang='en'>", "web page"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, start: bytes, told: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(start + b"\xff" * 9)
    with pytest.raises(UserError, match=rf"a\.txt: .*{told}.*; expected text in UTF-8"):
        list(TextCaptions(source="text", path=str(path)).rows(0))

"""HTML pages: their templates, the page of captions, and texts that would be code if a page did not escape them."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from html_pages import HOSTILE, data_of, expect_harmless, parse, text_of, texts
from jinja2 import StrictUndefined, UndefinedError
from PIL import Image

from t2ipal.pages.captions import captions_page, pieces
from t2ipal.pages.claims import claims_page
from t2ipal.pages.environment import environment, render
from t2ipal.pages.table import to_html
from t2ipal.prediction.gallery import Gallery
from t2ipal.prediction.prediction import Prediction
from t2ipal.tables.claims import LEVELS, SYSTEMS, Claim
from t2ipal.tables.model import Block, Cell, Column, Pair, Row, Table, Value

NAMES = ("person", "dog", "sofa")
TEMPLATES = files("t2ipal.pages") / "templates"
EVERY = pytest.mark.parametrize("hostile", HOSTILE)


# Templates


def test_the_environment_escapes_and_tells_of_what_is_not_given() -> None:
    assert environment().autoescape is True
    assert environment().undefined is StrictUndefined
    with pytest.raises(UndefinedError, match="'title' is undefined"):
        render("captions.html.j2")


def test_every_template_compiles_and_only_our_own_files_are_safe() -> None:
    names = environment().list_templates(extensions=["j2"])
    assert set(names) >= {"page.html.j2", "table.html.j2", "claims.html.j2", "captions.html.j2", "gallery.html.j2"}
    for name in names:
        environment().get_template(name)
        text = (TEMPLATES / name).read_text("utf-8")
        assert set(re.findall(r"\{\{ (.*?) \| safe \}\}", text)) <= {
            f'asset("{file}")' for file in ("style.css", "gallery.js", "app.js")
        }, name
        assert len(re.findall(r"\bsafe\b|autoescape", text)) == text.count("| safe }}"), name
        assert "<style>" not in text.replace("<style>\n{{ asset", ""), name


def test_no_python_writes_html() -> None:
    package = Path(str(files("t2ipal")))
    tags = re.compile(r"</?(?:div|span|table|td|th|tr|li|ul|p|html|body|svg|mark)\b[^<]*>")
    assert {path for path in package.rglob("*.py") if tags.search(path.read_text("utf-8"))} == set()


# Captions


def span(text: str, noun: str, index: int, verdict: str = "positive") -> dict[str, object]:
    start = text.index(noun)
    return {"class": index, "term": noun, "start": start, "end": start + len(noun), "verdict": verdict}


def test_nouns_are_marked_by_verdict() -> None:
    text = 'A <b>man</b> & a "dog"'
    row = {"text": text, "spans": [span(text, "dog", 1, "unknown"), span(text, "man", 0)]}
    (line,) = parse(captions_page([row], NAMES)).query("ol li")
    marks = line.query("mark")
    assert [(text_of(mark), mark.attrs["class"], mark.attrs["title"]) for mark in marks] == [
        ("manperson", "positive", "positive"),
        ("dogdog", "unknown", "unknown"),
    ]
    assert text_of(line) == 'A <b>manperson</b> & a "dogdog"'


def test_overlapping_spans_are_marked_once() -> None:
    text = "a hot dog"
    assert pieces(text, [span(text, "dog", 1), span(text, "hot dog", 2, "blocked")], NAMES) == [
        {"text": "a ", "kind": ""},
        {"text": "hot dog", "kind": "other", "verdict": "blocked", "name": "sofa"},
    ]
    assert pieces("", [], NAMES) == []


def test_the_page_holds_captions_rejects_and_counts() -> None:
    text = "my dog"
    rejects = [{"text": "a <day>", "reason": "no class"}]
    page = parse(captions_page([{"text": text, "spans": [span(text, "dog", 1)]}], NAMES, rejects, {"kept": 1500}))
    assert texts(page, "p.lead") == ["kept: 1,500"]
    assert texts(page, "h2") == ["Kept", "Left out"]
    assert texts(page, "ol li") == ["my dogdog", "a <day> (no class)"]
    expect_harmless(page)
    assert texts(parse(captions_page([], NAMES)), "h2") == ["Kept"]


# Texts that are not to run


@EVERY
def test_hostile_captions_are_text(hostile: str) -> None:
    text = f"a {hostile} dog"
    rows = [{"text": text, "spans": [span(text, hostile, 0, hostile), span(text, "dog", 1)]}]
    page = parse(captions_page(rows, [hostile, hostile], [{"text": hostile, "reason": hostile}], {hostile: 1}))
    expect_harmless(page)
    assert texts(page, "p.lead") == [f"{hostile}: 1"]
    assert texts(page, "ol li") == [f"a {hostile}{hostile} dog{hostile}", f"{hostile} ({hostile})"]
    assert page.query("ol mark")[0].attrs["title"] == hostile


@EVERY
def test_hostile_tables_are_text(hostile: str) -> None:
    value = Cell(Value(50.0, 1.0, 3), 40.0, best=True)
    pair = Pair(hostile, hostile, (Cell(Value(1.0, None, 3, -1.0, 2.0), 3.0),))
    block = Block(hostile, hostile + "?", (Row("a", hostile, hostile, (value,), (pair,)),))
    for stacked in (False, True):
        columns = (Column("a", hostile, hostile + "!"),)
        page = parse(to_html(Table("t", hostile, columns, (block,), stacked, "", (hostile,))))
        expect_harmless(page)
        assert texts(page, "h1") == texts(page, "title") == [hostile]
        assert texts(page, "thead th:not(.title)")[0].startswith(hostile)
        assert texts(page, "tbody th.title")[0] == f"{hostile} ({hostile})"
        assert texts(page, "tr.section") == [f"{hostile} (paper: {hostile}?)" if stacked else hostile]
        assert texts(page, "ul.notes li")[0] == hostile
        minus = hostile if stacked else f"{hostile} minus {hostile}"
        assert any(minus in title for title in texts(page, "tr.difference th"))


@EVERY
def test_hostile_claims_are_text(hostile: str) -> None:
    value = Value(1.0, low=0.5, high=1.5)
    level = Claim(hostile, SYSTEMS, hostile, hostile + "?", hostile, hostile, hostile, 1.0, value)
    claims = [replace(level, levels=(level,)), replace(level, kind=LEVELS)]
    page = parse(claims_page(claims, hostile, hostile, [hostile], hostile))
    expect_harmless(page)
    assert texts(page, "h1") == texts(page, "ul.notes li") == [hostile]
    assert texts(page, "p.lead")[0].startswith(f"{hostile} Each line is a difference of {hostile} that")
    assert texts(page, "thead .plot") == [f"Difference of {hostile}"]
    assert texts(page, "tr.group th[scope=rowgroup]") == [hostile, f"over the levels: {hostile}"]
    assert all(text.startswith(f"{hostile}") for text in texts(page, "td.text"))
    assert texts(page, "td.text .data") == ["average", *[f"{hostile} (paper: {hostile}?)"] * 2]
    assert page.query(".levels > span")[0].attrs["title"].startswith(f"{hostile}: this run")


@EVERY
def test_hostile_photos_are_text(hostile: str, tmp_path: Path) -> None:
    classes = (hostile, "dog")
    clip = {"name": hostile.replace("/", "|"), "crop": "center", "image_size": 64, "batch": 4}
    header: dict[str, Any] = {
        "method": "t2i_pal", "seeds": [1], "classes": list(classes), "threshold": None, "clip": clip
    }  # fmt: skip
    gallery = Gallery(tmp_path / "page.html", header, 1, 2, hostile)
    photo = tmp_path / "javascript:" / hostile.lstrip("/")
    scores = np.array([0.5, 0.25], dtype=np.float32)
    gallery.add(Prediction(photo, classes, scores, width=8, height=8, thumbnail=Image.new("RGB", (8, 8))))
    gallery.add(Prediction(photo, classes, problem=hostile))
    gallery.write()
    text = (tmp_path / "page.html").read_text("utf-8")
    page, data = parse(text), data_of(text)
    expect_harmless(page, scripts=2)
    assert texts(page, "h1") == texts(page, "title") == [hostile]
    assert clip["name"] in texts(page, "#facts")[0]
    assert texts(page, "details li small") == [hostile]
    assert texts(page, "details li")[0].startswith(str(photo))
    assert data["classes"] == list(classes)
    assert re.fullmatch(r"[\w./%~-]+", data["photos"][0]["link"])
    assert data["photos"][0]["link"].startswith("javascript%3A/")

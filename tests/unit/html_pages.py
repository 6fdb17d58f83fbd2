"""HTML pages as a browser's parser sees them."""

from __future__ import annotations

import json
from typing import Any

from justhtml import Element, JustHTML

HOSTILE = (
    "</script><script>alert(1)</script>",
    "</style><b>x",
    "<img src=x onerror=alert(1)>",
    '"><i>',
    "' onload='x",
    "$\\foo$",
    "=cmd",
    "{{ 7 * 7 }}",
    "a & b",
)
"""Texts that become something else where they are not escaped."""


def parse(text: str) -> JustHTML:
    """The page; one that breaks a rule of HTML is an error."""
    return JustHTML(text, strict=True, sanitize=False)


def texts(page: JustHTML | Element, selector: str) -> list[str]:
    """The texts of the elements that a selector finds, with single spaces."""
    return [text_of(each) for each in page.query(selector)]


def text_of(element: Element) -> str:
    """All text in an element, with single spaces."""
    return " ".join(element.to_text(separator="", strip=False).split())


def data_of(text: str) -> dict[str, Any]:
    """The JSON that a page of predictions holds."""
    (script,) = parse(text).query("script#data")
    return json.loads(script.to_text(separator="", strip=False))


def expect_harmless(page: JustHTML, scripts: int = 0) -> None:
    """Nothing in the page runs but our own scripts, and nothing comes from outside."""
    assert len(page.query("script")) == scripts
    assert len(page.query("style")) == 1
    assert not page.query("img, iframe, object, embed, link, base, i")
    for element in page.query("*"):
        assert not [name for name in element.attrs if name.startswith("on")], element.to_html()
        assert not {"src", "href", "action"} & set(element.attrs), element.to_html()

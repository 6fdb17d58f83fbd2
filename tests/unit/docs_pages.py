"""Reading the project's own pages: code blocks, tables, links, and what the rules make."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "config/README.md"]


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    """Targets of links and images."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    return {anchor_of(heading) for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)}


def anchor_of(heading: str) -> str:
    """The anchor of one heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def table_rows(text: str) -> list[list[str]]:
    """Cells of all tables of a text, headers and rules left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    ruled = {place for place, row in enumerate(rows) if all(re.fullmatch(r":?-+:?", cell) for cell in row)}
    return [row for place, row in enumerate(rows) if place not in ruled and place + 1 not in ruled]


def section(page: Path, heading: str) -> str:
    """The text below a heading of level two, up to the next one."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert found, f"{page.name}: no section {heading!r}"
    return found[1]


def documented_outputs() -> dict[str, dict[str, str]]:
    """docs/outputs.md: for each path pattern its columns and their types; none for what is no Parquet."""
    found: dict[str, dict[str, str]] = {}
    for part in re.split(r"^(?=### )", prose(ROOT / "docs/outputs.md"), flags=re.MULTILINE)[1:]:
        path = re.match(r"### `(.+)`", part)
        assert path, part[:60]
        body = re.split(r"^## ", part, flags=re.MULTILINE)[0]
        found[path[1]] = {row[0].strip("`"): row[1] for row in table_rows(body)}
    return found


def rules() -> dict[str, dict[str, list[str]]]:
    """Each rule of rules/*.smk: the path patterns of its outputs (results folder left out), log and benchmark."""
    found: dict[str, dict[str, list[str]]] = {}
    for file in sorted((ROOT / "rules").glob("*.smk")):
        text = file.read_text(encoding="utf-8")
        for name, body in re.findall(r"^rule (\w+):\n((?:[ \t]+.*\n|\n)*)", text, re.MULTILINE):
            found[name] = {part: _paths(body, part) for part in ("output", "log", "benchmark")}
    return found


def _paths(body: str, part: str) -> list[str]:
    block = re.search(rf"^    {part}:\n((?:        .*\n)*)", body, re.MULTILINE)
    strings = re.findall(r'"([^"\n]+)"', block[1]) if block else []
    return [
        text.removeprefix("<results>/")
        for text in strings
        if text.startswith(("<results>/", "results/")) and "../" not in text
    ]

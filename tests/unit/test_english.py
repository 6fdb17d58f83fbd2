"""Phrases that the project replaced by plainer ones stay out of code, rules, scripts and pages."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("t2ipal", "rules", "workflow_scripts", "docs")
ENDINGS = (".py", ".smk", ".md")

OUTDATED = {
    r"\bat work on it\b": "is still writing it",
    r"\bexpected no other\b": "wait for it or cancel it",
    r"\bwhat comes of\b": "the result of",
    r"\bhas no say\b": "has no influence",
    r"\bname of a model of OpenAI": "OpenAI model name",
    r"\bwhat it is told\b|\bis told (its|the|their)\b": "gets",
    r"\bimage_draw\b": "image_sampling",
    r"\bredraws?\b|\bredrawn\b": "retries, retry, retried",
    r"\bDrawSettings\b|\bdraw_shard\b|\bdraw_on_several\b": "GenerationSettings, generate_shard, generate_on_several",
    r"\bPainter\b": "ImageGenerator",
    r"\brows? beside\b|\bcolumns? beside\b": "next to, with, besides",
    r"\bknows no\b": "has no, ignores",
}
"""Regular expressions of outdated phrases, and the words to use instead."""

NAMED_ON_PURPOSE = {"t2ipal/validation.py": {r"\bimage_draw\b", r"\bredraws?\b|\bredrawn\b"}}
"""Files that must contain a phrase: the table of renamed config keys."""


def pages() -> list[Path]:
    below = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in ENDINGS]
    return [*below, ROOT / "README.md"]


@pytest.mark.parametrize("phrase", OUTDATED)
def test_an_outdated_phrase_is_replaced(phrase: str) -> None:
    pattern = re.compile(phrase, re.IGNORECASE)
    hits = []
    for path in pages():
        name = path.relative_to(ROOT).as_posix()
        if phrase not in NAMED_ON_PURPOSE.get(name, ()):
            lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            hits += [f"{name}:{number}: {line.strip()}" for number, line in lines if pattern.search(line)]
    assert hits == [], f"write: {OUTDATED[phrase]}"


@pytest.mark.parametrize(
    ("phrase", "better"),
    [(r"\bpaper: silent\b", "Paper: not stated"), (r"\bfound = ", "the name of what it holds"),
     (r"\bbeside\b(?! a | \")", "next to, with, besides"),
     (r"\bwhere there (is|are) (none|no)\b", "if it has none, without")],
)  # fmt: skip
def test_an_outdated_phrase_is_replaced_in_the_package(phrase: str, better: str) -> None:
    pattern = re.compile(phrase, re.IGNORECASE)
    package = [path for path in pages() if path.is_relative_to(ROOT / "t2ipal") and path.parent.name != "micro"]
    hits = [path.name for path in package if pattern.search(path.read_text(encoding="utf-8"))]
    assert hits == [], f"write: {better}"

"""Figures copied from tables: each has its one place in a page, and stale ones are found and corrected."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from docs_pages import ROOT

SPEC = importlib.util.spec_from_file_location("figures", ROOT / "docs/figures.py")
figures = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(figures)

PAGE = (
    "| A | {a} ± 0.2 | 91.5 |\n\nB minus A is\n{b} [-0.10, +0.40] here, {c} at 50 %; a run has {d}. B is 1.00 above.\n"
)
CSV = """# a comment
page,words,table,row,minus,column,values
page.md,| A | {} ± {} |,tables/t.csv,A,,,ours; ours_std
page.md,"B minus A is {} [{}, {}]",tables/t.csv,B,A,10%,difference; low; high
page.md,...{} at 50 %,tables/t.csv,B,A,50%,-difference
page.md,a run has {}.,runs/r/metrics.parquet,,,,ours
page.md,B is {} above,tables/t.csv,B,A,,ours - other
"""
TABLE = """row,column,ours,ours_std,minus,difference,low,high
A,10%,74.687,0.197,,,,
B,10%,75.687,,C,9,9,9
B,10%,75.687,,A,-0.004,-0.1,0.4
B,50%,75.687,,A,-0.149,,
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with figures.csv, a page with stale figures, a table and a run of four seeds."""
    import pandas as pd

    texts = {"docs/figures.csv": CSV, "tables/t.csv": TABLE, "runs/r/none": ""}
    texts["page.md"] = PAGE.format(a="74.3", b="+0.12", c="0.1", d="5")
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    pd.DataFrame({"seed": [4, 1, 2, 3], "mAP": [90.0, 1.0, 2.0, 3.0]}).to_parquet(tmp_path / "runs/r/metrics.parquet")
    return tmp_path


def stale(project: Path, *options: str) -> int | str:
    """The exit code, or the message."""
    with pytest.raises(SystemExit) as end:
        figures.main([str(project), *options], root=project)
    return end.value.code


def test_each_group_has_its_place_and_a_value_for_each_figure() -> None:
    found = figures.groups(ROOT)
    for group in found:
        match = figures.place((ROOT / group.page).read_text(encoding="utf-8"), group)
        per_column, columns = len(group.values.split("; ")), len(group.column.split("; "))
        assert len(match.groups()) == per_column * columns, group
    assert len({(group.page, group.words) for group in found}) == len(found) > 50


def test_no_figure_has_two_sources() -> None:
    spans = set()
    for group in figures.groups(ROOT):
        match = figures.place((ROOT / group.page).read_text(encoding="utf-8"), group)
        for index in range(1, len(match.groups()) + 1):
            assert (group.page, match.span(index)) not in spans, group
            spans.add((group.page, match.span(index)))


def test_stale_figures_are_listed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (project / "page.md").read_text(encoding="utf-8")
    assert stale(project) == 1
    assert capsys.readouterr().out.splitlines() == [
        "page.md:1: 74.3 -> 74.7", "page.md:4: +0.12 -> -0.00", "page.md:4: 5 -> 2",
    ]  # fmt: skip
    assert (project / "page.md").read_text(encoding="utf-8") == before


def test_write_corrects_them_and_nothing_else(project: Path) -> None:
    assert stale(project, "--write") == 1
    assert (project / "page.md").read_text(encoding="utf-8") == PAGE.format(a="74.7", b="-0.00", c="0.1", d="2")
    assert stale(project) == 0


def test_words_that_a_page_lost_and_missing_tables_are_errors(project: Path) -> None:
    (project / "tables/t.csv").rename(project / "tables/u.csv")
    assert stale(project) == f"error: {project}/tables/t.csv: missing (expected the results of a complete default run)"
    (project / "page.md").write_text("| A | 74.3 |\n", encoding="utf-8")
    assert stale(project) == "error: docs/figures.csv: words: | A | {} ± {} |: 0 times in page.md (expected once)"

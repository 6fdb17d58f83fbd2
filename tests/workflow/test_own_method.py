"""A method from outside the package: one file and one line of config, as docs/extending.md says."""

import csv
import re

from project import ROOT, Project


def block(language: str) -> str:
    """The page's first block of a language."""
    page = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    return re.search(rf"```{language}\n(.*?)```", page, re.DOTALL)[1]


def test_the_method_of_the_page_is_a_row_of_table_1(project: Project) -> None:
    (project.path / "prototypes.py").write_text(block("python"), encoding="utf-8")
    methods = re.search(r"\[(.*)\]", block("yaml"))[1].split(", ")
    project.configure({"methods": methods})
    assert project.planned("table1") == {"train": 1, "evaluate": 1, "table": 1, "table1": 1}
    result = project.run("table1")
    assert result.returncode == 0, result.stdout
    rows = list(csv.DictReader(project.file("tables/table1.csv").read_text(encoding="utf-8").splitlines()))
    (own,) = [row for row in rows if row["row"] == "Caption means"]
    assert 0 < float(own["ours"]) < 100
    assert own["paper"] == ""

"""Example data in the form in which users bring theirs."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml
from configs import default, merged
from docs_pages import ROOT, blocks
from PIL import Image

from t2ipal.cli import main
from t2ipal.config import load_config
from t2ipal.errors import UserError
from t2ipal.own_example import CLASSES, write_example
from t2ipal.plan.make import make_plan


def test_the_example_is_whole_and_its_config_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = write_example("data/toys", photos=5, captions=20)
    assert all(path.exists() for path in paths)
    config = load_config(merged(default(), yaml.safe_load(Path("data/toys/config.yaml").read_text())))
    plan = make_plan(config)
    assert list(plan.runs) == [("toys", "t2i_pal", "base")]
    assert plan.tables == {}
    assert config.datasets["toys"].photos.path == "data/toys/photos"
    assert Path("data/toys/classes.txt").read_text().split() == list(CLASSES)
    assert len(Path("data/toys/captions.txt").read_text().splitlines()) == 20
    with Path("data/toys/labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [path.name for path in sorted(Path("data/toys/photos").iterdir())]
    assert {row[name] for row in rows for name in CLASSES} == {"0", "1"}
    with Image.open("data/toys/photos/0000.jpg") as image:
        assert image.size == (240, 240)


def test_nothing_is_overwritten_and_a_name_must_do_for_a_config(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/x").write_text("")
    with pytest.raises(UserError, match=r"mine: there is something already"):
        write_example(tmp_path / "mine")
    with pytest.raises(UserError, match=r"'my toys' \(expected letters"):
        write_example(tmp_path / "my toys")


@pytest.mark.slow
def test_the_page_shows_what_the_command_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """docs/own_data.md has the real output of `classes` on the example's captions."""
    monkeypatch.chdir(tmp_path)
    assert main(["example", "data/toys", "--photos", "1"]) == 0
    said = capsys.readouterr().out
    assert main(["classes", "data/toys/classes.txt", "--captions", "data/toys/captions.txt"]) == 0
    shown = capsys.readouterr()
    page = blocks(ROOT / "docs/own_data.md", "text")
    assert said in page
    assert shown.err + shown.out in page

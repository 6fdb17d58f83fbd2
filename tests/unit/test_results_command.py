"""`t2ipal results`: which run it shows, and what of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from t2ipal.cli import main
from t2ipal.marks import mark

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "config.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_overlays_decide_the_folder_as_they_do_for_snakemake(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results", "--folder"]) == 0
    (folder / "name.yaml").write_text("name: other\nmachine: {cores: 4}\n")
    (folder / "dir.yaml").write_text("results_dir: big disk\n")
    assert main(["results", "--folder", "--configfile", "name.yaml", "dir.yaml"]) == 0
    assert capsys.readouterr().out.splitlines() == ["results/micro", "big disk/other"]


def test_data_in_the_results_are_not_removed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mark(folder / "results/micro")
    photos = folder / "results/micro/images/mine"
    photos.mkdir(parents=True)
    (folder / "mine.yaml").write_text(f"datasets: {{micro: {{photos: {{path: {photos}}}}}}}\n")
    assert main(["results", "--remove", "--configfile", "mine.yaml"]) == 1
    assert "not removed: the config reads " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["results", "--remove", "--folder"])
    assert photos.exists()


def test_a_finished_run_is_shown_by_its_table_and_paths(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["results"]) == 1
    assert capsys.readouterr().err.startswith("error: results/micro/tables/table1.txt: ")
    for name in ("tables/table1.txt", "tables/table1.html", "figures/fig4.png", "report.html"):
        (folder / "results/micro" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "results/micro" / name).write_text("Table 1\n")
    assert main(["results"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Table 1",
        "",
        "Tables:  results/micro/tables/table1.html",
        "Figures: results/micro/figures/fig4.png",
        "Report:  results/micro/report.html",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: [", "mine.yaml: not YAML: "),
        ("- name", "mine.yaml: found a list "),
        ("nmae: x", "did you mean"),
        (None, "mine.yaml: no such file"),
    ],
)
def test_a_bad_config_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str | None, told: str
) -> None:
    if text is not None:
        (folder / "mine.yaml").write_text(text)
    assert main(["results", "--configfile", "mine.yaml"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1

    assert re.search(told, lines[0])

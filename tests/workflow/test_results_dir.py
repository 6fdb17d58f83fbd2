"""Outputs go where the config says: another folder, an absolute path, a name with a space; a bad one is one line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from project import ROOT, Project, copy_sources

TARGET = "tiny/captions/micro/captions.parquet"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return copy_sources(tmp_path_factory.mktemp("results-dir") / "project")


@pytest.mark.parametrize("name", ["out/of the way", "../beside", "/absolute"])
def test_outputs_and_logs_are_below_the_results_folder(project: Project, tmp_path: Path, name: str) -> None:
    name = name if name.startswith(("out", "..")) else str(tmp_path / "absolute")
    project.configure({"results_dir": name})
    folder = (project.path / name).resolve()
    result = project.run(f"{name}/{TARGET}")
    assert result.returncode == 0, result.stdout
    assert (folder / TARGET).is_file()
    assert (folder / "tiny/logs/captions_read/micro.log").is_file()
    assert not (project.path / "results").exists()
    assert project.planned(f"{name}/{TARGET}") == {}


def test_a_folder_that_cannot_be_made_is_one_line(project: Project, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    project.configure({"results_dir": str(tmp_path / "file")})
    result = project.run("captions")
    assert result.returncode == 1
    assert result.stdout.splitlines()[-1].startswith(f"error: config: results_dir: {tmp_path}/file: ")


def test_the_makefile_follows_the_config(tmp_path: Path) -> None:
    text = (ROOT / "config.yaml").read_text()
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    (tmp_path / "config.yaml").write_text(text.replace("results_dir: results", 'results_dir: "/big/out" # elsewhere'))
    shown = subprocess.run(["make", "-pn", "help"], cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert "REPORT := /big/out/micro/report.html\n" in shown.replace("$(RESULTS)", "/big/out/micro")
    assert "RESULTS := /big/out/micro\n" in shown.replace("$(RESULTS_DIR)/$(NAME)", "/big/out/micro")
    assert "RESULTS_DIR := /big/out\n" in shown

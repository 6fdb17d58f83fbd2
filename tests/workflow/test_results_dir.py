"""Outputs go where the config and the command line say; a folder that cannot be made is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from project import Project, copy_sources

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


def test_another_working_directory_gets_the_outputs_and_keeps_the_defaults(project: Project, tmp_path: Path) -> None:
    """The project's own config and resources are found from anywhere."""
    project.configure({"clip": {"micro": {"model": "resources/classes/coco.yaml"}}})  # any file that comes along
    target, where = f"results/{TARGET}", ("--directory", str(tmp_path))
    result = project.run(target, *where)
    assert result.returncode == 0, result.stdout
    assert (tmp_path / target).is_file()
    assert not (project.path / "results").exists()
    assert project.planned(target, *where) == {}

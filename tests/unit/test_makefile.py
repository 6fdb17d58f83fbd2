"""What make does with the results folder, with Snakemake itself replaced by a note of how it was called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("out of 'the' way", "results")


class Checkout:
    """A folder with the Makefile, the config, and programs that are called instead of the environment's."""

    def __init__(self, path: Path, results_dir: str) -> None:
        self.path = path
        for name in ("Makefile", "pyproject.toml", "envs/requirements.txt", "envs/uv.txt"):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
        text = (ROOT / "config.yaml").read_text(encoding="utf-8")
        line = f'results_dir: "{results_dir}" # elsewhere'
        (path / "config.yaml").write_text(text.replace("results_dir: results", line), encoding="utf-8")
        (path / "report").mkdir()
        self.results = path / results_dir / "micro"
        self.program("t2ipal", f'PYTHONPATH={ROOT} exec {sys.executable} -m t2ipal "$@"')
        self.program("snakemake", 'printf "%s\\n" "$@" >> called')
        stamp = self.make("-pn", "help").split("\nSTAMP := ")[1].split("\n")[0]
        subprocess.run(["bash", "-c", f"touch {stamp}".replace("$(shell", "$(")], cwd=path, check=True)

    def program(self, name: str, body: str) -> None:
        program = self.path / ".venv/bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        program.chmod(0o755)

    def make(self, *arguments: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        result = subprocess.run(
            ["make", *arguments], cwd=self.path, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def finish(self) -> None:
        """Write what a run leaves, as far as make asks for it."""
        for name in ("tables/table1.txt", "figures/fig3a.png", "report/claims.html", "logs/report.log"):
            (self.results / name).parent.mkdir(parents=True, exist_ok=True)
            (self.results / name).write_text("Table 1\n", encoding="utf-8")


@pytest.fixture(params=FOLDERS)
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Checkout:
    return Checkout(tmp_path, request.param)


def test_the_report_is_written_where_the_config_says_and_once(checkout: Checkout) -> None:
    checkout.finish()
    report = checkout.results / "report.html"
    shown = checkout.make("reproduce")
    assert shown.splitlines()[0] == f"Report: writing {report.relative_to(checkout.path)}"
    assert "Table 1" in shown
    called = (checkout.path / "called").read_text(encoding="utf-8").splitlines()
    assert called == ["--cores", "all", "--cores", "all", "--report", str(report.relative_to(checkout.path))]
    report.write_text("", encoding="utf-8")
    assert "writing" not in checkout.make("reproduce")


def test_clean_removes_the_results_of_the_config_alone(checkout: Checkout) -> None:
    checkout.finish()
    (checkout.results.parent / "other").mkdir()
    (checkout.path / ".snakemake").mkdir()
    checkout.make("clean")
    assert not checkout.results.exists()
    assert (checkout.results.parent / "other").exists()
    assert (checkout.path / ".snakemake").exists(), "Snakemake's memory of other results"
    checkout.make("clean")

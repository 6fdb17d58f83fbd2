"""What make does with the results folder, with Snakemake itself replaced by a note of how it was called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from t2ipal.marks import mark

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
        self.program("snakemake", 'printf "%s\\n" "$@" >> called; [ "$3" != --report ] || echo page > "$4"')
        stamp = self.make("-pn", "help").split("\nSTAMP := ")[1].split("\n")[0]
        subprocess.run(["bash", "-c", f"touch {stamp}".replace("$(shell", "$(")], cwd=path, check=True)

    def program(self, name: str, body: str) -> None:
        program = self.path / ".venv/bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        program.chmod(0o755)

    def make(self, *arguments: str, code: int = 0) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        result = subprocess.run(
            ["make", *arguments], cwd=self.path, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == code, result.stderr
        self.told = result.stderr
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
    part = report.with_name(".report.part.html").relative_to(checkout.path)
    called = (checkout.path / "called").read_text(encoding="utf-8").splitlines()
    assert called == ["--cores", "all", "--cores", "all", "--report", str(part)]
    assert report.read_text(encoding="utf-8") == "page\n"
    assert "writing" not in checkout.make("reproduce")


def test_a_killed_report_is_not_there_and_an_empty_one_is_written_again(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, "results")
    checkout.finish()
    report = checkout.results / "report.html"
    checkout.program("snakemake", '[ "$3" != --report ] || { echo half > "$4"; kill -9 $$; }')
    checkout.make("reproduce", code=2)
    assert not report.exists()
    report.write_text("", encoding="utf-8")
    checkout.program("snakemake", '[ "$3" != --report ] || echo page > "$4"')
    checkout.make("reproduce")
    assert report.read_text(encoding="utf-8") == "page\n"
    assert not report.with_name(".report.part.html").exists()


def test_clean_removes_the_results_of_the_config_alone(checkout: Checkout) -> None:
    checkout.finish()
    mark(checkout.results)
    (checkout.results.parent / "other").mkdir()
    (checkout.path / ".snakemake").mkdir()
    checkout.make("clean")
    assert not checkout.results.exists()
    assert (checkout.results.parent / "other").exists()
    assert (checkout.path / ".snakemake").exists(), "Snakemake's memory of other results"
    checkout.make("clean")


@pytest.mark.parametrize(
    ("results_dir", "found"),
    [("..", "a folder around others"), ("mine", "no run of this project made it")],
)
def test_clean_refuses_what_is_not_the_projects(tmp_path: Path, results_dir: str, found: str) -> None:
    path = tmp_path / "micro"  # the name of the config
    path.mkdir()
    checkout = Checkout(path, results_dir)
    (path / "mine/micro/tables").mkdir(parents=True)
    (path / "mine/micro/tables/thesis.txt").write_text("years of work")
    if results_dir == "..":
        mark(path)
    before = sorted(path.rglob("*"))
    checkout.make("clean", code=2)
    assert found in checkout.told
    assert sorted(path.rglob("*")) == before


def test_clean_without_the_key_removes_the_default_folder_alone(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, "results")
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("results_dir:", "# results_dir:"), encoding="utf-8")
    mark(tmp_path / "results/micro")
    checkout.make("clean")
    assert not (tmp_path / "results/micro").exists()
    config.write_text("name: [", encoding="utf-8")
    mark(tmp_path / "results/micro")
    checkout.make("clean", code=2)
    assert "config.yaml: not YAML: " in checkout.told
    assert (tmp_path / "results/micro").exists()


def test_a_read_only_checkout_is_one_line(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path, "results")
    text = (tmp_path / "Makefile").read_text(encoding="utf-8")
    # root may write everywhere, but not on a disk that is read-only
    (tmp_path / "Makefile").write_text(text.replace("[ -w . ]", "[ -w /proc/sys/kernel/version ]"), encoding="utf-8")
    checkout.make("reproduce", code=2)
    line, end = checkout.told.splitlines()
    assert line == f"error: {tmp_path}: no permission to write (expected a checkout of one's own)"
    assert end.startswith("make: ***")
    assert not (tmp_path / "called").exists()

"""The files by which services run the project: continuous integration, the workflow catalogue, containers."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_continuous_integration_runs_what_a_change_must_pass() -> None:
    flow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    (job,) = flow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci/run").stat().st_mode & 0o100


def test_the_catalogue_knows_how_software_is_installed() -> None:
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert usage["software-stack-deployment"]["conda"] == (ROOT / "envs/environment.yaml").exists()
    assert usage["report"] == ('report: "' in (ROOT / "Snakefile").read_text(encoding="utf-8"))


def test_every_overlay_is_listed() -> None:
    page = (ROOT / "config/README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"`([a-z0-9_]+\.yaml)`", page)) - {"config.yaml"}
    assert listed == {path.name for path in (ROOT / "config").glob("*.yaml")}


def test_a_container_is_built_by_the_makefile_from_the_lock() -> None:
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
    assert "RUN make env" in lines
    assert 'ENV PATH="/t2ipal/.venv/bin:$PATH"' in lines
    ignored = (ROOT / ".containerignore").read_text(encoding="utf-8").split()
    kept_out = [line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()]
    assert {".venv", "results", ".snakemake", "data"} <= set(ignored) & set(kept_out)

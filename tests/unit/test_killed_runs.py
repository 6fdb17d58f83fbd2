"""Which runs count as killed. What is then done with their jobs is tested on a real Slurm, in tests/cluster."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from t2ipal.runtime.orphans import RunWatch, end_orphans

RUN = "t2ipal_8b722ef3-9164-4756-95cc-23d3533f715e"
SUBMIT = """
import sys, logging, pathlib
from t2ipal.runtime.orphans import RunWatch
logger = logging.getLogger("submits")
logger.setLevel(logging.INFO)
logger.addHandler(RunWatch(folder=pathlib.Path(sys.argv[1])))
logger.info("SLURM run ID: " + sys.argv[2])
print("submits", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once squeue was called; it is not answered."""
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "squeue").write_text(f"#!/bin/sh\necho $* > {tmp_path}/asked\necho 'no controller' >&2\nexit 1\n")
    (bin / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "asked"


def submitting(folder: Path) -> subprocess.Popen[str]:
    """A process that is a run with jobs in Slurm's hands, as far as the files tell."""
    process = subprocess.Popen(
        [sys.executable, "-c", SUBMIT, str(folder), RUN],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "submits\n"
    return process


def test_jobs_of_a_living_run_are_left_alone(tmp_path: Path, asked: Path) -> None:
    process = submitting(tmp_path / "runs")
    end_orphans(tmp_path / "runs")
    assert not asked.exists()
    assert (tmp_path / "runs" / RUN).exists()
    process.communicate()


def test_of_a_killed_run_slurm_is_asked_and_its_silence_ends_the_next_one(tmp_path: Path, asked: Path) -> None:
    process = submitting(tmp_path / "runs")
    process.kill()
    process.communicate()
    with pytest.raises(SystemExit, match=rf"error: .*{RUN}: this run was killed.*squeue: no controller"):
        end_orphans(tmp_path / "runs")
    assert f"--name {RUN}" in asked.read_text()
    assert (tmp_path / "runs" / RUN).exists(), "the next one has to ask again"


def test_a_copy_of_a_folder_has_no_jobs(tmp_path: Path, asked: Path) -> None:
    process = submitting(tmp_path / "runs")
    (tmp_path / "runs").rename(tmp_path / "elsewhere")
    process.kill()
    process.communicate()
    end_orphans(tmp_path / "elsewhere")
    assert not asked.exists()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_run_that_submits_nothing_leaves_no_name(tmp_path: Path) -> None:
    watch = RunWatch(folder=tmp_path / "runs")
    watch.handle(logging.LogRecord("snakemake", logging.INFO, "", 0, "Building DAG of jobs...", None, None))
    assert not (tmp_path / "runs").exists()
    end_orphans(tmp_path / "runs")

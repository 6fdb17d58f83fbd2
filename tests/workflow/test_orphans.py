"""The files that the jobs of a killed cluster run had made: gone with the jobs, and made again."""

from __future__ import annotations

import os

import pytest
from project import Project

GONE = "features/micro/captions/micro.parquet"
TRAINED = "runs/micro/t2i_pal/base/model.safetensors"
SQUEUE = """#!/bin/sh
# Answers as after `scancel`: the Snakemake inside the cancelled job has removed what the job had made.
echo asked >> asked
rm -f {gone}
"""


@pytest.fixture
def killed(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A finished project in which a run has been killed, as its files tell; its job is still there to be cancelled."""
    squeue = project.path / "bin/squeue"
    squeue.parent.mkdir()
    squeue.write_text(SQUEUE.format(gone=project.file(GONE)))
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{squeue.parent}{os.pathsep}{os.environ['PATH']}")
    run = project.path / ".snakemake/runs/t2ipal_8b722ef3"
    run.parent.mkdir(parents=True, exist_ok=True)
    run.write_text(str(run.parent.resolve()))
    return project


def test_what_went_with_a_cancelled_job_is_made_again(killed: Project) -> None:
    """It was there when the run began: a plan of before the cancelling would lack it."""
    assert killed.file(GONE).exists()
    killed.file(TRAINED).unlink()
    result = killed.run(f"results/tiny/{TRAINED}")
    assert result.returncode == 0, result.stdout[-3000:]
    assert (killed.path / "asked").exists()
    assert killed.file(GONE).exists()
    assert killed.file(TRAINED).exists()


def test_who_only_asks_cancels_nothing(killed: Project) -> None:
    for arguments in (["-n"], ["--summary"], ["--lint"]):
        killed.run(*arguments)
        assert not (killed.path / "asked").exists(), arguments

"""Two jobs that make the same files work one after the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from t2ipal.errors import UserError
from t2ipal.runtime.output_locks import hold

HOLD = """
import sys, pathlib
from t2ipal.runtime.output_locks import hold
with hold(sys.argv[2:], pathlib.Path(sys.argv[1]), wait=0.05):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path, *outputs: str) -> subprocess.Popen[str]:
    """A process that makes `outputs` until its stdin is closed."""
    environment = dict(os.environ)
    environment.pop("SLURM_JOB_ID", None)
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *outputs],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_second_job_for_the_same_file_names_the_first_and_gives_up(tmp_path: Path) -> None:
    first = holder(tmp_path, "a.parquet", "b.parquet")
    assert first.stdout.readline() == "held\n"
    told = rf"a.parquet: process {first.pid} on \S+ is still writing it; wait for it or cancel it"
    with pytest.raises(UserError, match=told), hold(["a.parquet"], tmp_path, patience=0.2, wait=0.05):
        pytest.fail("two at once")
    with hold(["c.parquet"], tmp_path, patience=0):
        pass
    first.communicate()
    with hold(["a.parquet"], tmp_path, patience=0):
        pass


@pytest.mark.slow
def test_a_second_job_waits_until_the_first_ends_however_it_ends(tmp_path: Path) -> None:
    first = holder(tmp_path, "a.parquet")
    assert first.stdout.readline() == "held\n"
    second = holder(tmp_path, "a.parquet")
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(0.5)
    first.send_signal(signal.SIGKILL)
    assert second.stdout.readline() == "held\n"
    for process in (first, second):
        process.communicate()


def test_a_job_without_outputs_holds_nothing(tmp_path: Path) -> None:
    with hold([], tmp_path / "locks"):
        assert not (tmp_path / "locks").exists()

"""What becomes of the locks of a killed Snakemake."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from t2ipal.errors import UserError
from t2ipal.runtime.run_lock import share_folder

ROOT = Path(__file__).resolve().parents[2]
JOIN = """
import os
from t2ipal.runtime.workflow_run import begin_run
share = begin_run("/checkout", {}, False)
print(os.environ["PYTHONPATH"], os.environ["T2IPAL_OWNER"], flush=True)
input()
"""


def joined(folder: Path, is_main: bool = True) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", JOIN.format(is_main)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().split() == [f"/checkout{os.pathsep}{ROOT}", str(process.pid)]
    return process


def test_a_lock_outlives_its_owner_only_until_the_next_run(tmp_path: Path) -> None:
    lock = tmp_path / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir(parents=True)
    first = joined(tmp_path)
    lock.write_text("")
    second = joined(tmp_path)
    assert lock.exists(), "the owner lives"
    first.kill()
    first.wait()
    third = joined(tmp_path)
    assert lock.exists(), "another one lives"
    for process in (second, third):
        process.kill()
        process.wait()
    with (tmp_path / ".snakemake/alive").open() as share:
        fcntl.flock(share, fcntl.LOCK_EX | fcntl.LOCK_NB)
    last = joined(tmp_path)
    assert not lock.exists()
    last.kill()
    last.wait()


def test_the_snakemake_inside_a_job_owns_no_lock_and_removes_none(tmp_path: Path) -> None:
    lock = tmp_path / ".snakemake/locks/0.input.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("")
    inside = joined(tmp_path, is_main=False)
    assert lock.exists(), "the run that owns it may live on another machine"
    after = joined(tmp_path)
    assert not lock.exists(), "a job that outlived its run is no owner"
    for process in (inside, after):
        process.kill()
        process.communicate()


def test_a_checkout_that_is_read_only_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match=r"/file/\.snakemake: not a directory \(expected a checkout of one's own: copy it"
    ):
        share_folder(tmp_path / "file/.snakemake")

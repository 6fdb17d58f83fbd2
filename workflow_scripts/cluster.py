"""Slurm: the end of jobs whose Snakemake was killed.

A job in Slurm's hands outlives a kill -9 of the Snakemake that submitted it, and the next Snakemake, which knows
nothing of it, would submit a second one for the same files. So each run leaves its name (Slurm's `--job-name`) in
.snakemake/runs and locks that file while it lives. A name whose lock is free is that of a dead run: the next run
cancels its jobs, and starts its own when they are gone. It does so before it looks which files are there: the Snakemake
inside a cancelled job removes what the job had made.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

FOLDER = Path(".snakemake/runs")
SUBMITS = re.compile(r"SLURM run ID: (\S+)")
PATIENCE = 300.0
"""Seconds that cancelled jobs have to be gone: Slurm itself waits some for their processes to end."""


class Silent(Exception):
    """Slurm gives no answer; the message says what it said."""


def event_of(record: logging.LogRecord) -> str:
    """Which of Snakemake's events (`LogEvent`) a record tells; empty for a mere text."""
    return str(getattr(getattr(record, "event", None), "value", ""))


class RunWatch(logging.Handler):
    """Ends the jobs of killed runs when this Snakemake sets to work, and notes under which name it submits its own.

    Both are said in the log: the first before the files are looked at (`onstart` comes after that), the second before
    the first job, and nowhere else. A run that only tells what it would do (`is_dry`) ends nothing.
    """

    def __init__(self, is_dry: bool = False, folder: Path = FOLDER) -> None:
        super().__init__()
        self.is_dry, self.folder = is_dry, folder
        self.held: IO[str] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if event_of(record) == "workflow_started" and not self.is_dry:
            end_orphans(self.folder)
        found = SUBMITS.match(str(record.msg))
        if found:
            self.held = hold_run(found[1], self.folder)


def hold_run(run: str, folder: Path = FOLDER) -> IO[str]:
    """Say that the run of this name lives, until this process ends; return what must be kept alive."""
    folder.mkdir(parents=True, exist_ok=True)
    file = open(folder / run, "w")  # noqa: SIM115 (its life is the process's)
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_EX)
    # A copy of the folder holds a copy of this file, locked by nobody: the place tells that it is none of the copy's.
    file.write(str(folder.resolve()))
    file.flush()
    return file


def end_orphans(folder: Path = FOLDER, patience: float = PATIENCE) -> None:
    """Cancel what killed runs of this folder left in Slurm's hands, and wait until it is gone.

    Ends the process with one line where it cannot be known, or where jobs do not end.
    """
    for path in sorted(folder.glob("*")):
        with path.open("r+") as file:
            place = file.read() if _lock(file) else ""
            if not place:  # it lives, or is just beginning to
                continue
            if place == str(folder.resolve()) and shutil.which("squeue"):
                try:
                    _end_jobs(path.name, patience)
                except Silent as error:
                    sys.exit(
                        f"error: {path}: this run was killed, and its jobs may still work: {error} "
                        "(expected an answer of Slurm; if there are none, remove that file)"
                    )
            path.unlink(missing_ok=True)


def active_jobs(run: str) -> list[str]:
    """Ids of a run's jobs that wait, run or are ending.

    Raises:
        Silent: Slurm does not answer.
    """
    return _ask("squeue", "--noheader", "--name", run, "--format", "%A").split()


def is_active(job: str) -> bool:
    """Whether a job waits, runs or is ending. Not if Slurm has forgotten it.

    Raises:
        Silent: Slurm does not answer.
    """
    try:
        return bool(_ask("squeue", "--noheader", "--jobs", job, "--format", "%A").strip())
    except Silent as error:
        if "Invalid job id" in str(error):
            return False
        raise


def _end_jobs(run: str, patience: float) -> None:
    jobs = active_jobs(run)
    if not jobs:
        return
    print(f"Slurm: ending {len(jobs)} jobs of a run that was killed: {', '.join(jobs)}", file=sys.stderr, flush=True)
    _ask("scancel", "--name", run)
    end = time.monotonic() + patience
    # Ending counts as active: there is a Snakemake inside the job that cleans up.
    while jobs := active_jobs(run):
        if time.monotonic() > end:
            raise Silent(f"cancelled, and still there after {patience:.0f} s: {', '.join(jobs)}")
        time.sleep(0.5)


def _ask(*command: str) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Silent(f"{command[0]}: {error}") from error
    if answer.returncode:
        raise Silent(f"{command[0]}: {' '.join(answer.stderr.split())}")
    return answer.stdout


def _lock(file: IO[str]) -> bool:
    """Whether the file could be locked. On a file system without locks it never can: nothing there counts as dead."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

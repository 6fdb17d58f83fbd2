"""The end of Slurm jobs whose Snakemake was killed.

A job in Slurm's hands outlives a kill -9 of the Snakemake that submitted it, and the next Snakemake would submit a
second one for the same files: the plugin (2.8) does not use the ids that Snakemake records. So each run leaves its
name (Slurm's `--job-name`) in .snakemake/runs and locks that file while it lives. A name whose lock is free is that of
a dead run: the next run cancels its jobs, and starts its own when they are gone. It does so before it looks which files
are there: the Snakemake inside a cancelled job removes what the job had made.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import re
import shutil
import sys
import time
from pathlib import Path
from typing import IO

from t2ipal.file_lock import try_lock
from t2ipal.runtime.slurm import SlurmSilent, active_jobs, cancel
from t2ipal.runtime.terminal import event_of

FOLDER = Path(".snakemake/runs")
SUBMITS = re.compile(r"SLURM run ID: (\S+)")
PATIENCE = 300.0
"""Seconds that cancelled jobs have to be gone: Slurm itself waits some for their processes to end."""


class RunWatch(logging.Handler):
    """Ends the jobs of killed runs when this Snakemake sets to work, and notes under which name it submits its own.

    Both are in Snakemake's log: the first before the files are looked at (`onstart` comes after that), the second
    before the first job, and nowhere else. A run that only plans (`is_dry`) ends nothing.
    """

    def __init__(self, is_dry: bool = False, folder: Path = FOLDER) -> None:
        super().__init__()
        self.is_dry, self.folder = is_dry, folder
        self.held: IO[str] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if event_of(record) == "workflow_started" and not self.is_dry:
            end_orphans(self.folder)
        submits = SUBMITS.match(str(record.msg))
        if submits:
            self.held = hold_run(submits[1], self.folder)


def hold_run(run: str, folder: Path = FOLDER) -> IO[str]:
    """Mark the run of this name as alive until this process ends; return what must be kept alive."""
    folder.mkdir(parents=True, exist_ok=True)
    file = open(folder / run, "w")  # noqa: SIM115 (it lives as long as the process)
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_EX)
    # A copy of the folder holds a copy of this file that nobody locks: its content names the folder of the original.
    file.write(str(folder.resolve()))
    file.flush()
    return file


def end_orphans(folder: Path = FOLDER, patience: float = PATIENCE) -> None:
    """Cancel what killed runs of this folder left in Slurm's hands, and wait until it is gone.

    Ends the process with one line where it cannot be known, or where jobs do not end.
    """
    for path in sorted(folder.glob("*")):
        with path.open("r+") as file:
            # On a file system without locks, no run counts as dead.
            origin = file.read() if try_lock(file) else ""
            if not origin:  # it lives, or is just beginning to
                continue
            if origin == str(folder.resolve()) and shutil.which("squeue"):
                try:
                    _end_jobs(path.name, patience)
                except SlurmSilent as error:
                    sys.exit(
                        f"error: {path}: this run was killed, and its jobs may still work: {error} "
                        "(expected an answer of Slurm; if there are none, remove that file)"
                    )
            path.unlink(missing_ok=True)


def _end_jobs(run: str, patience: float) -> None:
    jobs = active_jobs(run)
    if not jobs:
        return
    print(f"Slurm: ending {len(jobs)} jobs of a run that was killed: {', '.join(jobs)}", file=sys.stderr, flush=True)
    cancel(run)
    end = time.monotonic() + patience
    # Ending counts as active: there is a Snakemake inside the job that cleans up.
    while jobs := active_jobs(run):
        if time.monotonic() > end:
            raise SlurmSilent(f"cancelled, and still there after {patience:.0f} s: {', '.join(jobs)}")
        time.sleep(0.5)

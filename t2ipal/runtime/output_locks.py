"""One job at a time for the files it makes, on whatever machine it runs.

Snakemake's own locks keep two runs apart, not a run and a job that a killed run left behind. A job locks a file that
locks its outputs while it works, and writes there who it is. The lock ends with the process, however it ends. In
Slurm's hands, more than the process belongs to a job: the Snakemake around it removes what a failed script made. So
what a Slurm job left in the file counts until Slurm reports that the job is gone.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from t2ipal.errors import UserError
from t2ipal.file_lock import try_lock
from t2ipal.runtime.progress import log
from t2ipal.runtime.slurm import SlurmSilent, is_active

FOLDER = Path(".snakemake/output_locks")


@contextmanager
def hold(outputs: Sequence[str], folder: Path = FOLDER, patience: float = 300.0, wait: float = 1.0) -> Iterator[None]:
    """Hold the outputs of a job inside the block; wait for another one that holds them.

    Raises:
        UserError: another one holds them for longer than `patience` seconds.
    """
    if not outputs:
        yield
        return
    # The outputs of a job belong together: the first one's lock covers all.
    path = folder / f"{hashlib.sha256(outputs[0].encode()).hexdigest()[:32]}.lock"
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        _wait(file, outputs[0], patience, wait)
        _write(file, {"output": outputs[0], "host": socket.gethostname(), "pid": os.getpid(), "job": _job()})
        yield
        _write(file, None)  # not after a failure: there is something to remove, and that takes until the job is gone


def _wait(file: IO[str], output: str, patience: float, wait: float) -> None:
    end = time.monotonic() + patience
    reported = False
    # Without locks on its file system, what Slurm reports of the last holder is all there is.
    while try_lock(file) is False or not _has_left(file):
        holder = _read(file)
        who = f"process {holder.get('pid')} on {holder.get('host')}"
        if holder.get("job"):
            who = f"Slurm job {holder['job']} ({who})"
        if time.monotonic() > end:
            raise UserError(f"{output}: {who} is still writing it; wait for it or cancel it")
        if not reported:
            log.info("waiting for %s, which is still writing %s", who, output)
            reported = True
        time.sleep(wait)


def _has_left(file: IO[str]) -> bool:
    """Whether the last holder is gone entirely, given that its process no longer locks it."""
    job = _read(file).get("job")
    if not job or job == _job():
        return True
    with suppress(SlurmSilent):  # no squeue here: the lock alone decides
        return not is_active(job)
    return True


def _job() -> str | None:
    return os.environ.get("SLURM_JOB_ID")


def _read(file: IO[str]) -> dict[str, Any]:
    file.seek(0)
    with suppress(json.JSONDecodeError):
        return json.load(file)
    return {}


def _write(file: IO[str], holder: dict[str, Any] | None) -> None:
    file.truncate(0)
    if holder:
        json.dump(holder, file)
    file.flush()

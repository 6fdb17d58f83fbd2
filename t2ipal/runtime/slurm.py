"""Questions to Slurm, and the cancelling of a run's jobs."""

from __future__ import annotations

import subprocess


class SlurmSilent(Exception):
    """Slurm gives no answer; the message is what it wrote instead."""


def active_jobs(run: str) -> list[str]:
    """Ids of a run's jobs that wait, run or are ending; a run's name is that of its jobs.

    Raises:
        SlurmSilent: Slurm does not answer.
    """
    return _ask("squeue", "--noheader", "--name", run, "--format", "%A").split()


def is_active(job: str) -> bool:
    """Whether a job waits, runs or is ending. Not if Slurm has forgotten it.

    Raises:
        SlurmSilent: Slurm does not answer.
    """
    try:
        return bool(_ask("squeue", "--noheader", "--jobs", job, "--format", "%A").strip())
    except SlurmSilent as error:
        if "Invalid job id" in str(error):
            return False
        raise


def cancel(run: str) -> None:
    """Cancel all jobs of a run.

    Raises:
        SlurmSilent: Slurm does not answer.
    """
    _ask("scancel", "--name", run)


def _ask(*command: str) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SlurmSilent(f"{command[0]}: {error}") from error
    if answer.returncode:
        raise SlurmSilent(f"{command[0]}: {' '.join(answer.stderr.split())}")
    return answer.stdout

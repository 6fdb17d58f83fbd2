"""Less in the terminal: what Snakemake writes twice, or a failed job has written already. Its log file has all of it.

Snakemake 9.27 can leave out whole kinds of messages (`--quiet`), but the end of a job only together with the progress.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

LOGGER = logging.getLogger("snakemake.logging")
STARTED = time.time()

QUIET_EVENTS = {"job_started", "job_finished", "resources_info"}
QUIET_STARTS = ("Select jobs to execute", "Assuming unrestricted")


def event_of(record: logging.LogRecord) -> str:
    """Which of Snakemake's events (`LogEvent`) a record reports; empty for a mere text."""
    return str(getattr(getattr(record, "event", None), "value", ""))


def quieten() -> None:
    """Leave a job's message, the progress, and failures that nobody has reported yet."""
    for handler in LOGGER.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    event = event_of(record)
    if event in ("job_error", "group_error"):
        return _is_unreported(record)
    text = str(record.msg)
    return not (
        event in QUIET_EVENTS
        or text.startswith(QUIET_STARTS)
        or ("CalledProcessError" in text and text.rstrip().endswith("returned non-zero exit status 1."))
    )


def _is_unreported(record: logging.LogRecord) -> bool:
    """Whether a failure still has to be shown: not if the job wrote its line, here or, repeated now, on a cluster."""
    if getattr(record, "indent", False):  # one of a group's jobs: the group's record names them all
        return False
    group = getattr(record, "job_error_info", None)
    logs = [path for job in group for path in job["log"]] if group else getattr(record, "log", None) or []
    lines = [line for path in logs if (line := _error_line(path))]
    if lines and (group or "external_jobid" in (getattr(record, "aux", None) or {})):
        print(*lines, sep="\n", file=sys.stderr, flush=True)
    return not lines


def _error_line(path: str) -> str | None:
    """The last line of a job's log, if it is the one that a job of this run writes to the terminal when it fails."""
    try:
        if os.path.getmtime(path) < STARTED:
            return None
        line = Path(path).read_text(encoding="utf-8").rstrip().rpartition("\n")[2]
    except (OSError, UnicodeDecodeError):
        return None
    return line if line.startswith("error: ") else None

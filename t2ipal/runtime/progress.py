"""A job's reports: lines for the log and the terminal, and its progress."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("t2ipal.job")


class Progress:
    """Reports how far a job is: at its end, and every few seconds on the way."""

    def __init__(self, what: str, unit: str, seconds: float = 10.0) -> None:
        self.what, self.unit, self.seconds = what, unit, seconds
        self.started = self.reported = time.monotonic()
        self.done = 0

    def __call__(self, done: int, total: int | None = None) -> None:
        """Note that `done` units, of `total` if that is known, are ready."""
        self.done = done
        now = time.monotonic()
        if now - self.reported >= self.seconds:
            self.reported = now
            rate = done / (now - self.started)
            left = f" of {total:,}, {(total - done) / rate:.0f} s left" if total and rate else ""
            log.info("%s: %s %s%s (%.3g/s)", self.what, f"{done:,}", self.unit, left, rate)

    def warn(self, text: str) -> None:
        """Report a warning about the outcome."""
        log.warning("%s: %s", self.what, text)


@contextmanager
def progress(what: str, unit: str) -> Iterator[Progress]:
    """Yield a `Progress`; report the total and the time at the end."""
    report = Progress(what, unit)
    yield report
    seconds = time.monotonic() - report.started
    log.info("%s: %s %s in %.0f s", report.what, f"{report.done:,}", report.unit, seconds)

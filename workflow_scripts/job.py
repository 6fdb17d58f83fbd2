"""The frame of every script: threads, logging, errors of one line, and an end when Snakemake is gone."""

from __future__ import annotations

import errno
import gc
import logging
import os
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from devices import lease
from output_locks import hold
from t2ipal.errors import UserError

log = logging.getLogger("t2ipal.job")
DISK = {errno.ENOSPC: "no space left on the disk", errno.EDQUOT: "disk quota exceeded"}


def run(main: Callable[[Any], None], snakemake: Any) -> None:
    """Call `main(snakemake)` and end the process; with one line and exit code 1 where it fails.

    A mistake of the user's is told as it is. Anything else is a bug or the machine's: the traceback is in the log.
    """
    # Torch alone makes a million objects that live until the end: to look through them again and again is a tenth of a
    # short job.
    gc.set_threshold(100_000, 50, 1000)
    _limit_threads(snakemake.threads)
    path = snakemake.log[0] if snakemake.log else None
    _start_logging(path)
    _end_with_owner()
    try:
        with hold(snakemake.output), lease(snakemake.resources.get("gpu", 0)):
            _sweep(snakemake.output)
            main(snakemake)
    except UserError as error:
        _fail(str(error), path, "")
    except OSError as error:
        if error.errno in DISK:
            _fail(f"{error.filename or snakemake.output[0]}: {DISK[error.errno]}", path, "")
        _fail(_unexpected(error, snakemake.rule, path), path, traceback.format_exc())
    except Exception as error:
        _fail(_unexpected(error, snakemake.rule, path), path, traceback.format_exc())
    _leave()


def _leave() -> NoReturn:
    """End at once: all is written, and to take torch apart takes another tenth of a short job."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


class Progress:
    """Says how far a job is: at its end, and every few seconds on the way."""

    def __init__(self, what: str, unit: str, seconds: float = 10.0) -> None:
        self.what, self.unit, self.seconds = what, unit, seconds
        self.started = self.said = time.monotonic()
        self.done = 0

    def __call__(self, done: int, total: int | None = None) -> None:
        """Note that `done` units, of `total` if that is known, are ready."""
        self.done = done
        now = time.monotonic()
        if now - self.said >= self.seconds:
            self.said = now
            rate = done / (now - self.started)
            left = f" of {total:,}, {(total - done) / rate:.0f} s left" if total and rate else ""
            log.info("%s: %s %s%s (%.3g/s)", self.what, f"{done:,}", self.unit, left, rate)

    def warn(self, text: str) -> None:
        """Say what a person should know of the outcome."""
        log.warning("%s: %s", self.what, text)


@contextmanager
def progress(what: str, unit: str) -> Iterator[Progress]:
    """Yield a `Progress`; say the total and the time at the end."""
    report = Progress(what, unit)
    yield report
    seconds = time.monotonic() - report.started
    log.info("%s: %s %s in %.0f s", report.what, f"{report.done:,}", report.unit, seconds)


def _sweep(outputs: Iterable[str]) -> None:
    """Remove the unfinished temporary files that a killed predecessor left beside the outputs."""
    for output in map(Path, outputs):
        for part in output.parent.glob(f".{output.name}.*.part"):
            part.unlink(missing_ok=True)


def _unexpected(error: Exception, rule: str, path: str | None) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{rule}: {type(error).__name__}: {text}" + (f" (traceback in {path})" if path else "")


def _fail(line: str, path: str | None, trace: str) -> NoReturn:
    print(f"error: {line}", file=sys.stderr, flush=True)
    if path:
        try:
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"{trace}error: {line}\n")
        except OSError:
            pass
    sys.exit(1)


def _limit_threads(threads: int) -> None:
    """Before torch and BLAS are imported: a job uses the cores it was given, so that jobs beside it run as fast."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def _start_logging(path: str | None) -> None:
    """Everything to the log file; what the project itself says also to the terminal."""
    screen = logging.StreamHandler()
    screen.setFormatter(logging.Formatter("  %(message)s"))
    screen.addFilter(lambda record: record.name.startswith(("t2ipal", "zoo")) or record.levelno >= logging.ERROR)
    screen.setLevel(logging.INFO)
    logging.getLogger("t2ipal").setLevel(logging.DEBUG)
    handlers: list[logging.Handler] = [screen]
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(path, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(file)
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    warnings.simplefilter("default")


def _end_with_owner() -> None:
    """End this process when the Snakemake that started it was killed, so that its successor works alone."""
    owner = os.environ.get("T2IPAL_OWNER")
    if owner:
        threading.Thread(target=_watch, args=(int(owner),), daemon=True).start()


def _watch(owner: int) -> None:
    import psutil

    try:
        process = psutil.Process(owner)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.5)
    except psutil.NoSuchProcess:
        pass
    os._exit(1)

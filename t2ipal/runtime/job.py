"""The frame of every script: logging, locks, a GPU, and errors of one line."""

from __future__ import annotations

import errno
import gc
import logging
import os
import shutil
import sys
import traceback
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from t2ipal.atomic import unfinished
from t2ipal.errors import UserError
from t2ipal.runtime.allocator import keep_freed_memory
from t2ipal.runtime.gpu_lease import lease
from t2ipal.runtime.output_locks import hold
from t2ipal.runtime.ownership import end_with_owner
from t2ipal.runtime.progress import log
from t2ipal.runtime.usage import used

DISK = {errno.ENOSPC: "no space left on the disk", errno.EDQUOT: "disk quota exceeded"}


def run(main: Callable[[Any], None], snakemake: Any) -> None:
    """Call `main(snakemake)` and end the process; where it fails, with one line and exit code 1.

    A mistake of the user's is reported as it is. Anything else is a bug or the machine's: the traceback is in the log.
    Threads are limited already: Snakemake sets OMP_NUM_THREADS and its like to those of the rule.
    """
    # Torch alone makes a million objects that live until the end: to look through them again and again is a tenth of a
    # short job.
    gc.set_threshold(100_000, 50, 1000)
    keep_freed_memory()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    path = snakemake.log[0] if snakemake.log else None
    _start_logging(path)
    end_with_owner()
    try:
        with hold(snakemake.output), lease(snakemake.resources.get("gpu", 0)):
            _remove_parts(snakemake.output)
            _check_artifacts(snakemake)
            main(snakemake)
    except UserError as error:
        _fail(str(error), path, "")
    except OSError as error:
        if error.errno in DISK:
            _fail(f"{error.filename or snakemake.output[0]}: {DISK[error.errno]}", path, "")
        _fail(_unexpected(error, snakemake.rule, path), path, traceback.format_exc())
    except Exception as error:
        _fail(_unexpected(error, snakemake.rule, path), path, traceback.format_exc())
    log.debug("%s", used())
    _leave()


def _check_artifacts(snakemake: Any) -> None:
    """Compare inputs with the rule's parameter `holds`: by name of the input what its files are made with, or a list
    of it for each file. The parameter `made` is what the outputs record about themselves.
    """
    from t2ipal import artifacts, store

    artifacts.made_with = dict(snakemake.params.get("made") or {})
    for name, wanted in (snakemake.params.get("holds") or {}).items():
        files = snakemake.input[name]
        paths = [files] if isinstance(files, str) else list(files)
        store.check_inputs(paths, wanted if isinstance(wanted, list) else [wanted] * len(paths))


def _leave() -> NoReturn:
    """End at once: all is written, and to take torch apart takes another tenth of a short job."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _remove_parts(outputs: Iterable[str]) -> None:
    """Remove the unfinished files that a killed job left next to its outputs; Snakemake removes only declared ones."""
    for part in (part for output in outputs for part in unfinished(Path(output))):
        if part.is_dir():
            shutil.rmtree(part)
        else:
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


def _start_logging(path: str | None) -> None:
    """Everything to the log file; what the project itself reports also to the terminal."""
    screen = logging.StreamHandler()
    screen.setFormatter(logging.Formatter("  %(message)s"))
    screen.addFilter(lambda record: record.name.startswith(("t2ipal", "zoo")) or record.levelno >= logging.ERROR)
    screen.setLevel(logging.INFO)
    logging.getLogger("t2ipal").setLevel(logging.DEBUG)
    handlers: list[logging.Handler] = [screen]
    if path:
        file = logging.FileHandler(path, mode="w", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(file)
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    warnings.simplefilter("default")
